"""Weights of recognisers that a user names by path, or has put into the store.

Published weights are told by their names. These are told by their bytes alone: other ones may lie
under the same path tomorrow.
"""

from __future__ import annotations

from pathlib import Path

from affect_pipe.extractors.speech import faster_whisper_weights, whisper_weights
from affect_pipe.extractors.speech.recognisers import check_asr
from affect_pipe.pipeline.given import user_path


def own_weights(asr: str) -> tuple[Path, ...]:
    """Return the files that decide what a recogniser hears, where its name alone does not.

    Parameters
    ----------
    asr : str
        As in `recognisers.choose`.

    Returns
    -------
    tuple of Path
        Empty where the weights are published ones.

    Raises
    ------
    UsageError
        If the name is unknown, or there are no weights at the path.
    MissingWeightsError
        If the store does not have them any more.
    """
    name, model = check_asr(asr)
    if not model:
        return ()
    if name == "whisper":
        whisper_weights.check_size(model)
        path = whisper_weights.weights_available(model)
        return () if model in whisper_weights.SIZES or path is None else (path,)
    weights = faster_whisper_weights.named(model)
    if weights is not None and weights.hub:
        return ()
    folder = faster_whisper_weights.find_weights(model, allow_download=False)
    return tuple(folder / file for file in faster_whisper_weights.NEEDED)


def named_anywhere(asr: str) -> str:
    """Return ``asr`` with a path that holds from any folder, where it names one."""
    name, _, model = asr.partition(":")
    files = own_weights(asr)
    if not files:
        return asr
    path = user_path(model, "the weights").absolute()
    return f"{name}:{path}" if path == files[0].absolute() or path.is_dir() else asr
