"""Which weights faster-whisper is to load and where they are. Imports neither back end."""

from __future__ import annotations

from pathlib import Path

from affect_pipe.extractors.weights.catalogue import CATALOGUE, CTRANSLATE2, wanted
from affect_pipe.extractors.weights.needs import Weights
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted, user_path

_PREFIX = "faster-whisper-"
SIZES = (
    *(name.removeprefix(_PREFIX) for name in CATALOGUE if name.startswith(_PREFIX)),
    "large",
    "turbo",
)
# Without its own tokenizer the package would fetch one that may not belong to the model.
NEEDED = ("model.bin", "config.json", "tokenizer.json")


def named(model: str) -> Weights | None:
    """Return the weights of a size, a hub name or a name in the store; None for a folder.

    Raises
    ------
    UsageError
        If it is none of these.
    """
    if model in SIZES:
        return wanted(_PREFIX + model)
    folder = user_path(model, "the folder of faster-whisper weights")
    try:
        found = folder.exists()
    except OSError:  # a name too long to be a path
        found = False
    if found:
        missing = [name for name in NEEDED if not (folder / name).is_file()]
        if missing:
            raise UsageError(
                f"{folder} is no folder of faster-whisper weights: it lacks {', '.join(missing)} "
                "(ct2-transformers-converter with --copy_files tokenizer.json "
                "preprocessor_config.json makes one)."
            )
        return None
    unknown = UsageError(
        f"unknown faster-whisper model {quoted(model)}: known sizes are {', '.join(SIZES)}; or "
        "give a folder of CTranslate2 weights or a hub name."
    )
    try:
        weights = wanted(model, like=CTRANSLATE2)
    except UsageError as error:
        raise unknown from error
    if weights.hub is None and WeightsStore().look(weights) is None:
        raise unknown
    return weights


def find_weights(model: str, *, allow_download: bool = True) -> Path:
    """Return the folder of CTranslate2 weights, downloading it if need be.

    Parameters
    ----------
    model : str
        A size, a name on the Hugging Face hub or in the store of weights, or a folder, which is
        taken as it is.
    allow_download : bool
        Whether the network may be used.

    Raises
    ------
    UsageError
        If ``model`` is none of these.
    MissingWeightsError
        If the weights are not here and cannot be fetched.
    """
    weights = named(model)
    if weights is None:
        return user_path(model, "the folder of faster-whisper weights")
    look = WeightsStore().find if allow_download else WeightsStore().here
    return look(weights, needed_for="--asr faster-whisper")
