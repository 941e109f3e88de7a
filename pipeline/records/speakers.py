"""Who speaks when."""

from __future__ import annotations

from dataclasses import dataclass

from affect_pipe.pipeline.records.intervals import check_interval


@dataclass(frozen=True)
class SpeakerTurn:
    """Time ``[start_s, end_s)`` in which one speaker, by name, speaks."""

    start_s: float
    end_s: float
    speaker: str

    def __post_init__(self) -> None:
        check_interval(f"SpeakerTurn({self.speaker!r})", self.start_s, self.end_s)


@dataclass(frozen=True)
class Diarisation:
    """Who speaks when.

    Attributes
    ----------
    turns : tuple of SpeakerTurn
        In order of their start; they may overlap.
    name : str
        Of the file.
    other : str
        What the file calls the recording, where neither that nor the file's own name is the
        media's; else empty.
    """

    turns: tuple[SpeakerTurn, ...]
    name: str
    other: str = ""

    def speaker_during(self, start_s: float, end_s: float) -> str | None:
        """Return who speaks most of ``[start_s, end_s)``; None where nobody does."""
        spoken_s: dict[str, float] = {}
        for turn in self.turns:
            common_s = min(turn.end_s, end_s) - max(turn.start_s, start_s)
            if common_s > 0:
                spoken_s[turn.speaker] = spoken_s.get(turn.speaker, 0.0) + common_s
        return max(spoken_s, key=lambda speaker: spoken_s[speaker], default=None)
