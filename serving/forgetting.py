"""Removing from the cache what was computed of one video."""

from __future__ import annotations

from pathlib import Path

from affect_pipe.pipeline.cache_care import describe
from affect_pipe.pipeline.entry_names import entry_folder
from affect_pipe.pipeline.storage import open_storage


def forget(cache: str | Path, media_digest: str) -> int:
    """Remove the entries of one media file; return how many there were.

    Parameters
    ----------
    cache : str or Path
        Folder or fsspec URL.
    media_digest : str
        Of the file's bytes, 32 hex characters.

    Raises
    ------
    OSError
        If the cache cannot be listed.
    """
    storage = open_storage(cache)
    keys = [e.key for e in describe(storage, headers=True) if e.media_digest == media_digest]
    names = [name for key in keys for name in storage.names(entry_folder(key), key)]
    return sum(storage.delete(name) for name in names)
