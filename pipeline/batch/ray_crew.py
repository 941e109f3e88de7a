"""The workers of one role on a cluster, and the errands that wait for them."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from affect_pipe.pipeline.batch.local import Patience
from affect_pipe.pipeline.batch.ray_cluster import ray_module
from affect_pipe.pipeline.batch.ray_share import Resources, Role
from affect_pipe.pipeline.batch.ray_worker import RayWorker
from affect_pipe.pipeline.batch.records import Task

# How long a role waits for room before another one makes way.
_WAY_S = 5.0


@dataclass(eq=False)
class Errand:
    """One attempt at a task, which may lead through several workers.

    Attributes
    ----------
    task : Task
    begun : bool
        Whether a worker had it already.
    spent_s : float
        What they took.
    peak_bytes : int
        The most memory that one of them took.
    asked : Counter of str
        How often it was passed on for want of stages of a kind.
    """

    task: Task
    begun: bool = False
    spent_s: float = 0.0
    peak_bytes: int = 0
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def attempt(self) -> int:
        """Its number, from 1."""
        return self.task.attempts + 1


@dataclass(eq=False)
class Hand:
    """The engine's end of one actor.

    Attributes
    ----------
    name : str
    actor : ray.actor.ActorHandle
    asked : ray.ObjectRef or None
        The one call that is under way.
    place : str
        The machine; empty until the actor is placed.
    node : str
        Ray's name of it.
    errand : Errand or None
        What it works on.
    began_s, missed_s : float
        When it took the errand, and when the actor was found to be no more.
    """

    name: str
    actor: Any
    asked: Any
    place: str = ""
    node: str = ""
    errand: Errand | None = None
    began_s: float = 0.0
    missed_s: float = 0.0

    @property
    def idle(self) -> bool:
        """Whether it has a place and nothing to do."""
        return bool(self.place) and self.errand is None

    def kill(self) -> None:
        """End the actor, with its worker process."""
        ray_module().kill(self.actor, no_restart=True)


@dataclass(eq=False)
class Crew:
    """The workers of one role.

    Attributes
    ----------
    role : Role
    limit : int
        Most workers.
    packed : ray.ObjectRef
        Their work.
    fresh, passed_on : deque of Errand
        What waits; videos that another worker has begun come first, so that they get done.
    hands : list of Hand
    """

    role: Role
    limit: int
    packed: Any
    fresh: deque[Errand] = field(default_factory=deque)
    passed_on: deque[Errand] = field(default_factory=deque)
    hands: list[Hand] = field(default_factory=list)
    hired: int = 0
    ahead: bool = True
    waits_s: float | None = None

    def busy(self) -> list[Hand]:
        """Return the workers that have an errand."""
        return [hand for hand in self.hands if hand.errand is not None]

    def waiting(self) -> int:
        """Return how many errands wait."""
        return len(self.fresh) + len(self.passed_on)

    def placed(self) -> bool:
        """Whether any worker has a place."""
        return any(hand.place for hand in self.hands)

    def hire(self, errands: int, patience: Patience, threads: int) -> None:
        """Ask for as many actors as there is work for.

        Parameters
        ----------
        errands : int
            All that are not done. They may come here, and a worker that waits keeps its place.
        """
        wanted = errands if self.ahead else self.waiting() + len(self.busy())
        share = self.role.share
        while len(self.hands) < min(self.limit, wanted):
            self.hired += 1
            name = f"{self.role.name}{self.hired}"
            made = (
                ray_module()
                .remote(RayWorker)
                .options(
                    max_restarts=0,
                    max_task_retries=0,
                    scheduling_strategy="SPREAD",
                    **share.options(),
                )
            )
            actor = made.remote(
                name, self.packed, threads, patience, share.memory_bytes, share.gpus > 0
            )
            self.hands.append(Hand(name, actor, actor.where.remote()))

    def assign(self) -> Iterator[Hand]:
        """Give errands to idle workers; yield those that got one."""
        for hand in self.hands:
            if not self.waiting():
                return
            if hand.idle:
                hand.errand = (self.passed_on or self.fresh).popleft()
                hand.began_s = time.monotonic()
                yield hand

    def starves(self) -> bool:
        """Whether errands have waited for long while no worker has found a place."""
        if not self.waiting() or self.placed():
            self.waits_s = None
            return False
        if self.waits_s is None:
            self.waits_s = time.monotonic()
        return time.monotonic() - self.waits_s > _WAY_S

    def make_way(self, other: Crew, machines: Mapping[str, Resources]) -> bool:
        """Let one idle worker go where one of another crew would find room, if it can be spared."""
        last = sum(1 for hand in self.hands if hand.place) == 1
        if self.waiting() and last:
            return False
        for hand in self.hands:
            if hand.idle and other.role.share.fit(machines.get(hand.node, {})):
                self.hands.remove(hand)
                hand.kill()
                # Else its place would be asked for again at once.
                self.ahead = False
                self.limit = max(1, self.limit - (self.waiting() > 0))
                other.waits_s = None
                return True
        return False
