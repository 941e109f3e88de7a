"""How far a grid is and how long it will take: the pace of a group of cells tells for its like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class GridEvent:
    """How far a grid is.

    Attributes
    ----------
    done, total : int
        Cells, those kept from an earlier run included.
    kept : int
        Cells found finished.
    fraction : float
        Of the work that was due, in [0, 1], by time.
    remaining_s : float or None
        None until the first epoch has told how fast this machine is.
    label : str
        The cell that has just finished; empty after an epoch.
    """

    done: int
    total: int
    kept: int
    fraction: float
    remaining_s: float | None
    label: str = ""


Listener = Callable[[GridEvent], None]


@dataclass
class _Group:
    """Cells that take the same time an epoch: one model on one dataset's modalities."""

    cells: int = 0
    epochs: int = 0
    finished: int = 0
    ticks: int = 0
    seconds: float = 0.0

    def left_s(self, usual_s: float) -> float:
        """Seconds that its unfinished cells will take, less what they have taken.

        A cell may stop before its last epoch, so once some have finished, their mean counts.
        """
        if not self.ticks:
            return (self.cells - self.finished) * self.epochs * usual_s
        pace_s = self.seconds / self.ticks
        whole = self.epochs
        if self.finished:
            whole = min(self.epochs, max(1, round(self.ticks / self.finished)))
        return max(0.0, self.cells * whole - self.ticks) * pace_s


class Progress:
    """Hears of epochs and cells and tells a listener.

    Parameters
    ----------
    total, kept : int
        Cells of the grid, and how many of them were there already.
    workers : int
    listener : callable, optional
    """

    def __init__(self, total: int, kept: int, workers: int, listener: Listener | None) -> None:
        self._total, self._kept, self._workers = total, kept, workers
        self._listener = listener
        self._groups: dict[str, _Group] = {}

    def expect(self, group: str, epochs: int) -> None:
        """Count a cell that is due."""
        found = self._groups.setdefault(group, _Group(epochs=epochs))
        found.cells += 1

    def tick(self, group: str, seconds: float) -> None:
        """Hear of one epoch."""
        self._groups[group].ticks += 1
        self._groups[group].seconds += seconds
        self.tell()

    def finished(self, group: str, label: str) -> None:
        """Hear of one cell."""
        self._groups[group].finished += 1
        self.tell(label)

    def tell(self, label: str = "") -> None:
        """Send an event."""
        if self._listener is None:
            return
        done = self._kept + sum(group.finished for group in self._groups.values())
        remaining_s = self._remaining_s()
        spent = sum(group.seconds for group in self._groups.values()) / self._workers
        fraction = 0.0
        if done == self._total:
            fraction, remaining_s = 1.0, 0.0
        elif remaining_s is not None and spent + remaining_s > 0:
            fraction = spent / (spent + remaining_s)
        self._listener(GridEvent(done, self._total, self._kept, fraction, remaining_s, label))

    def _remaining_s(self) -> float | None:
        ticks = sum(group.ticks for group in self._groups.values())
        if not ticks:
            return None
        usual_s = sum(group.seconds for group in self._groups.values()) / ticks
        unfinished = [g for g in self._groups.values() if g.finished < g.cells]
        return sum(group.left_s(usual_s) for group in unfinished) / self._workers
