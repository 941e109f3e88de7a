"""The unit that is described and judged."""

from __future__ import annotations

from dataclasses import dataclass

from affect_pipe.pipeline.records.intervals import check_interval
from affect_pipe.pipeline.records.transcript import Word


@dataclass(frozen=True)
class Utterance:
    """A stretch of speech by one speaker that is described and judged as one.

    ``text`` is empty where nothing intelligible was said; ``text_reason`` then says why
    ("no words recognised", "most words are guesses", the doubt of a segment).
    """

    index: int
    start_s: float
    end_s: float
    text: str
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    text_reason: str | None = None

    def __post_init__(self) -> None:
        check_interval(f"Utterance {self.index}", self.start_s, self.end_s)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s
