"""The engine of a Ray cluster: an actor a worker, placed by Ray, each with one worker process.

Ray places workers, replaces none and retries nothing: what an attempt's end means is decided here
as on one machine, so that the ledger reads the same. No more is asked of the cluster at a time
than one task a worker.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Self

from affect_pipe.pipeline.batch.engine import (
    Abandoned,
    Began,
    EngineEvent,
    Failed,
    R,
    RetryPolicy,
    Step,
    Stop,
    Succeeded,
    Work,
)
from affect_pipe.pipeline.batch.local import Patience
from affect_pipe.pipeline.batch.ray_cluster import Share, connect, is_alive, ray_module, room_for
from affect_pipe.pipeline.batch.ray_worker import Heard, RayWorker
from affect_pipe.pipeline.batch.records import Failure, Task
from affect_pipe.pipeline.batch.worker import Message
from affect_pipe.pipeline.errors import AffectPipeError, StageError

_POLL_S = 0.2
_LISTEN_S = 2.0
_GOODBYE_S = 5.0
# A worker that dies this often before it is ready dies of something that no video is at fault for.
_DEATHS_AT_START = 3
# How long the cluster may take to notice that a machine has left, with the worker that is missed.
_VERDICT_S = 30.0
# Machines come and go; one that goes each time it has this video goes because of it.
_MACHINES_LOST = 5


class RayEngine:
    """Makes attempts on a Ray cluster.

    Parameters
    ----------
    address : str
        See `ray_cluster.connect`.
    workers : int or None
        How many; None is as many as the cluster has room for when the batch begins. More than
        that wait for machines to come, as an autoscaler brings them.
    share : Share
        What each takes of its machine.
    patience : Patience
    policy : RetryPolicy
    threads : int
        Of each library that computes, in each worker.
    ship : bool
        Whether the nodes get the code of this process.
    place_s : float
        How long to wait where the cluster has no room for a single worker.

    Raises
    ------
    MissingDependencyError
        If Ray is not installed.
    """

    def __init__(
        self,
        address: str = "auto",
        workers: int | None = None,
        share: Share | None = None,
        *,
        patience: Patience | None = None,
        policy: RetryPolicy | None = None,
        threads: int = 1,
        ship: bool = True,
        place_s: float = 600.0,
    ) -> None:
        ray_module()
        self.address = address
        self.share = share or Share()
        self.patience = patience or Patience()
        self.policy = policy or RetryPolicy()
        self.threads = threads
        self.place_s = place_s
        self._ship = ship
        self._workers = workers
        self._ours = False

    def __enter__(self) -> Self:
        """Connect."""
        self._ours = connect(self.address, self._ship) or self._ours
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Leave the cluster, unless the caller had connected before; end it where it is local."""
        if self._ours:
            ray_module().shutdown()
            self._ours = False

    @property
    def name(self) -> str:
        """``ray``."""
        return "ray"

    @property
    def workers(self) -> int:
        """How many attempts may run at once; connects, where the number is for the cluster to say.

        Raises
        ------
        StageError
            If the cluster has room for none.
        """
        if self._workers is None:
            self.__enter__()
            self._workers = room_for(self.share)
        return self._workers

    def run(
        self,
        work: Work[R],
        tasks: Sequence[Task],
        report: Callable[[EngineEvent[R]], None],
        stop: Stop,
    ) -> None:
        """Make attempts at every task; see `engine.Engine.run`."""
        if not tasks:
            return
        self.__enter__()
        _Run(self, work, self.workers, report, deque(tasks))(stop)


@dataclass
class _Remote:
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
    task : Task or None
        What it works on.
    began_s, missed_s : float
        When it took the task, and when the actor was found to be no more.
    """

    name: str
    actor: Any
    asked: Any
    place: str = ""
    node: str = ""
    task: Task | None = None
    began_s: float = 0.0
    missed_s: float = 0.0

    @property
    def attempt(self) -> int:
        assert self.task is not None
        return self.task.attempts + 1


@dataclass
class _Run(Generic[R]):
    """One call of `RayEngine.run`."""

    engine: RayEngine
    work: Work[R]
    workers: int
    report: Callable[[EngineEvent[R]], None]
    queue: deque[Task]
    pool: list[_Remote] = field(default_factory=list)
    missed: list[_Remote] = field(default_factory=list)
    hired: int = 0
    deaths_at_start: int = 0
    machines_lost: Counter[str] = field(default_factory=Counter)
    unplaced_s: float = field(default_factory=time.monotonic)
    ray: Any = field(default_factory=ray_module)

    def __call__(self, stop: Stop) -> None:
        try:
            packed = self.ray.put(self.work)
            while self.queue or self._busy():
                if stop.is_set():
                    self._abandon_all()
                    return
                self._hire(packed)
                self._assign()
                self._listen()
                self._judge_missed()
                self._check_places()
            self._say_goodbye()
        finally:
            for remote in self.pool:
                self._kill(remote)

    def _busy(self) -> list[_Remote]:
        return [remote for remote in (*self.pool, *self.missed) if remote.task is not None]

    def _hire(self, packed: Any) -> None:
        """Ask for as many actors as there is work for."""
        engine = self.engine
        while len(self.pool) < min(self.workers, len(self.queue) + len(self._busy())):
            self.hired += 1
            name = f"r{self.hired}"
            made = self.ray.remote(RayWorker).options(
                max_restarts=0,
                max_task_retries=0,
                scheduling_strategy="SPREAD",
                **engine.share.options(),
            )
            memory = engine.share.memory_bytes
            actor = made.remote(name, packed, engine.threads, engine.patience, memory)
            self.pool.append(_Remote(name, actor, actor.where.remote()))

    def _assign(self) -> None:
        for remote in self.pool:
            if not self.queue:
                return
            if remote.place and remote.task is None:
                remote.task = self.queue.popleft()
                remote.began_s = time.monotonic()
                worker = f"{remote.name}@{remote.place}"
                self.report(Began(remote.task.item, remote.attempt, worker))
                remote.asked = remote.actor.begin.remote(remote.task, _LISTEN_S)

    def _listen(self) -> None:
        """Take what workers answer, waiting a moment for the first."""
        errors = self.ray.exceptions
        by_call = {remote.asked: remote for remote in self.pool if remote.asked is not None}
        if not by_call:
            # Ray would not wait for nothing.
            time.sleep(_POLL_S)
            return
        ready, _ = self.ray.wait(list(by_call), num_returns=1, timeout=_POLL_S)
        for call in ready:
            remote = by_call[call]
            remote.asked = None
            try:
                answer = self.ray.get(call)
            except (errors.RayActorError, errors.OutOfMemoryError) as error:
                self._left(remote, error)
            except errors.RayError as error:
                raise StageError(
                    f"a worker on the Ray cluster cannot work ({_first_line(error)}): the nodes "
                    "need this version of Python and what the program depends on."
                ) from error
            else:
                self._take(remote, answer)

    def _take(self, remote: _Remote, answer: Any) -> None:
        if not isinstance(answer, Heard):
            remote.place, remote.node = answer
            return
        for message in answer.messages:
            if remote.task is not None:
                self._follow(remote, remote.task, message, answer)
        if remote.task is not None:
            remote.asked = remote.actor.listen.remote(_LISTEN_S)

    def _follow(self, remote: _Remote, task: Task, message: Message, heard: Heard) -> None:
        if message.kind == "ready":
            self.deaths_at_start = 0
        elif message.kind == "told":
            self.report(Step(task.item, message.content))
        elif message.kind == "closed":
            error: AffectPipeError = message.content
            raise error
        elif message.kind == "unready":
            self._unready(f"exit code {message.content}")
            self._put_back(remote, "its worker died before it was ready")
        elif message.kind == "failed":
            self._failed(remote, message.content, heard.seconds, heard.peak_bytes)
        else:
            attempt = remote.attempt
            remote.task = None
            value: R = message.content
            self.report(Succeeded(task.item, attempt, value, heard.seconds, heard.peak_bytes))

    def _failed(
        self, remote: _Remote, failure: Failure, seconds: float, peak_bytes: int = 0
    ) -> None:
        task, attempt = remote.task, remote.attempt
        assert task is not None
        remote.task = None
        final = not self.engine.policy.again(failure, attempt)
        self.report(Failed(task.item, attempt, failure, final, seconds, peak_bytes))
        if not final:
            # Last in the queue: what was short for a moment may be there by then.
            self.queue.append(replace(task, attempts=attempt))

    def _put_back(self, remote: _Remote, reason: str) -> None:
        task = remote.task
        assert task is not None
        self.report(Abandoned(task.item, remote.attempt, reason))
        remote.task = None
        self.queue.appendleft(task)

    def _left(self, remote: _Remote, error: Exception) -> None:
        """See to an actor that is no more, with its machine or without."""
        self.pool.remove(remote)
        self._kill(remote)
        if remote.task is not None:
            remote.missed_s = time.monotonic()
            self.missed.append(remote)
        elif not remote.place:
            self._unready(_first_line(error))

    def _judge_missed(self) -> None:
        """Say what became of tasks whose actors are no more, as soon as that can be known."""
        for remote in list(self.missed):
            gone = not is_alive(remote.node)
            if not gone and time.monotonic() - remote.missed_s < _VERDICT_S:
                continue
            self.missed.remove(remote)
            assert remote.task is not None
            target = remote.task.item.target
            self.machines_lost[target] += gone
            if gone and self.machines_lost[target] < _MACHINES_LOST:
                self._put_back(remote, f"its machine {remote.place} left the cluster")
                continue
            reason = (
                f"its machine left the cluster, {_MACHINES_LOST} times in a row: memory may not "
                "suffice there."
                if gone
                else f"its worker on {remote.place} was ended from outside, as Ray does when "
                "memory is short."
            )
            seconds = remote.missed_s - remote.began_s
            self._failed(remote, Failure("crash", reason), seconds)

    def _unready(self, how: str) -> None:
        self.deaths_at_start += 1
        if self.deaths_at_start >= _DEATHS_AT_START:
            raise StageError(
                f"workers on the Ray cluster die before they are ready ({how}), "
                f"{_DEATHS_AT_START} in a row: affect-pipe doctor on a node may say why."
            )

    def _check_places(self) -> None:
        """Give up where the cluster has had no room for anyone for long."""
        if any(remote.place for remote in self.pool):
            self.unplaced_s = time.monotonic()
        elif time.monotonic() - self.unplaced_s > self.engine.place_s:
            raise StageError(
                f"the Ray cluster had no room for a worker for {self.engine.place_s:g} s: each "
                f"takes {self.engine.share.options()}."
            )

    def _abandon_all(self) -> None:
        for remote in self._busy():
            self._kill(remote)
            self._put_back(remote, "the batch was stopped")

    def _say_goodbye(self) -> None:
        """Let worker processes end by themselves."""
        calls = [remote.actor.close.remote() for remote in self.pool if remote.place]
        if calls:
            self.ray.wait(calls, num_returns=len(calls), timeout=_GOODBYE_S)

    def _kill(self, remote: _Remote) -> None:
        self.ray.kill(remote.actor, no_restart=True)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}".rstrip(": ")
