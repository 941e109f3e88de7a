"""How far a batch is, how fast it goes, and how long it will take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

from affect_pipe.pipeline.batch.events import Overall
from affect_pipe.pipeline.batch.records import Product, Task

# What a video costs however short it is, in seconds of media: else clips would seem free.
_EACH_S = 2.0


class Tally:
    """Counts what becomes of the tasks of one run.

    Parameters
    ----------
    due : sequence of Task
    """

    def __init__(self, due: Sequence[Task]) -> None:
        self._weights = {task.item.target: task.seen.duration_s + _EACH_S for task in due}
        self._n_due = len(due)
        self._left = sum(self._weights.values())
        self._started_s = time.monotonic()
        self._done = self._failed = 0
        self._media_s = 0.0
        self._stage_s: defaultdict[str, float] = defaultdict(float)
        self._stage_media_s: defaultdict[str, float] = defaultdict(float)

    def added(self, task: Task) -> None:
        """Count a video that came later."""
        self._n_due += 1
        self._weights[task.item.target] = weight = task.seen.duration_s + _EACH_S
        self._left += weight

    def seconds(self) -> float:
        """Return how long the run has taken."""
        return time.monotonic() - self._started_s

    def finished(self, target: str, product: Product) -> None:
        """Count a video that is done."""
        self._done += 1
        self._left -= self._weights.pop(target, 0.0)
        self._media_s += product.duration_s
        for stage, seconds in product.timings_s.items():
            if stage != "total":
                self._stage_s[stage] += seconds
                self._stage_media_s[stage] += product.duration_s

    def failed(self, target: str) -> None:
        """Count a video that failed for good."""
        self._failed += 1
        self._left -= self._weights.pop(target, 0.0)

    def overall(self) -> Overall:
        """Return how far the whole is."""
        seconds = self.seconds()
        gone = self._media_s + _EACH_S * self._done
        known = self._done > 0 and seconds > 0
        return Overall(
            due=self._n_due,
            done=self._done,
            failed=self._failed,
            seconds=round(seconds, 3),
            media_s=round(self._media_s, 3),
            remaining_s=round(max(0.0, self._left) * seconds / gone, 1) if known else None,
            speed=round(self._media_s / seconds, 3) if known else None,
            stage_speeds={
                stage: round(self._stage_media_s[stage] / taken, 3)
                for stage, taken in sorted(self._stage_s.items())
                if taken > 0
            },
        )
