"""A worker on a node of a Ray cluster: an actor that keeps one worker process and watches it.

What kills a worker process, hangs in it or fills its memory is met on its node, with the same
meaning as on one machine; the actor itself only dies with its node, or by a hand from outside.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from affect_pipe.pipeline.batch.engine import Work
from affect_pipe.pipeline.batch.failures import crash_of
from affect_pipe.pipeline.batch.local import Patience
from affect_pipe.pipeline.batch.process import Running, WorkerProcess
from affect_pipe.pipeline.batch.ray_cluster import ray_module
from affect_pipe.pipeline.batch.records import Failure, Task
from affect_pipe.pipeline.batch.worker import Message
from affect_pipe.pipeline.events import Event
from affect_pipe.pipeline.sizes import format_size

_POLL_S = 0.5
_GROWTH_BYTES = 1 << 30


@dataclass(frozen=True)
class Heard:
    """What there is to tell since the last time.

    Attributes
    ----------
    messages : tuple of Message
        As of a worker process; besides, ``unready`` with an exit code where that died before it
        was ready. A crash, a timeout and a want of memory are ``failed``.
    seconds : float
        Since the attempt began.
    peak_bytes : int
        Most memory of the process and its children during it.
    """

    messages: tuple[Message, ...]
    seconds: float = 0.0
    peak_bytes: int = 0


class RayWorker:
    """The actor, whose methods Ray runs one after another.

    Parameters
    ----------
    name : str
    work : Work
    threads : int
        Of each library that computes.
    patience : Patience
    memory_bytes : int or None
        What the worker process may take.
    sees_gpus : bool
        Whether it holds a GPU. Libraries compute on any that they see.
    """

    def __init__(
        self,
        name: str,
        work: Work[Any],
        threads: int,
        patience: Patience,
        memory_bytes: int | None = None,
        sees_gpus: bool = True,
    ) -> None:
        if not sees_gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        self._name = name
        self._work = work
        self._threads = threads
        self._patience = patience
        self._memory_bytes = memory_bytes
        self._worker: WorkerProcess | None = None

    def where(self) -> tuple[str, str]:
        """Return the machine's name and Ray's name of it; answering says that there is a place.

        The worker process begins, so that models are loaded while others do what comes before.
        """
        self._started()
        node: str = ray_module().get_runtime_context().get_node_id()
        return socket.gethostname(), node

    def begin(self, task: Task, spent_s: float, wait_s: float) -> Heard:
        """Take a task, of which other workers have done a part; go on as `listen`."""
        self._started().give(Running(task, task.attempts + 1, spent_s))
        return self.listen(wait_s)

    def listen(self, wait_s: float) -> Heard:
        """Return what the worker process tells, after at most ``wait_s`` where it is silent.

        The process is watched in here alone: ask again as soon as there is an answer.
        """
        worker = self._worker
        if worker is None or worker.running is None:
            return Heard(())
        running, until = worker.running, time.monotonic() + wait_s
        while True:
            messages = self._hear(worker, running) or self._lost(worker, running)
            if messages or time.monotonic() >= until:
                return Heard(tuple(messages), running.seconds(), worker.peak_bytes)

    def close(self) -> None:
        """Let an idle worker process end by itself."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _started(self) -> WorkerProcess:
        """Return the process; begin one where there is none."""
        if self._worker is None:
            # Ray counts cores and binds nobody to them: which are the others' is not known here.
            self._worker = WorkerProcess(self._name, self._work, self._threads)
        return self._worker

    def _hear(self, worker: WorkerProcess, running: Running) -> list[Message]:
        """Take what the process has sent, waiting a moment for the first."""
        messages: list[Message] = []
        ready = wait([worker.line], _POLL_S)
        worker.measure()
        try:
            while ready and worker.running is not None:
                messages.append(self._take(worker, running, worker.line.recv()))
                if worker.line.closed or not worker.line.poll():
                    break
        except (EOFError, OSError):
            messages.append(self._died(worker, running))
        return messages

    def _take(self, worker: WorkerProcess, running: Running, message: Message) -> Message:
        if message.kind == "ready":
            worker.ready = True
            running.begin()
        elif message.kind == "told":
            if isinstance(message.content, Event):
                running.follow(message.content)
        else:
            self._rest(worker)
        return message

    def _rest(self, worker: WorkerProcess) -> None:
        """Let the process be idle, or end it where it has grown: a new one is small."""
        worker.running = None
        if worker.idle_bytes is None:
            worker.idle_bytes = worker.rss_bytes
        elif worker.rss_bytes > worker.idle_bytes + _GROWTH_BYTES:
            self.close()

    def _died(self, worker: WorkerProcess, running: Running) -> Message:
        self._worker = None
        code = worker.exit_code()
        if running.began_s is None:
            return Message("unready", code)
        return Message("failed", crash_of(code, running.stage()))

    def _lost(self, worker: WorkerProcess, running: Running) -> list[Message]:
        """End the process where it takes too long or too much; return what that means."""
        late = not worker.ready and time.monotonic() - worker.started_s > self._patience.start_s
        failure = self._patience.lost_with(running) or self._too_large(worker, running)
        if failure is None and not late:
            return []
        worker.kill()
        self._worker = None
        return [Message("unready", None) if failure is None else Message("failed", failure)]

    def _too_large(self, worker: WorkerProcess, running: Running) -> Failure | None:
        if self._memory_bytes is None or worker.rss_bytes <= self._memory_bytes:
            return None
        took, given = format_size(worker.rss_bytes), format_size(self._memory_bytes)
        reason = f"it takes more memory ({took}) than a worker is given ({given}): raise --memory."
        given_bytes = float(self._memory_bytes)
        return Failure("memory", reason, running.stage(), "memory", given_bytes)
