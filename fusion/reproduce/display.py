"""Drawing a grid's progress on a terminal, with rich."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from affect_pipe.fusion.reproduce.progress import GridEvent


class GridDisplay:
    """One line: cells done, time left, the cell finished last; a line a cell where no terminal is.

    Use as a context manager, and as the listener of `affect_pipe.fusion.reproduce.run.run_grid`.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.fields[cells]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[left]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[label]}", style="dim"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=1.0, cells="", left="", label="")

    def __enter__(self) -> GridDisplay:
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

    def __call__(self, event: GridEvent) -> None:
        """Draw one event."""
        cells = f"{event.done} of {event.total} cells"
        left = "" if event.remaining_s is None else f"{duration(event.remaining_s)} left"
        if self._console.is_terminal:
            self._progress.update(self._task, completed=event.fraction, cells=cells, left=left)
            if event.label:
                self._progress.update(self._task, label=event.label)
        elif event.label:
            said = f"{cells}: {event.label}" + (f"; {left}" if left else "")
            self._console.print(said, highlight=False, soft_wrap=True, markup=False)


def duration(seconds: float) -> str:
    """Write seconds as ``45 s``, ``3 min 05 s`` or ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
