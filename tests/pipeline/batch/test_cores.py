"""Cores of workers: dealt without overlap, and kept to by the processes that compute."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from affect_pipe.pipeline.batch.cores import keep_to, shares, usable_cores
from affect_pipe.pipeline.batch.engine import Succeeded
from affect_pipe.pipeline.batch.local import LocalEngine
from affect_pipe.pipeline.batch.records import Item, Task

sys.path.insert(0, str(Path(__file__).parent))

from telling_work import TellCores

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity"), reason="this system keeps no process to cores"
)


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 64])
def test_shares_cover_the_cores_and_do_not_overlap(workers):
    allowed = os.sched_getaffinity(0)
    found = shares(workers)
    assert len(found) == workers
    assert set().union(*found) == allowed
    if workers <= len(allowed):
        assert sum(map(len, found)) == len(allowed)
        assert max(map(len, found)) - min(map(len, found)) <= 1
    else:
        assert set(found) == {frozenset(allowed)}


def test_what_this_process_may_use_is_dealt():
    allowed = os.sched_getaffinity(0)
    one = {min(allowed)}
    try:
        keep_to(one)
        assert usable_cores() == 1
        assert shares(1) == (frozenset(one),)
    finally:
        keep_to(allowed)
    keep_to(())
    assert os.sched_getaffinity(0) == allowed


class Never:
    def is_set(self) -> bool:
        return False


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_computes_on_its_share_alone(workers):
    told: list[object] = []
    tasks = [Task(Item(f"{name}.mp4", name)) for name in "abcd"]
    LocalEngine(workers, threads=1).run(TellCores(), tasks, told.append, Never())
    seen = [event.value for event in told if isinstance(event, Succeeded)]
    assert len(seen) == len(tasks)
    assert {threads for _, threads in seen} == {"1"}
    # A worker may have taken all tasks before another was ready.
    assert {cores for cores, _ in seen} <= set(shares(workers))
