"""The engine of one machine: worker processes, replaced when they die or hang, within a memory."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from typing import Generic

from affect_pipe.pipeline.batch.cores import Cores, shares
from affect_pipe.pipeline.batch.engine import (
    Abandoned,
    Added,
    Began,
    EngineEvent,
    Failed,
    Feed,
    R,
    RetryPolicy,
    Step,
    Stop,
    Succeeded,
    Work,
)
from affect_pipe.pipeline.batch.failures import crash_of
from affect_pipe.pipeline.batch.memory import BASE_BYTES, default_budget, estimate
from affect_pipe.pipeline.batch.process import Running, WorkerProcess
from affect_pipe.pipeline.batch.records import Failure, LimitName, Seen, Task
from affect_pipe.pipeline.batch.worker import Message
from affect_pipe.pipeline.errors import AffectPipeError, StageError
from affect_pipe.pipeline.events import Event
from affect_pipe.pipeline.sizes import format_size

_POLL_S = 0.2
_MEASURE_S = 0.5
# A worker that dies this often before it is ready dies of something that no video is at fault for.
_DEATHS_AT_START = 3
# Models are kept between tasks that come one by one, but not the whole night.
_IDLE_S = 600.0
# What a worker may keep between videos beyond what it kept after its first one.
_GROWTH_BYTES = 1 << 30


@dataclass(frozen=True)
class Patience:
    """How long things may take.

    Attributes
    ----------
    video_s : float or None
        One attempt; None is for ever, as long as its stages get on.
    stage_s : float or None
        One stage, and what lies between two; None is ten minutes and thirty times the length of
        the media.
    start_s : float
        A worker, until it is ready.
    """

    video_s: float | None = None
    stage_s: float | None = None
    start_s: float = 600.0

    def of_stage(self, seen: Seen) -> float:
        """Return how long one stage of a video may take."""
        return 600.0 + 30.0 * seen.duration_s if self.stage_s is None else self.stage_s

    def lost_with(self, running: Running) -> Failure | None:
        """Return why an attempt is to be given up for the time it takes, if it is."""
        if running.began_s is None:
            return None
        stage = running.stage()
        if self.video_s is not None and running.seconds() > self.video_s:
            during = f" and was in {stage}" if stage else ""
            reason = f"it took more than {self.video_s:g} s{during}: raise --timeout."
            return Failure("timeout", reason, stage, "timeout", self.video_s)
        limit, now = self.of_stage(running.task.seen), time.monotonic()
        for name, began_s in running.stages.items():
            if now - began_s > limit:
                reason = f"its stage {name} took more than {limit:g} s: raise --stage-timeout."
                return Failure("timeout", reason, name, "stage-timeout", limit)
        if not running.stages and now - running.last_s > limit:
            reason = f"nothing happened between its stages for {limit:g} s: raise --stage-timeout."
            return Failure("timeout", reason, None, "stage-timeout", limit)
        return None

    def limits(self) -> dict[LimitName, float]:
        """Return the least that any video is given."""
        return {
            "timeout": math.inf if self.video_s is None else self.video_s,
            "stage-timeout": self.of_stage(Seen(None)),
        }


@dataclass(frozen=True)
class LocalEngine:
    """Makes attempts in worker processes of this machine.

    Attributes
    ----------
    workers : int
        How many at most; fewer where the memory does not suffice.
    budget_bytes : int or None
        For all workers together: a video waits until what the running ones take, or are thought
        to need, leaves room for it. None is four fifths of what is free.
    patience : Patience
    policy : RetryPolicy
    threads : int
        Of each library that computes, in each worker. With one, results do not depend on how
        many workers there are.
    feed : Feed or None
        Where more tasks come from while it works.
    lenient : bool
        Whether one that is alone may take more than the budget.
    """

    workers: int
    budget_bytes: int | None = None
    patience: Patience = field(default_factory=Patience)
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    threads: int = 1
    feed: Feed | None = None
    lenient: bool = False

    @property
    def name(self) -> str:
        """``local``."""
        return "local"

    def limits(self) -> dict[LimitName, float]:
        """Return what a video may take; see `engine.Engine.limits`."""
        # What is free is never twice the same: only a good deal more is more.
        budget = default_budget() / 1.1 if self.budget_bytes is None else self.budget_bytes
        return {"memory": budget, **self.patience.limits()}

    def run(
        self,
        work: Work[R],
        tasks: Sequence[Task],
        report: Callable[[EngineEvent[R]], None],
        stop: Stop,
    ) -> None:
        """Make attempts at every task; see `engine.Engine.run`."""
        budget = default_budget() if self.budget_bytes is None else self.budget_bytes
        _Run(self, work, budget, report, deque(tasks), shares(self.workers))(stop)


@dataclass
class _Run(Generic[R]):
    """One call of `LocalEngine.run`."""

    engine: LocalEngine
    work: Work[R]
    budget_bytes: int
    report: Callable[[EngineEvent[R]], None]
    queue: deque[Task]
    shares: tuple[Cores, ...]
    pool: list[WorkerProcess] = field(default_factory=list)
    needs: dict[str, int] = field(default_factory=dict)
    base_bytes: int = BASE_BYTES
    started: int = 0
    deaths_at_start: int = 0
    measured_s: float = 0.0
    worked_s: float = field(default_factory=time.monotonic)

    def __call__(self, stop: Stop) -> None:
        try:
            while self._is_fed() or self.queue or self._busy():
                if stop.is_set():
                    self._abandon_all()
                    return
                self._assign()
                self._listen()
                self._check_times()
                self._check_memory()
            for worker in self.pool:
                worker.hang_up()
            for worker in self.pool:
                worker.close()
            self.pool.clear()
        finally:
            for worker in self.pool:
                worker.kill()

    def _is_fed(self) -> bool:
        """Take what has come and let go of what is no longer wanted; say whether more may come."""
        feed = self.engine.feed
        if feed is None:
            return False
        more = feed.is_open()
        for task in feed.take():
            self.queue.append(task)
            self.report(Added(task))
        self.queue = deque(task for task in self.queue if feed.is_wanted(task.item))
        for worker in self._busy():
            running = worker.running
            if running is not None and not feed.is_wanted(running.task.item):
                self._end(worker)
                reason = "it is no longer wanted"
                self.report(Abandoned(running.task.item, running.attempt, reason))
        if self.queue or self._busy():
            self.worked_s = time.monotonic()
        elif _since(self.worked_s) > _IDLE_S:
            while self.pool:
                self.pool.pop().close()
        return more

    def _busy(self) -> list[WorkerProcess]:
        return [worker for worker in self.pool if worker.running is not None]

    def _assign(self) -> None:
        """Give tasks to workers while there are both, and room."""
        while self.queue:
            idle = next((w for w in self.pool if w.running is None), None)
            if idle is None and len(self.pool) >= self.engine.workers:
                return
            task = self.queue[0]
            # Alone it may always try: waiting would not help it.
            if self._busy() and self._taken(idle) + self._need(task) > self.budget_bytes:
                return
            self.queue.popleft()
            if idle is None:
                idle = self._start()
            running = Running(task, task.attempts + 1)
            self.report(Began(task.item, running.attempt, idle.name))
            idle.give(running)

    def _start(self) -> WorkerProcess:
        self.started += 1
        taken = [worker.slot for worker in self.pool]
        slot = next(i for i in range(self.engine.workers) if i not in taken)
        worker = WorkerProcess(
            f"w{self.started}", self.work, self.engine.threads, slot, self.shares[slot]
        )
        self.pool.append(worker)
        return worker

    def _need(self, task: Task) -> int:
        """Return what a worker with this task is thought to take in all."""
        known = self.needs.get(task.item.target, 0)
        return max(known, self.base_bytes + estimate(task.seen))

    def _taken(self, without: WorkerProcess | None = None) -> int:
        """Return what the workers take, or are thought to come to."""
        return sum(
            worker.rss_bytes
            if worker.running is None
            else max(worker.rss_bytes, self._need(worker.running.task))
            for worker in self.pool
            if worker is not without
        )

    def _listen(self) -> None:
        """Take what workers tell, waiting a moment for the first."""
        by_line = {worker.line: worker for worker in self.pool}
        if not by_line:  # nothing to wait for, but for the feed
            time.sleep(_POLL_S)
        for line in wait(list(by_line), _POLL_S):
            worker = by_line[line]
            try:
                # All that is there, so that a talkative worker does not fill its line.
                while True:
                    self._take(worker, worker.line.recv())
                    if worker.line.closed or not worker.line.poll():
                        break
            except (EOFError, OSError):
                self._died(worker)

    def _take(self, worker: WorkerProcess, message: Message) -> None:
        running = worker.running
        if message.kind == "ready":
            worker.ready, self.deaths_at_start = True, 0
            if running is not None:
                running.begin()
        elif message.kind == "closed":
            error: AffectPipeError = message.content
            raise error
        elif running is None:
            return
        elif message.kind == "told":
            if isinstance(message.content, Event):
                running.follow(message.content)
            self.report(Step(running.task.item, message.content))
        elif message.kind == "failed":
            self._failed(worker, running, message.content)
        else:
            worker.measure()
            done = Succeeded(
                running.task.item,
                running.attempt,
                message.content,
                running.seconds(),
                worker.peak_bytes,
            )
            self._rest(worker)
            self.report(done)

    def _rest(self, worker: WorkerProcess) -> None:
        """Let a worker be idle, or end it where it has grown."""
        worker.running = None
        if worker.idle_bytes is None:
            worker.idle_bytes = worker.rss_bytes
            self.base_bytes = max(self.base_bytes, worker.rss_bytes)
        elif worker.rss_bytes > worker.idle_bytes + _GROWTH_BYTES:
            self.pool.remove(worker)
            worker.close()

    def _failed(self, worker: WorkerProcess, running: Running, failure: Failure) -> None:
        final = not self.engine.policy.again(failure, running.attempt)
        seconds, peak = running.seconds(), worker.peak_bytes
        worker.running = None
        item = running.task.item
        self.report(Failed(item, running.attempt, failure, final, seconds, peak))
        if not final:
            # Last in the queue: what was short for a moment may be there by then.
            self.queue.append(replace(running.task, attempts=running.attempt))

    def _died(self, worker: WorkerProcess) -> None:
        self.pool.remove(worker)
        code, running = worker.exit_code(), worker.running
        if running is None:
            return
        if running.began_s is None:
            self.deaths_at_start += 1
            if self.deaths_at_start >= _DEATHS_AT_START:
                raise StageError(
                    f"workers die before they are ready (exit code {code}), {_DEATHS_AT_START} "
                    "in a row: affect-pipe doctor may say why; where memory is short, give fewer "
                    "--workers."
                )
            self._put_back(running, "its worker died before it was ready")
        else:
            self._failed(worker, running, crash_of(code, running.stage()))

    def _put_back(self, running: Running, reason: str) -> None:
        self.report(Abandoned(running.task.item, running.attempt, reason))
        self.queue.appendleft(running.task)

    def _check_times(self) -> None:
        for worker in self._busy():
            running = worker.running
            assert running is not None
            lost = self.engine.patience.lost_with(running)
            if lost is not None:
                self._end(worker)
                self._failed(worker, running, lost)
            elif not worker.ready and _since(worker.started_s) > self.engine.patience.start_s:
                raise StageError(
                    f"a worker was not ready after {self.engine.patience.start_s:g} s: "
                    "affect-pipe doctor may say why."
                )

    def _check_memory(self) -> None:
        """Make room where what is taken has outgrown the budget."""
        if _since(self.measured_s) < _MEASURE_S:
            return
        self.measured_s = time.monotonic()
        total = sum(worker.measure() for worker in self.pool)
        if total <= self.budget_bytes:
            return
        idle = next((w for w in self.pool if w.running is None), None)
        if idle is not None:
            self.pool.remove(idle)
            idle.close()
            return
        running = [(w, w.running) for w in self.pool if w.running and w.running.began_s is not None]
        if not running or (self.engine.lenient and len(self._busy()) == 1):
            return
        # The one that was begun first gets through.
        worker, youngest = max(running, key=lambda pair: pair[1].began_s or 0.0)
        self._end(worker)
        self.needs[youngest.task.item.target] = worker.peak_bytes
        budget = format_size(self.budget_bytes)
        if self._busy():
            self._put_back(youngest, f"the memory budget of {budget} was full")
            return
        took = format_size(worker.peak_bytes)
        reason = f"it alone takes more memory ({took}) than the budget ({budget}): raise --memory."
        budget_bytes = float(self.budget_bytes)
        failure = Failure("memory", reason, youngest.stage(), "memory", budget_bytes)
        self._failed(worker, youngest, failure)

    def _end(self, worker: WorkerProcess) -> None:
        worker.kill()
        self.pool.remove(worker)

    def _abandon_all(self) -> None:
        for worker in self._busy():
            running = worker.running
            assert running is not None
            self._end(worker)
            self.report(Abandoned(running.task.item, running.attempt, "the batch was stopped"))


def _since(moment_s: float) -> float:
    return time.monotonic() - moment_s
