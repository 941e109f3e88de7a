"""What a batch asks of an engine, and what an engine asks of the work.

An engine knows nothing of videos: it takes tasks, makes attempts at them wherever it likes, and
tells what came of each. The work knows nothing of processes and machines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from affect_pipe.pipeline.batch.records import Failure, Item, LimitName, Task
from affect_pipe.pipeline.events import Event
from affect_pipe.pipeline.placement import Kinds

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True)
class Identified:
    """A worker knows what decides the result of its video (`records.Seen.identity`)."""

    identity: str


Told = Event | Identified
Attempt = Callable[[Item, Callable[[Told], None]], R]
"""Works on one item and returns what came of it; tells of every step from any thread.

Raises
------
AffectPipeError
    If the item is at fault (`failures.failure_of` says which errors are worth another attempt).
"""


class Work(Protocol[R_co]):
    """What workers do. Travels to each by pickle; a worker opens it once and closes it at its end.

    Opening loads the models. An `AffectPipeError` raised by it ends the batch: no item is at fault.
    """

    def open(self) -> AbstractContextManager[Attempt[R_co]]:
        """Load what every attempt needs."""


@runtime_checkable
class StagedWork(Work[R_co], Protocol[R_co]):
    """Work whose stages different workers may compute, one after another.

    An attempt of a part of it raises `placement.Elsewhere` where another worker has to go on.
    """

    def placed(self, kinds: Kinds) -> Work[R_co] | None:
        """Return the part of workers that compute some kinds of stages; None if it has none."""


@dataclass(frozen=True)
class Added:
    """A task came while the engine was at work."""

    task: Task

    @property
    def item(self) -> Item:
        """What it is to work on."""
        return self.task.item


@dataclass(frozen=True)
class Began:
    """An attempt begins; ``attempt`` counts from 1."""

    item: Item
    attempt: int
    worker: str = ""


@dataclass(frozen=True)
class Step:
    """What a running attempt told."""

    item: Item
    told: Told
    worker: str = ""


@dataclass(frozen=True)
class Succeeded(Generic[R]):
    """An attempt returned. ``seconds`` of wall time; ``peak_bytes`` zero where not measured."""

    item: Item
    attempt: int
    value: R
    seconds: float
    peak_bytes: int = 0


@dataclass(frozen=True)
class Failed:
    """An attempt came to nothing; ``final`` when the engine will not make another."""

    item: Item
    attempt: int
    failure: Failure
    final: bool
    seconds: float = 0.0
    peak_bytes: int = 0


@dataclass(frozen=True)
class Abandoned:
    """An attempt was broken off: to stop, to make room, because a machine left. Does not count."""

    item: Item
    attempt: int
    reason: str


EngineEvent = Added | Began | Step | Succeeded[R] | Failed | Abandoned


@dataclass(frozen=True)
class RetryPolicy:
    """Which attempts are made again.

    Attributes
    ----------
    retries : int
        Attempts after the first. What is ``refused`` is refused again, and what takes more memory
        than there is would take it again: they have none.
    """

    retries: int = 2

    def again(self, failure: Failure, attempt: int) -> bool:
        """Whether another attempt follows attempt number ``attempt`` (from 1), which failed."""
        return failure.kind not in ("refused", "memory") and attempt <= self.retries


class Stop(Protocol):
    """Tells an engine that no more is wanted; `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether to abandon what runs and return."""


class Feed(Protocol):
    """Gives an engine tasks while it works, and takes some back; called from its thread."""

    def take(self) -> Sequence[Task]:
        """Return the tasks that have come since the last call."""

    def is_open(self) -> bool:
        """Whether more may come: the engine waits for them."""

    def is_wanted(self, item: Item) -> bool:
        """Whether an item that came by this feed is still to be worked on."""


class Engine(Protocol):
    """Makes attempts at tasks."""

    @property
    def name(self) -> str:
        """``local``, ``ray``."""

    @property
    def workers(self) -> int:
        """How many attempts may run at once; for the ledger, and the first guess of time left."""

    def limits(self) -> Mapping[LimitName, float]:
        """Return what a video may take now: bytes of memory, seconds; infinite without a bound.

        A video that failed for less is due again.
        """

    def run(
        self,
        work: Work[R],
        tasks: Sequence[Task],
        report: Callable[[EngineEvent[R]], None],
        stop: Stop,
    ) -> None:
        """Make attempts at every task until each has succeeded or finally failed.

        ``report`` is called from the calling thread alone, in the order of what happens to an
        item: Began, Step any number of times, then exactly one of Succeeded, Failed, Abandoned;
        after Abandoned or a Failed that is not final the item begins again, unless ``stop`` is set.
        One item's failure never raises. Returns with nothing left running, also when it raises.

        Raises
        ------
        AffectPipeError
            If the work cannot be opened, or workers cannot be had.
        """
