"""How much memory workers take, and how much a video is thought to need."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from affect_pipe.pipeline.batch.records import Seen

_SHARE = 0.8
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
# The figures are of `affect-pipe batch VIDEO --workers 1`, its "most memory of a worker", on videos
# that `benchmarks/media_maker.py` made: 801 MiB for 20 s of 180 lines, 847 for 10 minutes, 867 for
# 30 minutes, 1152 for two hours; 834 for 20 s of 720 lines. These constants give a little more.
# Of a worker between two videos, until one has been measured: libraries and models.
BASE_BYTES = 800 << 20
# What is found in a second: words, a face ten times, features. Sound is mapped, and given back.
_PER_SECOND_BYTES = 32_000
# How closely each utterance attends to each other one: six maps, and what they are made of.
_PER_PAIR_BYTES = 40
_UTTERANCE_S = 3.3
# Pictures that a decoder and a face tracker hold at once.
_PICTURES = 24


def estimate(seen: Seen) -> int:
    """Return the bytes a worker may need for a video besides what it has between two.

    A guess before there is anything to measure; while the video is worked on, what is measured
    counts where that is more.
    """
    pictures = _PICTURES * seen.width_px * seen.height_px * 3
    pairs = (seen.duration_s / _UTTERANCE_S) ** 2
    return int(seen.duration_s * _PER_SECOND_BYTES + pairs * _PER_PAIR_BYTES) + pictures


def default_budget() -> int:
    """Return four fifths of the memory that is free now, within the limit of a container."""
    free = _free_bytes()
    for path in _CGROUP_LIMITS:
        with suppress(OSError, ValueError):
            free = min(free, int(path.read_text("ascii")))
    return int(free * _SHARE)


def _free_bytes() -> int:
    psutil = _psutil()
    if psutil is not None:
        return int(psutil.virtual_memory().available)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 4 << 30


def tree_bytes(pid: int) -> int:
    """Return the resident bytes of a process and its children; 0 where that cannot be known.

    Pages they share count once for each, so it is an upper bound.
    """
    psutil = _psutil()
    if psutil is None:
        return 0
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += int(member.memory_info().rss)
    return total


def _psutil() -> Any:
    """Return the library that measures; None where it is not: only guesses count then."""
    try:
        import psutil
    except ImportError:
        return None
    return psutil
