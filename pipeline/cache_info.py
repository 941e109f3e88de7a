"""What a cache tells of itself: its entries, its size, its bad entries, what was removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EntryInfo:
    """What a listing shows of an entry; ``media_digest`` is empty where its header was not read."""

    key: str
    stage: str
    media_digest: str
    size_bytes: int
    used_s: float


@dataclass(frozen=True)
class StageUse:
    """How many entries one stage has, and their bytes on disk."""

    n_entries: int
    n_bytes: int


@dataclass(frozen=True)
class CacheInfo:
    """Where a cache lies and what it holds, in all and by stage."""

    root: str
    n_entries: int
    n_bytes: int
    stages: Mapping[str, StageUse]


@dataclass(frozen=True)
class Problem:
    """A bad entry: its key, what is wrong, and whether it was dropped."""

    key: str
    reason: str
    dropped: bool


@dataclass(frozen=True)
class Removal:
    """What `Cache.prune` or `Cache.clear` removed, and the bytes that are left."""

    n_removed: int
    removed_bytes: int
    left_bytes: int
