"""VGGish (Hershey et al. 2017), from the published conversion of its weights to PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from affect_pipe.extractors.networks.state import fill, load_state, width_of
from affect_pipe.pipeline.optional import require

N_FRAMES, N_BANDS = 96, 64
# Numbers of the convolutions among the layers, and after which of them maps are halved.
_CONVOLUTIONS = (0, 3, 6, 8, 11, 13)
_POOLED = (0, 3, 8, 13)
_EMBEDDINGS = (0, 2, 4)


def vggish(path: Path, rectified: bool) -> Any:
    """Build the network.

    Parameters
    ----------
    path : Path
        Names ``features.N`` and ``embeddings.N``.
    rectified : bool
        Whether the embedding passes a rectifier, as in the first release of the network; a later
        one leaves it out.

    Returns
    -------
    module : float [n, 96, 64] log-mel patches, time first -> float [n, 128]

    Raises
    ------
    UsageError
        If the file is of something else.
    """
    torch = require("torch", feature="the vggish feature")
    nn, what = torch.nn, "VGGish"
    state = load_state(path, what)
    layers: list[Any] = []
    n_inputs = 1
    for number in _CONVOLUTIONS:
        width = width_of(state, f"features.{number}.weight", path, what)
        layers += [nn.Conv2d(n_inputs, width, 3, padding=1), nn.ReLU()]
        n_inputs = width
        if number in _POOLED:
            layers.append(nn.MaxPool2d(2))
    n_inputs *= (N_FRAMES // 16) * (N_BANDS // 16)
    dense: list[Any] = []
    for number in _EMBEDDINGS:
        width = width_of(state, f"embeddings.{number}.weight", path, what)
        dense += [nn.Linear(n_inputs, width), nn.ReLU()]
        n_inputs = width
    if not rectified:
        dense.pop()
    module = nn.ModuleDict(
        {"features": nn.Sequential(*layers), "embeddings": nn.Sequential(*dense)}
    )
    fill(module, state, path, what)

    def embed(patches: Any) -> Any:
        maps = module["features"](patches[:, None])
        # TensorFlow, where the weights come from, keeps channels last.
        return module["embeddings"](maps.permute(0, 2, 3, 1).flatten(1))

    return _Function(module, embed)


class _Function:
    """A network with its own way through its parts."""

    def __init__(self, module: Any, call: Any) -> None:
        self._module = module
        self._call = call

    def to(self, device: Any) -> _Function:
        self._module.to(device)
        return self

    def __call__(self, inputs: Any) -> Any:
        return self._call(inputs)
