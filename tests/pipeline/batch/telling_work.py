"""Work that tells of its process, where the processes of workers can import it from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from affect_pipe.pipeline.batch.engine import Attempt, Told
from affect_pipe.pipeline.batch.records import Item
from affect_pipe.pipeline.errors import StageError

Seen = tuple[frozenset[int], str | None]


@dataclass(frozen=True)
class TellCores:
    """Work that says where it is allowed to run, and how many threads libraries are to begin."""

    @contextmanager
    def open(self) -> Iterator[Attempt[Seen]]:
        def look(item: Item, tell: Callable[[Told], None]) -> Seen:
            return frozenset(os.sched_getaffinity(0)), os.environ.get("OMP_NUM_THREADS")

        yield look


@dataclass(frozen=True)
class Unopened:
    """Work that no worker can open."""

    @contextmanager
    def open(self) -> Iterator[Attempt[Seen]]:
        raise StageError("it cannot be opened.")
        yield
