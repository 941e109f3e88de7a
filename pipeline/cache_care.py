"""Looking after a cache: listing, verifying, pruning. Nothing but verifying opens an entry."""

from __future__ import annotations

import math
import re
import time
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial

import numpy as np

from affect_pipe.pipeline.cache_info import CacheInfo, EntryInfo, Problem, Removal, StageUse
from affect_pipe.pipeline.entry_format import DamagedEntryError, OtherFormatError, read_header
from affect_pipe.pipeline.entry_names import ENTRIES, EntryName, parse_entry_name
from affect_pipe.pipeline.entry_reading import drop_damaged, read_named
from affect_pipe.pipeline.storage import LocalStorage, Storage, StoredFile, is_stale

DIGESTS = "digests"
_MEMO_NAME = re.compile(DIGESTS + "/[0-9a-f]{32}")
_MEMO_LIFE_S = 90 * 24 * 3600.0
# Handed to one worker at a time, and how many such lots are under way for each.
_LOT, _LOT_BYTES, _LOTS_A_WORKER = 1024, 1 << 24, 4


def find_entries(storage: Storage, *, tidy: bool = False) -> Iterator[tuple[EntryName, StoredFile]]:
    """List the entries in order of their keys; nothing is opened.

    Parameters
    ----------
    tidy : bool
        Remove what interrupted writes left more than a day ago on the way.
    """
    for file in storage.files(ENTRIES):
        name = parse_entry_name(file.name)
        if name is not None:
            yield name, file
        elif tidy and is_stale(file):
            _removed(storage, file)


def describe(storage: Storage, *, headers: bool = False) -> Iterator[EntryInfo]:
    """Describe the entries in order of their keys, one after another.

    Parameters
    ----------
    headers : bool
        Open each one, for the media's digest; else it is empty. What cannot be read is of the stage
        ``unreadable`` then, what another version wrote of ``other-version``.
    """
    for name, file in find_entries(storage):
        stage, media_digest = name.stage, ""
        if headers or stage is None:
            stage, media_digest = _header(storage, file)
        yield EntryInfo(name.key, stage, media_digest, file.size_bytes, file.used_s)


def _header(storage: Storage, file: StoredFile) -> tuple[str, str]:
    """Return an entry's stage and media digest as its header says."""
    try:
        with storage.open(file.name) as opened:
            header = read_header(opened)
    except OtherFormatError:
        return "other-version", ""
    except (OSError, DamagedEntryError):
        return "unreadable", ""
    return header.stage, header.media_digest


def count(storage: Storage, root: str) -> CacheInfo:
    """Count entries and bytes, in all and by stage."""
    n_entries: dict[str, int] = {}
    n_bytes: dict[str, int] = {}
    for entry in describe(storage):
        n_entries[entry.stage] = n_entries.get(entry.stage, 0) + 1
        n_bytes[entry.stage] = n_bytes.get(entry.stage, 0) + entry.size_bytes
    stages = {stage: StageUse(n_entries[stage], n_bytes[stage]) for stage in sorted(n_entries)}
    return CacheInfo(root, sum(n_entries.values()), sum(n_bytes.values()), stages)


def verify(storage: Storage, *, drop: bool = False, workers: int = 1) -> list[Problem]:
    """Read every entry and return the bad ones, in order of their keys.

    Parameters
    ----------
    drop : bool
        Remove them.
    workers : int
        Processes that read a folder, threads that read anything else.
    """
    check = partial(_check, storage, drop)
    lots = _lots(file for _, file in find_entries(storage, tidy=True))
    if workers == 1:
        found = [problem for lot in lots for problem in check(lot)]
    else:
        found = []
        waiting: deque[Future[list[Problem]]] = deque()
        with _pool(storage, workers) as pool:
            for lot in lots:
                waiting.append(pool.submit(check, lot))
                # Not all at once: a million waiting names would be hundreds of megabytes.
                if len(waiting) > workers * _LOTS_A_WORKER:
                    found += waiting.popleft().result()
            while waiting:
                found += waiting.popleft().result()
    return sorted(found, key=lambda problem: problem.key)


def _pool(storage: Storage, workers: int) -> Executor:
    if not isinstance(storage, LocalStorage):
        # These wait for a network.
        return ThreadPoolExecutor(workers)
    # Checking small entries is Python's own work, which threads would take turns at. loky's
    # processes do not import the caller's main module, so that scripts need no guard.
    from loky import ProcessPoolExecutor

    pool: Executor = ProcessPoolExecutor(workers)
    return pool


def _lots(files: Iterable[StoredFile]) -> Iterator[list[str]]:
    """Deal names out so that a lot is worth handing over, and a few large entries are shared."""
    lot: list[str] = []
    n_bytes = 0
    for file in files:
        lot.append(file.name)
        n_bytes += file.size_bytes
        if len(lot) == _LOT or n_bytes >= _LOT_BYTES:
            yield lot
            lot, n_bytes = [], 0
    if lot:
        yield lot


def _check(storage: Storage, drop: bool, names: list[str]) -> list[Problem]:
    problems = []
    for name in names:
        try:
            read_named(storage, name)
        except (FileNotFoundError, OtherFormatError):
            continue
        except (OSError, DamagedEntryError) as error:
            dropped, replacement = drop_damaged(storage, name) if drop else (False, None)
            if replacement is None:
                parsed = parse_entry_name(name)
                assert parsed is not None
                problems.append(Problem(parsed.key, why(error), dropped))
    return problems


def prune(storage: Storage, max_bytes: int) -> Removal:
    """Remove the entries unused for longest until at most ``max_bytes`` are left.

    Two walks: the first finds the time before which nothing can stay, the second removes. So a
    million entries take a few megabytes, and what is used in between stays. Names break ties.
    """
    used_s, sizes = array("d"), array("q")
    for _, file in find_entries(storage, tidy=True):
        used_s.append(file.used_s)
        sizes.append(file.size_bytes)
    excess = sum(sizes) - max_bytes
    if excess <= 0:
        return Removal(0, 0, sum(sizes))
    if not sizes:
        return Removal(0, 0, 0)
    order = np.argsort(np.frombuffer(used_s, np.float64), kind="stable")
    freed = np.cumsum(np.frombuffer(sizes, np.int64)[order])
    last = order[min(int(np.searchsorted(freed, excess)), len(order) - 1)]
    return _remove_until(storage, float(used_s[last]), max_bytes)


def _remove_until(storage: Storage, limit_s: float, max_bytes: int) -> Removal:
    """Remove all entries used before ``limit_s``, and as many used just then as have to go."""
    n_removed = removed_bytes = left_bytes = 0
    on_the_edge: list[StoredFile] = []
    for _, file in find_entries(storage, tidy=True):
        if file.used_s < limit_s:
            removed = _removed(storage, file)
            n_removed += removed is True
            removed_bytes += file.size_bytes * (removed is True)
            left_bytes += file.size_bytes * (removed is None)
        else:
            left_bytes += file.size_bytes
            if file.used_s == limit_s:
                on_the_edge.append(file)
    for file in on_the_edge:
        if left_bytes <= max_bytes:
            break
        removed = _removed(storage, file)
        n_removed += removed is True
        removed_bytes += file.size_bytes * (removed is True)
        # Gone is gone, whoever removed it: else two prunes at a time would remove twice as much.
        left_bytes -= file.size_bytes * (removed is not None)
    return Removal(n_removed, removed_bytes, left_bytes)


def _removed(storage: Storage, file: StoredFile) -> bool | None:
    """Remove a file: True if it was, False if it was gone, None if it cannot be removed."""
    try:
        return storage.delete(file.name)
    except OSError:
        return None


def clear(storage: Storage) -> Removal:
    """Remove every entry, and no other file."""
    return _remove_until(storage, math.inf, -1)


def remove_memos(storage: Storage, *, every: bool = False) -> None:
    """Remove remembered file digests that were written long ago, or every one."""
    limit_s = math.inf if every else time.time() - _MEMO_LIFE_S
    for file in storage.files(DIGESTS):
        memo = _MEMO_NAME.fullmatch(file.name) is not None
        if (memo and file.used_s < limit_s) or is_stale(file):
            _removed(storage, file)


def why(error: Exception) -> str:
    """Return an error's reason without the path that the sentence around it names."""
    return getattr(error, "strerror", None) or str(error)
