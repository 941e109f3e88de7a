"""Where faster-whisper's weights are and how they get here. Imports neither back end."""

from __future__ import annotations

import os
from pathlib import Path

from affect_pipe.pipeline.errors import MissingWeightsError, UsageError
from affect_pipe.pipeline.given import quoted, user_path
from affect_pipe.pipeline.optional import require

_SYSTRAN = "Systran/faster-whisper-"
#: Sizes and the Hugging Face repository of each.
REPOSITORIES = {
    **{
        size: _SYSTRAN + size
        for base in ("tiny", "base", "small", "medium")
        for size in (base, f"{base}.en")
    },
    **{size: _SYSTRAN + size for size in ("large-v1", "large-v2", "large-v3")},
    "large": _SYSTRAN + "large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
# Without its own tokenizer the package would fetch one that may not belong to the model.
_NEEDED = ("model.bin", "config.json", "tokenizer.json")
_FETCHED = (*_NEEDED, "preprocessor_config.json", "vocabulary.*")


def repository(model: str) -> str | None:
    """Return the Hugging Face repository of a size or hub name; None for a folder.

    Raises
    ------
    UsageError
        If it is neither a size, a hub name nor a folder of CTranslate2 weights.
    """
    if model in REPOSITORIES:
        return REPOSITORIES[model]
    folder = user_path(model, "the folder of faster-whisper weights")
    try:
        found = folder.exists()
    except OSError:  # a name too long to be a path
        found = False
    if found:
        missing = [name for name in _NEEDED if not (folder / name).is_file()]
        if missing:
            raise UsageError(
                f"{folder} is no folder of faster-whisper weights: it lacks {', '.join(missing)} "
                "(ct2-transformers-converter with --copy_files tokenizer.json "
                "preprocessor_config.json makes one)."
            )
        return None
    owner, _, name = model.partition("/")
    if owner and name and "/" not in name and owner.strip(".~") and not model.endswith(os.sep):
        return model
    raise UsageError(
        f"unknown faster-whisper model {quoted(model)}: known sizes are "
        f"{', '.join(REPOSITORIES)}; or give a folder of CTranslate2 weights or a hub name."
    )


def find_weights(model: str, *, allow_download: bool = True) -> Path:
    """Return the folder of CTranslate2 weights, downloading it if need be.

    Parameters
    ----------
    model : str
        A size, a name on the Hugging Face hub, or a folder, which is taken as it is.
    allow_download : bool
        Whether the network may be used.

    Raises
    ------
    UsageError
        If ``model`` is none of these.
    MissingWeightsError
        If the weights are not here and cannot be fetched.
    """
    name = repository(model)
    if name is None:
        return user_path(model, "the folder of faster-whisper weights")
    why = "downloading is switched off"
    for local in (True, False) if allow_download else (True,):
        folder, problem = _hub(name, local_files_only=local)
        if folder is not None:
            return folder
        why = why if local else f"the hub cannot give them ({problem})"
    raise MissingWeightsError(
        f"faster-whisper's weights {name} are not in the Hugging Face cache and {why}: run once on "
        "a machine with network and copy that cache here, or copy the folder of the weights and "
        "pass --asr faster-whisper:/path/of/the/folder."
    )


def _hub(name: str, *, local_files_only: bool) -> tuple[Path | None, str]:
    hub = require("huggingface_hub", feature="speech recognition with faster-whisper")
    try:
        folder = Path(
            hub.snapshot_download(
                name, allow_patterns=list(_FETCHED), local_files_only=local_files_only
            )
        )
    # The hub client raises a family of its own errors beside those of its HTTP library; all of
    # them mean here that the files cannot be had from there.
    except Exception as error:
        return None, str(error).partition("\n")[0][:200]
    complete = all((folder / needed).is_file() for needed in _NEEDED)
    return (folder, "") if complete else (None, "it lacks files")
