"""Spans of time, in seconds on the presentation clock of the media file."""

from __future__ import annotations

import math
from dataclasses import dataclass


def check_interval(what: str, start_s: float, end_s: float) -> None:
    """Refuse a span of time that is none.

    Raises
    ------
    ValueError
        Unless ``0 <= start_s <= end_s``, both finite; it begins with ``what``.
    """
    if not (math.isfinite(start_s) and math.isfinite(end_s) and 0.0 <= start_s <= end_s):
        raise ValueError(
            f"{what} needs finite 0 <= start_s <= end_s, got start_s={start_s}, end_s={end_s}"
        )


@dataclass(frozen=True)
class Interval:
    """A half-open span of time ``[start_s, end_s)``."""

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        check_interval("Interval", self.start_s, self.end_s)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s
