"""Drawing a run's events on a terminal, with rich."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from affect_pipe.pipeline.events import Event


class ProgressDisplay:
    """One line a stage while a video is worked on; quiet where the output is no terminal.

    Use as a context manager, and as the listener of a run.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._lock = threading.Lock()
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def __enter__(self) -> ProgressDisplay:
        """Start drawing."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop drawing and clear what was drawn."""
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        key = (str(event.media), event.stage)
        with self._lock:
            if key not in self._tasks:
                self._tasks[key] = self._progress.add_task(
                    f"{event.media.name} {event.stage}", total=1.0, state=""
                )
            self._progress.update(
                self._tasks[key], completed=event.fraction, state=event.state, refresh=False
            )


class Step(Protocol):
    """What is drawn of one step of a long work, such as a training."""

    @property
    def fraction(self) -> float:
        """How far the whole is, in [0, 1]."""

    @property
    def epoch(self) -> int:
        """The epoch at work."""

    @property
    def remaining_s(self) -> float | None:
        """Seconds left at the pace so far; None while unknown."""


class TrainingDisplay:
    """One bar for a training, with the epoch and the time left; quiet where there is no terminal.

    Use as a context manager, and as the listener of a training.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("training, epoch {task.fields[epoch]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> TrainingDisplay:
        """Return itself; drawing starts with the first step."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop drawing and clear what was drawn."""
        self._progress.stop()

    def __call__(self, step: Step) -> None:
        """Draw one step."""
        left = "" if step.remaining_s is None else f"{step.remaining_s:.0f} s left"
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task("", total=1.0, epoch=step.epoch, left=left)
        self._progress.update(self._task, completed=step.fraction, epoch=step.epoch, left=left)
