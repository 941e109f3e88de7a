"""Loading py-feat's detectors from weights of the store, through py-feat's own loading code.

py-feat asks the Hugging Face hub for every file, by repository and name, and keeps the answers in
its own package folder. Here the store answers in the hub's place: the files are those the user can
list, pull and bundle, nothing is fetched behind their back, and nothing is opened that was not
looked at first. What py-feat 2.1 does with the files:

- ``.safetensors`` and ``.json``: plain data.
- ``.pth`` and ``.pth.tar``: ``torch.load`` with ``weights_only=True``.
- ``.skops`` (action units of Detectorv1): loaded with every type the file asks for declared
  trusted, which is as good as a pickle; a file that asks for more than `SKOPS_TYPES` is refused.
- A multitask checkpoint of any other ending than ``.safetensors``: unpickled; never handed over.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from affect_pipe.extractors.weights import published_pyfeat as published
from affect_pipe.extractors.weights.needs import Weights
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.pipeline.errors import MissingDependencyError, UsageError
from affect_pipe.pipeline.fingerprint import digest_json
from affect_pipe.pipeline.optional import backend_version, require, torchvision_misfit

FEATURE = "the pyfeat feature"
EXTRA = "pyfeat"
WEIGHTS: Mapping[str, tuple[Weights, ...]] = {
    "v2": (published.RETINAFACE, published.MULTITASK),
    "v1": (
        published.RETINAFACE,
        published.MOBILEFACENET,
        published.XGB_AU,
        published.RESMASKNET,
        published.L2CS,
        published.POSE_MLP,
    ),
}
# What the published classifiers consist of, beside the types that skops itself trusts.
SKOPS_TYPES = frozenset(
    {
        "feat.au_detectors.StatLearning.SL_test.XGBClassifier",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
    }
)
# The shape of the networks behind the columns of the feature.
_MULTITASK_SHAPE = {"n_au": 20, "n_emotion": 7, "n_blendshape": 52}
# A name of timm's own list; with "hf-hub:" or "local-dir:" timm would look elsewhere.
_BACKBONE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)?")


def backend() -> str:
    """Return py-feat's name and version.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        return backend_version("py-feat")
    except MissingDependencyError as error:
        raise MissingDependencyError(
            f'{FEATURE} needs py-feat, which is not installed: pip install "affect-pipe[{EXTRA}]", '
            "best in an environment of its own; the facemesh feature works without it."
        ) from error


def model_id(detector: str) -> str:
    """Name the weights of a detector."""
    return ", ".join(f"{w.name}/{w.files[-1].name}" for w in WEIGHTS[detector])


def weights_digest(detector: str) -> str:
    """Digest of all files of a detector.

    Raises
    ------
    MissingWeightsError
        If one is missing and cannot be fetched.
    """
    store = WeightsStore()
    for weights in WEIGHTS[detector]:
        store.find(weights, needed_for=FEATURE)
    return digest_json({w.name: store.digest(w) for w in WEIGHTS[detector]})


def load_detector(detector: str, device: str) -> Any:
    """Build ``feat.Detectorv1`` or ``feat.Detectorv2`` without its identity network.

    Raises
    ------
    MissingDependencyError
        If py-feat cannot be imported.
    MissingWeightsError
        If a file is missing and cannot be fetched.
    UsageError
        If a file is not what py-feat expects, or is one that could run code.
    """
    backend()
    store = WeightsStore()
    found = {w.name: store.find(w, needed_for=FEATURE) for w in WEIGHTS[detector]}
    files = {
        (w.name, file.name): found[w.name] / file.name
        for w in WEIGHTS[detector]
        for file in w.files
    }
    feat = _feat()
    torch = require("torch", feature=FEATURE)
    for path in files.values():
        _check(path)
    gradients = torch.is_grad_enabled()
    try:
        with _hub_answered_from(files), warnings.catch_warnings():
            # It warns that its own default detector has its pose from a second network.
            warnings.simplefilter("ignore")
            if detector == "v2":
                multitask = published.MULTITASK
                # Half precision would make a graphics card's numbers differ from a processor's.
                return feat.Detectorv2(
                    device=device,
                    identity_model=None,
                    multitask_weights=str(files[multitask.name, multitask.files[0].name]),
                    amp=False,
                )
            built = feat.Detectorv1(device=device, identity_model=None)
            _load_pose_network(torch, device)
            return built
    # A file cut short, of another network or of another version: any error of five libraries.
    except Exception as error:
        places = ", ".join(str(folder) for folder in found.values())
        raise UsageError(
            f"{FEATURE}: the weights in {places} are not those {backend_version('py-feat')} "
            f"expects ({type(error).__name__}: {str(error).splitlines()[0][:200]}): put the "
            "published ones there with `affect-pipe models pull NAME`."
        ) from error
    finally:
        # py-feat switches gradients off for the whole thread.
        torch.set_grad_enabled(gradients)


def _feat() -> Any:
    """Import py-feat, with as many threads as there are cores."""
    chosen = "OMP_NUM_THREADS" in os.environ
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            feat = require("feat", feature=FEATURE, extra=EXTRA)
    # Both as its libraries raise them where a compiled part cannot be loaded.
    except (RuntimeError, OSError) as error:
        raise MissingDependencyError(_why_no_import(error)) from error
    # py-feat holds the whole process to one thread, against a crash between two OpenMP libraries
    # on macOS. Elsewhere that would only make it slower.
    if not chosen and sys.platform == "linux":
        torch = require("torch", feature=FEATURE)
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    return feat


def _why_no_import(error: Exception) -> str:
    """Say why py-feat is installed but cannot be imported."""
    told = (str(error).splitlines() or [""])[0][:200]
    if "torchcodec" in str(error):
        return (
            f"{FEATURE} needs torchcodec, which finds no FFmpeg libraries it can use ({told}): "
            "install FFmpeg with its shared libraries (Debian: apt install ffmpeg)."
        )
    return f"{FEATURE} cannot be loaded, for {torchvision_misfit(error)}."


def _check(path: Path) -> None:
    """Refuse what would run code, and checkpoints of another shape."""
    if path.suffix == ".skops":
        _check_skops(path)
    elif path.name == published.MULTITASK.files[0].name:
        _check_multitask(path)


def _check_skops(path: Path) -> None:
    io = require("skops.io", feature=FEATURE, extra=EXTRA)
    try:
        asked = set(io.get_untrusted_types(file=path))
    except Exception as error:
        raise UsageError(f"{path} is no file of skops: {str(error)[:200]}.") from error
    strange = sorted(asked - SKOPS_TYPES)
    if strange:
        raise UsageError(
            f"{path} asks for {', '.join(strange[:3])}, which py-feat's classifiers do not "
            "consist of and which could run code: it is refused; put the published file there."
        )


def _check_multitask(path: Path) -> None:
    safetensors = require("safetensors", feature=FEATURE)
    try:
        with safetensors.safe_open(path, framework="numpy") as opened:
            config = json.loads((opened.metadata() or {})["config"])
        shape = {name: config.get(name) for name in _MULTITASK_SHAPE}
        backbone = str(config.get("backbone", ""))
    except (safetensors.SafetensorError, OSError, KeyError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path} is no multitask checkpoint of py-feat ({type(error).__name__}: "
            f"{str(error)[:200]}): put the published file there."
        ) from error
    if shape != _MULTITASK_SHAPE or _BACKBONE.fullmatch(backbone) is None:
        wanted = ", ".join(f"{name} {n}" for name, n in _MULTITASK_SHAPE.items())
        raise UsageError(
            f"{path} is a checkpoint with {', '.join(f'{k} {v}' for k, v in shape.items())} on "
            f"{backbone[:80]!r}: expected {wanted} on a network of timm."
        )


@contextlib.contextmanager
def _hub_answered_from(files: Mapping[tuple[str, str], Path]) -> Iterator[None]:
    """Let py-feat find ``files`` where it asks the hub, and nothing else."""
    hub = require("huggingface_hub", feature=FEATURE)
    detectors = require("feat.detector", feature=FEATURE, extra=EXTRA)

    def answer(repo_id: str, filename: str, **_: object) -> str:
        if (repo_id, filename) not in files:
            raise OSError(f"py-feat asks for {repo_id}/{filename}, which is not among its weights")
        return str(files[repo_id, filename])

    places = (hub, detectors)
    before = [place.hf_hub_download for place in places]
    try:
        for place in places:
            place.hf_hub_download = answer  # type: ignore[attr-defined]
        yield
    finally:
        for place, function in zip(places, before, strict=True):
            place.hf_hub_download = function  # type: ignore[attr-defined]


def _load_pose_network(torch: Any, device: str) -> None:
    """Make py-feat load what it would otherwise ask for at the first face, and do without."""
    pose = require("feat.utils.face_pose_mlp", feature=FEATURE, extra=EXTRA)
    if pose.pose_from_landmarks_mlp(torch.zeros(1, 68, 2, device=device)) is None:
        raise ValueError(f"{published.POSE_MLP.name} cannot be read")
