"""What can run on this machine, what cannot, and what to do about it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from affect_pipe.pipeline.checks import Check
from affect_pipe.pipeline.errors import AffectPipeError
from affect_pipe.pipeline.optional import why_no_torchvision

# Import name and distribution of each back end, and what it is for.
_BACK_ENDS = (
    ("torch", "torch", "fusion model and text encoder"),
    ("transformers", "transformers", "text features"),
    ("opensmile", "opensmile", "acoustic features"),
    ("mediapipe", "mediapipe", "visual features"),
    ("cv2", "opencv-python", "image work"),
    ("av", "av", "decoding"),
    ("whisper", "openai-whisper", "speech recognition"),
    ("pocketsphinx", "pocketsphinx", "fallback recognition and alignment"),
    ("silero_vad", "silero-vad", "voice activity"),
)
# Extras of what a run or its neighbours may be asked for: what for, and what they bring.
_EXTRAS = (
    (
        "overlay",
        "run --overlay",
        ("PIL", "matplotlib", "uniseg", "noto_cjk_sans_otc", "bidi", "arabic_reshaper"),
    ),
    ("app", "serve", ("starlette", "uvicorn", "python_multipart", "pathvalidate")),
    ("hdf5", "extract --format hdf5 and csd", ("h5py",)),
)
_REINSTALL = "pip install --force-reinstall affect-pipe"


def diagnose(cache_dir: str | None = None) -> tuple[Check, ...]:
    """Look at everything a run needs; imports every back end, changes nothing but an empty cache.

    Parameters
    ----------
    cache_dir : str, optional
        Cache folder or URL to check instead of the default.
    """
    return (
        _python(),
        *(_back_end(*back_end) for back_end in _BACK_ENDS),
        *_torchvision(),
        _guarded("ffmpeg", _ffmpeg, needed=False),
        _guarded("text encoder weights", _text_encoder),
        _guarded("Whisper weights", _whisper, needed=False),
        _guarded("Moonshine", _moonshine, needed=False),
        _guarded("other weights", _weights, needed=False),
        _guarded("checkpoint starter", _starter),
        _guarded("cache", lambda: _cache(cache_dir)),
        *(_extra(*extra) for extra in _EXTRAS),
        _guarded("GPU", _gpu, needed=False),
    )


def _guarded(name: str, look: Callable[[], Check], *, needed: bool = True) -> Check:
    try:
        return look()
    except AffectPipeError as error:
        return Check(name, False, str(error), needed=needed)
    except Exception as error:
        return Check(name, False, f"{type(error).__name__}: {error}", _REINSTALL, needed)


def _python() -> Check:
    here = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    fits = (3, 11) <= sys.version_info < (3, 13)
    return Check("Python", fits, f"{here}, {os.cpu_count()} cores", "use Python 3.11 or 3.12")


def _back_end(module: str, distribution: str, purpose: str) -> Check:
    try:
        found = version(distribution)
        importlib.import_module(module)
    except PackageNotFoundError:
        return Check(distribution, False, f"not installed ({purpose})", _REINSTALL)
    except Exception as error:
        detail = f"cannot be imported ({purpose}): {error}"
        return Check(distribution, False, detail, _REINSTALL)
    return Check(distribution, True, f"{found} ({purpose})")


def _extra(name: str, purpose: str, modules: tuple[str, ...]) -> Check:
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:
            detail = f"{purpose} cannot be used: {error}"
            fix = f'pip install "affect-pipe[{name}]"'
            return Check(f"extra {name}", False, detail, fix, needed=False)
    return Check(f"extra {name}", True, purpose, needed=False)


def _torchvision() -> tuple[Check, ...]:
    """Look at torchvision where it is installed: no run needs it, but a broken one stops them."""
    if importlib.util.find_spec("torchvision") is None:
        return ()
    reason = why_no_torchvision()
    if reason is not None:
        return (Check("torchvision", False, f"transformers loads no model, for {reason}"),)
    return (Check("torchvision", True, f"{version('torchvision')} (some networks of features)"),)


def _ffmpeg() -> Check:
    from affect_pipe.pipeline.ffmpeg import ffmpeg_binary

    return Check("ffmpeg", True, str(ffmpeg_binary()), needed=False)


def _text_encoder() -> Check:
    from affect_pipe.extractors.text.minilm import WEIGHTS
    from affect_pipe.extractors.weights.catalogue import wanted
    from affect_pipe.extractors.weights.store import WeightsStore

    found = WeightsStore().here(wanted(WEIGHTS), "the minilm feature")
    return Check("text encoder weights", True, str(found))


def _whisper() -> Check:
    from affect_pipe.extractors.speech.whisper_asr import DEFAULT_SIZE, weights_available

    found = weights_available(DEFAULT_SIZE)
    if found is not None:
        return Check("Whisper weights", True, str(found), needed=False)
    return Check(
        "Whisper weights",
        False,
        f"{DEFAULT_SIZE} is not on this machine; without a transcript, Moonshine or PocketSphinx "
        "is used",
        f"run `affect-pipe models pull whisper-{DEFAULT_SIZE}` with a network; without one see "
        "docs/models.md",
        needed=False,
    )


def _weights() -> Check:
    from affect_pipe.extractors.weights.own import everything, in_store
    from affect_pipe.extractors.weights.store import WeightsStore

    store = WeightsStore()
    names = [w.name for w in everything(store) if in_store(store, w) and store.look(w) is not None]
    detail = f"{store.root}: {', '.join(names) or 'none'}; all are listed by `affect-pipe models`"
    return Check("other weights", True, detail, needed=False)


def _moonshine() -> Check:
    from affect_pipe.extractors.speech.moonshine_asr import Moonshine

    return Check("Moonshine", True, Moonshine().spec().backend, needed=False)


def _starter() -> Check:
    from affect_pipe.fusion.checkpoint import resolve
    from affect_pipe.fusion.predict import CheckpointPredictor

    info = CheckpointPredictor(resolve("starter")).info()
    return Check("checkpoint starter", True, f"{info.backbone}; licence: {info.licence}")


def _cache(cache_dir: str | None) -> Check:
    from affect_pipe.pipeline.cache import Cache, resolve_root

    found = Cache(resolve_root(cache_dir)).info()
    return Check("cache", True, f"{found.root}: {found.n_entries} entries, {found.n_bytes} bytes")


def _gpu() -> Check:
    import torch

    if torch.cuda.is_available():
        return Check("GPU", True, torch.cuda.get_device_name(0), needed=False)
    return Check("GPU", False, "none; everything runs on the CPU", needed=False)
