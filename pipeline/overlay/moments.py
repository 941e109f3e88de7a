"""Which utterance is spoken at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from affect_pipe.pipeline.records import Utterance


class Moments:
    """Finds the utterance of a time; of several that overlap, the one that began last."""

    def __init__(self, utterances: Sequence[Utterance]) -> None:
        lasting = [u for u in utterances if u.end_s > u.start_s]
        edges = [(u.start_s, 1, u.index) for u in lasting]
        edges += [(u.end_s, 0, u.index) for u in lasting]
        rows = {u.index: row for row, u in enumerate(utterances)}
        starts = {u.index: u.start_s for u in utterances}
        self._times_s: list[float] = []
        self._rows: list[int | None] = []
        spoken: set[int] = set()
        # Ends before starts: intervals are half-open.
        for time_s, begins, index in sorted(edges):
            (spoken.add if begins else spoken.discard)(index)
            last = max(spoken, key=lambda i: (starts[i], i), default=None)
            self._times_s.append(time_s)
            self._rows.append(None if last is None else rows[last])

    def row_at(self, time_s: float) -> int | None:
        """Return the row of the utterance spoken at ``time_s``; None where there is none."""
        place = bisect_right(self._times_s, time_s) - 1
        return None if place < 0 else self._rows[place]
