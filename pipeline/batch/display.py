"""Drawing a batch's events on a terminal, or writing them as lines for a machine."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from affect_pipe.pipeline.batch.events import (
    AttemptStarted,
    BatchEvent,
    ItemAbandoned,
    ItemDone,
    ItemFailed,
    Overall,
    Planned,
    StageStep,
    to_line,
)
from affect_pipe.pipeline.results.terminal_text import printable

# Stages drawn beside their speeds; the others take next to nothing.
_SHOWN = 4


class BatchDisplay:
    """An overall bar, what each running video is in, and the speed of the slowest stages.

    Use as a context manager, and as the listener of a batch. Quiet where there is no terminal.
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
        self._whole: TaskID | None = None
        self._videos: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
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

    def __call__(self, event: BatchEvent) -> None:
        """Draw one event."""
        if isinstance(event, Planned):
            self._whole = self._progress.add_task("batch", total=max(1, event.due), state="")
        elif isinstance(event, AttemptStarted):
            name = escape(printable(event.target))
            self._videos[event.target] = self._progress.add_task(name, total=1.0, state="")
        elif isinstance(event, StageStep):
            task = self._videos.get(event.target)
            if task is not None:
                self._progress.update(
                    task, completed=event.fraction, state=event.stage, refresh=False
                )
        elif isinstance(event, ItemDone | ItemFailed | ItemAbandoned):
            ended = self._videos.pop(event.target, None)
            if ended is not None:
                self._progress.remove_task(ended)
        elif isinstance(event, Overall) and self._whole is not None:
            self._progress.update(
                self._whole, completed=event.done + event.failed, state=_state(event)
            )


def _state(event: Overall) -> str:
    parts = [f"{event.done + event.failed} of {event.due}"]
    if event.failed:
        parts.append(f"{event.failed} failed")
    if event.remaining_s is not None:
        parts.append(f"{duration(event.remaining_s)} left")
    if event.speed is not None:
        parts.append(f"{event.speed:.1f} x real time")
    slowest = sorted(event.stage_speeds.items(), key=lambda pair: pair[1])[:_SHOWN]
    if slowest:
        parts.append(", ".join(f"{stage} {speed:.1f}x" for stage, speed in slowest))
    return "; ".join(parts)


def duration(seconds: float) -> str:
    """Return seconds as people say them: ``45 s``, ``12 min``, ``3 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


class JsonLines:
    """Writes every event as a line of the published shape.

    Parameters
    ----------
    stream : text stream
    run : str
        Which run they belong to.
    """

    def __init__(self, stream: TextIO, run: str) -> None:
        self._stream: TextIO | None = stream
        self._run = run

    def __call__(self, event: BatchEvent) -> None:
        """Write one event. A reader that has left, or a full disk, does not stop the work."""
        if self._stream is None:
            return
        try:
            self._stream.write(to_line(event, self._run) + "\n")
            self._stream.flush()
        except OSError:
            with suppress(OSError):
                self._stream.close()
            self._stream = None
