"""VGG-16 and VGG-19 (Simonyan and Zisserman 2015), from the files torchvision publishes.

And VGG-Face (Parkhi et al. 2015), which is VGG-16 with other names. Widths are taken from the
weights themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from affect_pipe.extractors.networks.state import fill, load_state, width_of
from affect_pipe.pipeline.optional import require

# Convolutions a block, by depth.
BLOCKS: Mapping[str, tuple[int, ...]] = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
INPUT_PX = 224
# Five times halved.
_GRID = INPUT_PX // 32


def second_fully_connected(path: Path, depth: str) -> Any:
    """Return the network up to its second fully connected layer, ``fc2``, rectified.

    Parameters
    ----------
    path : Path
        A file of torchvision: names ``features.N``, ``classifier.N``.
    depth : {"vgg16", "vgg19"}

    Returns
    -------
    module : float [n, 3, 224, 224] -> float [n, 4096]

    Raises
    ------
    UsageError
        If the file is of something else.
    """
    torch = require("torch", feature="the deepspectrum feature")
    state, nn = load_state(path, depth), torch.nn
    names = list(_torchvision_names(BLOCKS[depth]))
    widths = [width_of(state, f"{name}.weight", path, depth) for name in names]
    hidden = [width_of(state, f"classifier.{k}.weight", path, depth) for k in (0, 3)]
    # Dropout does nothing in use, but numbers the layers as the file does.
    classifier = nn.Sequential(
        nn.Linear(widths[-1] * _GRID**2, hidden[0]),
        nn.ReLU(),
        nn.Identity(),
        nn.Linear(hidden[0], hidden[1]),
        nn.ReLU(),
    )
    features = _convolutions(nn, BLOCKS[depth], widths)
    module = nn.Sequential()
    module.add_module("features", features)
    module.add_module("flatten", nn.Flatten())
    module.add_module("classifier", classifier)
    # The layer that tells ImageNet's classes is not looked at.
    wanted = {name: value for name, value in state.items() if not name.startswith("classifier.6.")}
    return fill(module, wanted, path, depth)


def face_descriptor(path: Path) -> Any:
    """Return VGG-Face's convolutions with their last map averaged.

    Parameters
    ----------
    path : Path
        ``vgg_face_dag.pth``: names ``conv1_1`` to ``conv5_3``; its ``fc`` layers are not used.

    Returns
    -------
    module : float [n, 3, 224, 224] -> float [n, 512]

    Raises
    ------
    UsageError
        If the file is of something else.
    """
    torch = require("torch", feature="the vggface feature")
    state, nn, what, blocks = load_state(path, "VGG-Face"), torch.nn, "VGG-Face", BLOCKS["vgg16"]
    published = [f"conv{block}_{k}" for block, n in enumerate(blocks, 1) for k in range(1, n + 1)]
    widths = [width_of(state, f"{name}.weight", path, what) for name in published]
    renamed = {
        f"{ours.removeprefix('features.')}.{part}": state.get(f"{theirs}.{part}", torch.empty(0))
        for ours, theirs in zip(_torchvision_names(blocks), published, strict=True)
        for part in ("weight", "bias")
    }
    features = fill(_convolutions(nn, blocks, widths), renamed, path, what)
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def _convolutions(nn: Any, blocks: Sequence[int], widths: Sequence[int]) -> Any:
    layers: list[Any] = []
    inputs = [3, *widths]
    k = 0
    for n in blocks:
        for _ in range(n):
            layers += [nn.Conv2d(inputs[k], widths[k], 3, padding=1), nn.ReLU()]
            k += 1
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _torchvision_names(blocks: Sequence[int]) -> Iterator[str]:
    """Names of the convolutions where activations and poolings are numbered along."""
    number = 0
    for n in blocks:
        for _ in range(n):
            yield f"features.{number}"
            number += 2
        number += 1
