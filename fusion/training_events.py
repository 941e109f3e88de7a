"""What a training tells while it works, time left included, for whoever draws it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class TrainingEvent:
    """One moment of a training.

    Attributes
    ----------
    state : {"started", "step", "epoch", "finished"}
        ``started`` comes once, with the epochs that an earlier process finished; ``step`` after
        each batch; ``epoch`` after validation; ``finished`` at the end, early or not.
    epoch, epochs : int
        The epoch at work or just finished, counted from 1, and how many there are at most.
    step, steps : int
        Batches done of this epoch, and how many it has.
    elapsed_s : float
        Since this process began to train.
    remaining_s : float or None
        At the pace so far; None while there is none.
    record : mapping
        Of ``epoch`` events: losses, validation, times, as in ``metrics.jsonl``.
    """

    state: Literal["started", "step", "epoch", "finished"]
    epoch: int
    epochs: int
    step: int = 0
    steps: int = 0
    elapsed_s: float = 0.0
    remaining_s: float | None = None
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fraction(self) -> float:
        """How far the training is, in [0, 1]."""
        if self.state == "finished":
            return 1.0
        if self.state != "step":
            return self.epoch / self.epochs
        return (self.epoch - 1 + self.step / max(1, self.steps)) / self.epochs


Listener = Callable[[TrainingEvent], None]


class Pace:
    """Makes events and knows how long the rest will take.

    Parameters
    ----------
    epochs : int
    done : int
        Epochs that an earlier process finished: they say nothing of this one's pace.
    clock : callable () -> seconds
    """

    def __init__(
        self,
        epochs: int,
        done: int,
        listener: Listener | None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._epochs, self._done, self._listener, self._clock = epochs, done, listener, clock
        self._start = clock()

    def tell(
        self,
        state: Literal["started", "step", "epoch", "finished"],
        epoch: int,
        step: int = 0,
        steps: int = 0,
        record: Mapping[str, Any] | None = None,
    ) -> None:
        """Send an event to the listener, if there is one."""
        if self._listener is None:
            return
        elapsed_s = self._clock() - self._start
        event = TrainingEvent(
            state, epoch, self._epochs, step, steps, elapsed_s, None, record or {}
        )
        worked = event.fraction - self._done / self._epochs
        remaining_s = None
        if state == "finished":
            remaining_s = 0.0
        elif worked > 0:
            remaining_s = elapsed_s * (1 - event.fraction) / worked
        self._listener(
            TrainingEvent(
                state, epoch, self._epochs, step, steps, elapsed_s, remaining_s, record or {}
            )
        )
