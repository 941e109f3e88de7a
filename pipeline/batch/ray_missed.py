"""What became of workers that do not answer any more: their machine left, or they were ended."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from affect_pipe.pipeline.batch.ray_cluster import machines
from affect_pipe.pipeline.batch.ray_crew import Hand
from affect_pipe.pipeline.batch.records import Failure

# How long the cluster may take to notice that a machine has left, with the worker that is missed.
_VERDICT_S = 30.0
# Machines come and go; one that goes each time it has this video goes because of it.
_MACHINES_LOST = 5


@dataclass
class Missed:
    """Workers that are no more, with what they worked on, until it can be known why.

    Attributes
    ----------
    hands : list of Hand
    """

    hands: list[Hand] = field(default_factory=list)
    machines_lost: Counter[str] = field(default_factory=Counter)

    def add(self, hand: Hand) -> None:
        """Miss a worker."""
        hand.missed_s = time.monotonic()
        self.hands.append(hand)

    def verdicts(self) -> Iterator[tuple[Hand, Failure | None]]:
        """Yield workers of which it is known; without a failure, their machine left with them."""
        if not self.hands:
            return
        there = machines()
        for hand in list(self.hands):
            gone = hand.node not in there
            if not gone and time.monotonic() - hand.missed_s < _VERDICT_S:
                continue
            self.hands.remove(hand)
            yield hand, self._failure(hand, gone=gone)

    def _failure(self, hand: Hand, *, gone: bool) -> Failure | None:
        assert hand.errand is not None
        target = hand.errand.task.item.target
        self.machines_lost[target] += gone
        if gone and self.machines_lost[target] < _MACHINES_LOST:
            return None
        reason = (
            f"its machine left the cluster, {_MACHINES_LOST} times in a row: memory may not "
            "suffice there."
            if gone
            else f"its worker on {hand.place} was ended from outside, as Ray does when memory is "
            "short."
        )
        return Failure("crash", reason)
