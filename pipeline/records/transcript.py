"""What was said: words, the segments they came in, and their source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from affect_pipe.pipeline.records.intervals import check_interval
from affect_pipe.pipeline.records.speakers import Diarisation


@dataclass(frozen=True)
class Word:
    """One spoken word with its time; ``confidence`` in [0, 1], None where the source has none."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None

    def __post_init__(self) -> None:
        check_interval(f"Word({self.text!r})", self.start_s, self.end_s)


@dataclass(frozen=True)
class Segment:
    """A stretch of speech as its source cut it (a subtitle cue, a recogniser's segment).

    ``words`` are always filled: a source without word times has them spread over the segment in
    proportion to their length, and says so in ``Transcript.word_times``.

    Attributes
    ----------
    quality : mapping of str to float
        What the recogniser tells of it, where it tells anything: ``no_speech_probability`` in
        [0, 1], ``mean_log_probability`` of its tokens (natural logarithm, at most 0),
        ``compression_ratio`` of its text (much over 2: it repeats itself).
    doubt : str, optional
        Why its words are taken for made up and count as not heard; None where they are believed.
    """

    start_s: float
    end_s: float
    text: str
    words: tuple[Word, ...]
    speaker: str | None = None
    quality: Mapping[str, float] = field(default_factory=dict)
    doubt: str | None = None

    def __post_init__(self) -> None:
        check_interval(f"Segment({self.text[:30]!r})", self.start_s, self.end_s)
        if not all(math.isfinite(value) for value in self.quality.values()):
            raise ValueError(f"Segment({self.text[:30]!r}) has quality {dict(self.quality)}")


@dataclass(frozen=True)
class Transcript:
    """What was said, as one source of words tells it.

    Attributes
    ----------
    source : str
        Which recogniser or file format gave the words: ``srt``, ``whisper``, ``moonshine``...
    model : str
        The model or file name behind it.
    word_times : {"measured", "aligned", "spread"}
        From the source itself, force-aligned to the audio, or spread evenly over segments.
    guesses : bool
        True where the source mishears so often that its words need their confidence checked.
    diarisation : Diarisation, optional
        Where the speakers come from, if not from the source of the words itself.
    """

    segments: tuple[Segment, ...]
    source: str
    model: str = ""
    language: str | None = None
    word_times: Literal["measured", "aligned", "spread"] = "measured"
    guesses: bool = False
    warnings: tuple[str, ...] = ()
    diarisation: Diarisation | None = None

    @property
    def words(self) -> tuple[Word, ...]:
        """All words that are believed, in order."""
        return tuple(word for segment in self.believed for word in segment.words)

    @property
    def believed(self) -> tuple[Segment, ...]:
        """The segments whose words are not taken for made up."""
        return tuple(segment for segment in self.segments if segment.doubt is None)

    def doubt_during(self, start_s: float, end_s: float) -> str | None:
        """Say why words heard in ``[start_s, end_s)`` are not believed; None where there are none.

        Of several reasons, that of the segment which fills most of the time.
        """
        doubted = [
            (min(segment.end_s, end_s) - max(segment.start_s, start_s), segment.doubt)
            for segment in self.segments
            if segment.doubt is not None
        ]
        length_s, doubt = max(doubted, key=lambda pair: pair[0], default=(0.0, None))
        return doubt if length_s > 0 else None
