"""The content-addressed store of stage results.

One file an entry, named by its key (`pipeline.fingerprint.stage_key`), verified on every read. Any
number of processes may share a cache: entries appear whole, two writers of one key write the same
bytes, and a reader gets the right entry or none.
"""

from __future__ import annotations

import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from affect_pipe.pipeline.cache_info import CacheInfo, EntryInfo, Problem, Removal, StageUse
from affect_pipe.pipeline.entry_format import (
    Array,
    DamagedEntryError,
    OtherFormatError,
    encode,
    read_entry,
    read_header,
)
from affect_pipe.pipeline.errors import CacheError
from affect_pipe.pipeline.given import user_path
from affect_pipe.pipeline.storage import LocalStorage, StoredFile, open_storage, remove_stale

ENVIRONMENT_VARIABLE = "AFFECT_PIPE_CACHE"
_KEY = re.compile(r"[0-9a-f]{32}")
# Only files of this shape are ever counted or removed, whatever else the folder holds.
_NAME = re.compile(r"entries/([0-9a-f]{2})/(\1[0-9a-f]{30})\.safetensors")
_DIGESTS = "digests"
_MEMO_NAME = re.compile(_DIGESTS + "/[0-9a-f]{32}")
_MEMO_LIFE_S = 90 * 24 * 3600.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One cached result.

    Attributes
    ----------
    key, stage, media_digest : str
    arrays : dict of arrays
        Read-only.
    meta : dict
        JSON.
    """

    key: str
    stage: str
    media_digest: str
    arrays: dict[str, Array]
    meta: dict[str, Any]

    def __repr__(self) -> str:
        """Show shapes, not values."""
        shapes = {name: array.shape for name, array in self.arrays.items()}
        return f"Entry({self.stage}, {self.key}, {shapes}, meta={sorted(self.meta)})"


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
                    f"the cache folder {self.root} cannot be written to ({_why(error)}): choose "
                    f"another one with --cache-dir or {ENVIRONMENT_VARIABLE}."
                ) from error
            # Somebody's filled cache, mounted read-only, is still worth reading.
            self._read_only = _why(error)

    def __repr__(self) -> str:
        """Show where it lies."""
        return f"Cache({self.root!r})"

    def digest_folder(self) -> Path:
        """Return the local folder for `DigestMemo`; the user's own where the cache is remote."""
        local = isinstance(self._storage, LocalStorage)
        return Path(self.root if local else platformdirs.user_cache_dir("affect-pipe")) / _DIGESTS

    def get(self, key: str) -> Entry | None:
        """Return the entry of ``key``, every byte verified, or None.

        A damaged entry is reported and dropped; one of another format version is left alone.
        """
        name = _name(key)
        try:
            entry = self._read(key)
        except FileNotFoundError:
            return None
        except OtherFormatError:
            return None
        except DamagedEntryError as error:
            self._storage.delete(name)
            self._on_problem(
                f"cache entry {key} is damaged ({error}): it was dropped and is computed again."
            )
            return None
        except OSError as error:
            self._on_problem(
                f"cache entry {key} cannot be read ({_why(error)}): it is computed again."
            )
            return None
        self._storage.touch(name)
        return entry

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
        """
        if self._read_only is not None:
            raise CacheError(
                f"the cache at {self.root} can only be read ({self._read_only}): what is computed "
                "now is not kept; --cache-dir names another place."
            )
        chunks = encode(key, stage, media_digest, arrays, meta or {})
        try:
            self._storage.write(_name(key), chunks)
        except OSError as error:
            raise CacheError(
                f"the cache at {self.root} cannot be written to ({_why(error)}): make room there "
                f"(affect-pipe cache prune) or choose another place with --cache-dir."
            ) from error

    def entries(self) -> list[EntryInfo]:
        """List the entries in order of their keys, by their headers; arrays are not read."""
        return sorted((self._describe(*found) for found in self._files()), key=lambda e: e.key)

    def info(self) -> CacheInfo:
        """Count entries and bytes, in all and by stage."""
        stages: dict[str, StageUse] = {}
        for entry in self.entries():
            use = stages.get(entry.stage, StageUse(0, 0))
            stages[entry.stage] = StageUse(use.n_entries + 1, use.n_bytes + entry.size_bytes)
        return CacheInfo(
            self.root,
            sum(use.n_entries for use in stages.values()),
            sum(use.n_bytes for use in stages.values()),
            dict(sorted(stages.items())),
        )

    def verify(self, *, drop: bool = False) -> list[Problem]:
        """Read every entry and return the bad ones; with ``drop``, remove them.

        Removes stale temporary files too. Entries of another format version are not problems.
        """
        remove_stale(self._storage)
        problems = []
        for key, file in self._files():
            try:
                self._read(key)
            except (FileNotFoundError, OtherFormatError):
                continue
            except (OSError, DamagedEntryError) as error:
                dropped = drop and self._storage.delete(file.name)
                problems.append(Problem(key, _why(error), dropped))
        return sorted(problems, key=lambda problem: problem.key)

    def prune(self, max_bytes: int) -> Removal:
        """Remove the entries unused for longest until at most ``max_bytes`` are left.

        Removes stale temporary files and long-unused file digests too.
        """
        remove_stale(self._storage)
        self._remove_memos(time.time() - _MEMO_LIFE_S)
        files = [file for _, file in self._files()]
        total = sum(file.size_bytes for file in files)
        n_removed, removed_bytes = 0, 0
        # The name breaks ties, so that two runs remove the same.
        for file in sorted(files, key=lambda f: (f.used_s, f.name)):
            if total - removed_bytes <= max_bytes:
                break
            if self._storage.delete(file.name):
                n_removed += 1
                removed_bytes += file.size_bytes
        return Removal(n_removed, removed_bytes, total - removed_bytes)

    def clear(self) -> Removal:
        """Remove every entry and remembered file digest, and no file that is neither."""
        self._remove_memos(math.inf)
        return self.prune(-1)

    def _remove_memos(self, unused_since_s: float) -> None:
        for file in self._storage.files():
            if _MEMO_NAME.fullmatch(file.name) and file.used_s < unused_since_s:
                self._storage.delete(file.name)

    def _read(self, key: str) -> Entry:
        with self._storage.open(_name(key)) as file:
            header, arrays = read_entry(file)
        if header.key != key:
            raise DamagedEntryError(f"it belongs to {header.key}")
        return Entry(key, header.stage, header.media_digest, arrays, header.meta)

    def _holds_entries(self) -> bool:
        try:
            return next(self._files(), None) is not None
        except OSError:
            return False

    def _files(self) -> Iterator[tuple[str, StoredFile]]:
        for file in self._storage.files():
            match = _NAME.fullmatch(file.name)
            if match is not None:
                yield match[2], file

    def _describe(self, key: str, file: StoredFile) -> EntryInfo:
        stage, media_digest = "unreadable", ""
        try:
            with self._storage.open(file.name) as opened:
                header = read_header(opened)
            stage, media_digest = header.stage, header.media_digest
        except OtherFormatError:
            stage = "other-version"
        except (OSError, DamagedEntryError):
            pass
        return EntryInfo(key, stage, media_digest, file.size_bytes, file.used_s)


def _name(key: str) -> str:
    """Return where the entry of ``key`` lies; 256 folders keep each one small."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"a cache key is 32 hex characters, got {key!r}")
    return f"entries/{key[:2]}/{key}.safetensors"


def _why(error: Exception) -> str:
    """Return an error's reason without the path that the sentence around it names."""
    return getattr(error, "strerror", None) or str(error)
