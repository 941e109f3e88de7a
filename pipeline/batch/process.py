"""The engine's end of one worker process."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass, field
from typing import Any

from loky.backend import get_context

from affect_pipe.pipeline.batch.cores import Cores
from affect_pipe.pipeline.batch.engine import Work
from affect_pipe.pipeline.batch.memory import tree_bytes
from affect_pipe.pipeline.batch.records import Task
from affect_pipe.pipeline.batch.worker import serve
from affect_pipe.pipeline.events import Event

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# glibc keeps a large block that was freed for itself, and the next, of another size, is put
# elsewhere: after a long video, hundreds of megabytes are nobody's. Blocks from 16 MiB on go back
# at once with these; libraries of other systems do not know them.
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(16 << 20), "MALLOC_TRIM_THRESHOLD_": str(32 << 20)}
_GOODBYE_S = 1.0


@dataclass
class Running:
    """An attempt that is being made.

    Attributes
    ----------
    task : Task
    attempt : int
    spent_s : float
        What other workers have taken for it before.
    began_s : float or None
        On the monotonic clock, as if this worker had taken all of it; None while it still starts.
    stages : mapping of stage to when it began
    last_s : float
        When it last began or ended anything.
    """

    task: Task
    attempt: int
    spent_s: float = 0.0
    began_s: float | None = None
    stages: dict[str, float] = field(default_factory=dict)
    last_s: float = 0.0

    def begin(self) -> None:
        """Start the clock."""
        self.last_s = time.monotonic()
        self.began_s = self.last_s - self.spent_s

    def seconds(self) -> float:
        """Return how long it has taken."""
        return 0.0 if self.began_s is None else time.monotonic() - self.began_s

    def follow(self, event: Event) -> None:
        """Note which stages are at work."""
        if event.state == "started":
            self.stages[event.stage] = self.last_s = time.monotonic()
        elif event.state != "progress":
            self.stages.pop(event.stage, None)
            self.last_s = time.monotonic()

    def stage(self) -> str | None:
        """Return the stage that was begun last, of those at work."""
        return next(reversed(self.stages), None)


class WorkerProcess:
    """One worker: a process with an interpreter of its own, and its children.

    Parameters
    ----------
    name : str
    work : Work
    threads : int
        Of each library that computes; set before any is imported.
    slot : int
        Its number among the workers there are at one time, from 0.
    cores : frozenset of int
        To compute on; none is any.
    """

    def __init__(
        self,
        name: str,
        work: Work[Any],
        threads: int,
        slot: int = 0,
        cores: Cores = frozenset(),
    ) -> None:
        context = get_context("loky")
        self.name = name
        self.slot = slot
        self.ready = False
        self.started_s = time.monotonic()
        self.running: Running | None = None
        self.rss_bytes = 0
        self.peak_bytes = 0
        self.idle_bytes: int | None = None
        self.line, other_end = context.Pipe()
        lifeline, self._lifeline = context.Pipe(duplex=False)
        self.process = context.Process(
            target=serve,
            args=(other_end, lifeline, work, cores),
            env={**dict.fromkeys(_THREADS, str(threads)), **_MEMORY},
        )
        self.process.start()
        # Else the worker's death would not close the line.
        other_end.close()
        lifeline.close()

    def give(self, running: Running) -> None:
        """Send a task; a worker that still starts takes it later."""
        self.running = running
        self.peak_bytes = self.rss_bytes
        if self.ready:
            running.begin()
        # A dead worker is found out by its line, where its end is told.
        with contextlib.suppress(ConnectionError):
            self.line.send(running.task.item)

    def measure(self) -> int:
        """Measure the memory of the process and its children; remember the most."""
        self.rss_bytes = tree_bytes(self.process.pid)
        self.peak_bytes = max(self.peak_bytes, self.rss_bytes)
        return self.rss_bytes

    def hang_up(self) -> None:
        """Tell an idle worker to end."""
        self.line.close()

    def close(self) -> None:
        """Let an idle worker end by itself; kill it where it does not."""
        self.hang_up()
        self.process.join(_GOODBYE_S)
        self.kill()

    def kill(self) -> int | None:
        """End the process and all its children at once; return the exit code it has or had."""
        if hasattr(os, "killpg"):
            # Its number names its group while anyone is left in that.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            # One that has only just begun leads no group yet.
            if self.process.exitcode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.process.pid, signal.SIGKILL)
        else:
            from loky.backend.utils import kill_process_tree

            kill_process_tree(self.process)
        self.process.join()
        self.line.close()
        self._lifeline.close()
        code: int | None = self.process.exitcode
        return code

    def exit_code(self) -> int | None:
        """Return how a process whose line has closed ended, and end what it left behind."""
        self.process.join(_GOODBYE_S)
        return self.kill()
