"""The content-addressed store of stage results.

One file an entry, named by its key (`pipeline.fingerprint.stage_key`), verified on every read. Any
number of processes may share a cache: entries appear whole, two writers of one key write the same
bytes, and a reader gets the right entry or none.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import platformdirs

from affect_pipe.pipeline import cache_care
from affect_pipe.pipeline.cache_care import why
from affect_pipe.pipeline.cache_info import CacheInfo, EntryInfo, Problem, Removal
from affect_pipe.pipeline.entry_format import Array, DamagedEntryError, OtherFormatError, encode
from affect_pipe.pipeline.entry_names import entry_folder, entry_name, parse_entry_name
from affect_pipe.pipeline.entry_reading import Entry, drop_damaged, read_named
from affect_pipe.pipeline.errors import CacheError
from affect_pipe.pipeline.given import user_path
from affect_pipe.pipeline.storage import LocalStorage, open_storage

__all__ = ["ENVIRONMENT_VARIABLE", "Cache", "Entry", "resolve_root"]

ENVIRONMENT_VARIABLE = "AFFECT_PIPE_CACHE"
_logger = logging.getLogger(__name__)


def resolve_root(given: str | Path | None = None) -> str | Path:
    """Return the place: ``given``, else ``AFFECT_PIPE_CACHE``, else the user's cache folder.

    Returns
    -------
    str or Path
        An fsspec URL as it is, or an absolute folder.

    Raises
    ------
    UsageError
        If it is empty, or no path.
    """
    root = given
    if root is None:
        root = os.environ.get(ENVIRONMENT_VARIABLE) or platformdirs.user_cache_dir("affect-pipe")
    if isinstance(root, str) and "://" in root:
        return root
    return user_path(root, "the cache folder").absolute()


class Cache:
    """A store of stage results.

    Parameters
    ----------
    root : str or Path
        A folder (made when missing) or an fsspec URL.
    on_problem : callable, optional
        Told in one sentence about each damaged entry; default: this module's logger, as a warning.
    prepare : bool
        Make the place, and try whether it can be written to. Looking at a cache needs neither.

    Raises
    ------
    CacheError
        If the place cannot be written to and holds no entries that could be read.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        on_problem: Callable[[str], None] | None = None,
        prepare: bool = True,
    ) -> None:
        self.root = str(root)
        self._on_problem = on_problem or _logger.warning
        self._storage = open_storage(root)
        self._read_only: str | None = None
        if not prepare:
            return
        try:
            self._storage.prepare()
        except OSError as error:
            if not self._holds_entries():
                raise CacheError(
                    f"the cache folder {self.root} cannot be written to ({why(error)}): choose "
                    f"another one with --cache-dir or {ENVIRONMENT_VARIABLE}."
                ) from error
            # Somebody's filled cache, mounted read-only, is still worth reading.
            self._read_only = why(error)

    def __repr__(self) -> str:
        """Show where it lies."""
        return f"Cache({self.root!r})"

    def digest_folder(self) -> Path:
        """Return the local folder for `DigestMemo`; the user's own where the cache is remote."""
        local = isinstance(self._storage, LocalStorage)
        return (
            Path(self.root if local else platformdirs.user_cache_dir("affect-pipe"))
            / cache_care.DIGESTS
        )

    def get(self, key: str, stage: str = "") -> Entry | None:
        """Return the entry of ``key``, every byte verified, or None.

        A damaged entry is reported and dropped; one of another format version is left alone.

        Parameters
        ----------
        stage : str
            What it was most likely put as. The key alone decides; this only finds it faster.
        """
        for name in self._names(key, stage):
            entry = self._get(name, key)
            if entry is not None:
                self._storage.touch(name)
                return entry
        return None

    def holds(self, key: str, stage: str) -> bool:
        """Whether an entry was put as ``stage`` under ``key``; it is neither read nor used."""
        name = entry_name(key, stage)
        return name in self._storage.names(entry_folder(key), name.rpartition("/")[2])

    def _get(self, name: str, key: str) -> Entry | None:
        try:
            return read_named(self._storage, name)
        except (FileNotFoundError, OtherFormatError):
            return None
        except DamagedEntryError as error:
            dropped, replacement = drop_damaged(self._storage, name)
            if replacement is None:
                was = "was dropped and" if dropped else "cannot be used and"
                self._on_problem(
                    f"cache entry {key} is damaged ({error}): it {was} is computed again."
                )
            return replacement
        except OSError as error:
            self._on_problem(
                f"cache entry {key} cannot be read ({why(error)}): it is computed again."
            )
            return None

    def _names(self, key: str, stage: str) -> Iterator[str]:
        """Yield the names under which an entry may lie, the likely one first."""
        likely = entry_name(key, stage) if stage else ""
        if likely:
            yield likely
        # The same result may have been put by another verb, which calls the stage otherwise.
        for name in self._storage.names(entry_folder(key), f"{key}."):
            if parse_entry_name(name) is not None and name != likely:
                yield name

    def put(
        self,
        key: str,
        stage: str,
        arrays: Mapping[str, Array],
        meta: Mapping[str, Any] | None = None,
        *,
        media_digest: str = "",
    ) -> None:
        """Store a result under ``key``, replacing what was there.

        Parameters
        ----------
        arrays : mapping of name to array
            Booleans, integers or floats of any shape, none of them absent.
        meta : mapping, optional
            JSON-able: see `canonical_json`. Tuples come back as lists and keys in sorted order.

        Raises
        ------
        CacheError
            If it cannot be written; nothing half-written stays.
        ValueError
            If ``key`` is no key, or ``stage`` empty or very long.
        """
        if self._read_only is not None:
            raise CacheError(
                f"the cache at {self.root} can only be read ({self._read_only}): what is computed "
                "now is not kept; --cache-dir names another place."
            )
        name = entry_name(key, stage)
        chunks = encode(key, stage, media_digest, arrays, meta or {})
        try:
            self._storage.write(name, chunks)
        except OSError as error:
            raise CacheError(
                f"the cache at {self.root} cannot be written to ({why(error)}): make room there "
                f"(affect-pipe cache prune) or choose another place with --cache-dir."
            ) from error

    def iter_entries(self, *, headers: bool = False) -> Iterator[EntryInfo]:
        """List the entries in order of their keys, from the names of their files.

        Parameters
        ----------
        headers : bool
            Open every entry and read its header too, for ``EntryInfo.media_digest``.
        """
        return cache_care.describe(self._storage, headers=headers)

    def entries(self, *, headers: bool = False) -> list[EntryInfo]:
        """Return `iter_entries` as a list."""
        return list(self.iter_entries(headers=headers))

    def info(self) -> CacheInfo:
        """Count entries and bytes, in all and by stage; no entry is opened."""
        return cache_care.count(self._storage, self.root)

    def verify(self, *, drop: bool = False, workers: int = 1) -> list[Problem]:
        """Read every entry, with ``workers`` at a time, and return the bad ones.

        With ``drop``, removes them. Removes stale temporary files too. Entries of another format
        version are not problems. Verifying is not using: `prune` sees no difference.

        Raises
        ------
        ValueError
            If ``workers`` is not at least 1.
        """
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        return cache_care.verify(self._storage, drop=drop, workers=workers)

    def prune(self, max_bytes: int) -> Removal:
        """Remove the entries unused for longest until at most ``max_bytes`` are left.

        Use is known to the hour. Removes stale temporary files and old file digests too.
        """
        cache_care.remove_memos(self._storage)
        return cache_care.prune(self._storage, max_bytes)

    def clear(self) -> Removal:
        """Remove every entry and remembered file digest, and no file that is neither."""
        cache_care.remove_memos(self._storage, every=True)
        return cache_care.clear(self._storage)

    def _holds_entries(self) -> bool:
        return next(cache_care.find_entries(self._storage), None) is not None
