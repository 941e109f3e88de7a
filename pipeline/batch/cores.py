"""Which cores each worker of a machine computes on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path

Cores = frozenset[int]


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(_allowed()) or os.cpu_count() or 1


def shares(workers: int) -> tuple[Cores, ...]:
    """Deal the cores this process may use among workers.

    Libraries count the cores a process may use when they make their threads: workers that all
    counted all of them would have far more threads than there are cores.

    Returns
    -------
    tuple of frozenset of int
        One a worker, neighbouring cores together; each has all of them where workers outnumber
        cores, and none where the system has no such thing.
    """
    cores = sorted(_allowed())
    if workers > len(cores):
        return (frozenset(cores),) * workers
    bounds = [len(cores) * i // workers for i in range(workers + 1)]
    return tuple(frozenset(cores[first:end]) for first, end in pairwise(bounds))


def keep_to(cores: Collection[int]) -> None:
    """Let every thread of this process, and what it begins from now on, compute on these alone.

    Without cores, or where that cannot be asked for, nothing changes.
    """
    if not cores or not hasattr(os, "sched_setaffinity"):
        return
    for thread in Path("/proc/self/task").iterdir():
        # A thread may end, and a core be taken away, meanwhile.
        with contextlib.suppress(OSError):
            os.sched_setaffinity(int(thread.name), cores)


def _allowed() -> Cores:
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()
