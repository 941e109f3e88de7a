"""Removing all that there is of a video that was deleted, what the cache keeps of it too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from affect_pipe.pipeline.cache_care import describe
from affect_pipe.pipeline.entry_names import entry_folder
from affect_pipe.pipeline.errors import AffectPipeError
from affect_pipe.pipeline.fingerprint import digest_file
from affect_pipe.pipeline.preflight import SUFFIX
from affect_pipe.pipeline.storage import open_storage
from affect_pipe.serving.jobs import Job, JobFolder


class Forgetting:
    """Removes discarded jobs, one at a time.

    Parameters
    ----------
    folder : JobFolder
    cache : str or Path
        Folder or fsspec URL of the cache of the batch.
    """

    def __init__(self, folder: JobFolder, cache: str | Path) -> None:
        self._folder, self._cache = folder, cache
        self._digests: dict[str, str] = {}

    def __call__(self, job: Job, video: Path, others: Sequence[Job]) -> None:
        """Remove a job; a second time, what was still written meanwhile.

        Parameters
        ----------
        video : Path
            Where its video is now (`JobFolder.discard`).
        others : sequence of Job
            What they share with it in the cache, because their bytes are the same, stays.
        """
        try:
            digest = self._digests.get(job.id) or self._digest_of(job, video)
            self._digests[job.id] = digest
            if not any(self._has(one, digest, job.size_bytes) for one in others):
                forget(self._cache, digest)
        except (AffectPipeError, OSError):
            pass  # what cannot be read was not analysed either
        self._folder.remove(job)

    def _digest_of(self, job: Job, video: Path) -> str:
        """Return the digest of a job's video, without reading all of it where there is a result."""
        with suppress(OSError, ValueError, LookupError, TypeError):
            result = self._folder.results / f"{job.target}{SUFFIX}"
            return str(json.loads(result.read_bytes())["media"]["digest"])
        return digest_file(video)

    def _has(self, job: Job, digest: str, size_bytes: int) -> bool:
        if job.size_bytes != size_bytes:
            return False
        with suppress(AffectPipeError, OSError):
            return digest_file(self._folder.folder(job) / job.file) == digest
        return False


def forget(cache: str | Path, media_digest: str) -> int:
    """Remove the cache entries of one media file; return how many there were.

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
