"""Signs that a recogniser made its text up: loops, words in silence, more than anybody can say."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence

from affect_pipe.pipeline.records import Interval, Segment

# Radford et al. (2022), section 4.5: text that gzip shrinks more than this repeats itself.
MAX_COMPRESSION_RATIO = 2.4
# Whisper's own thresholds, of the same section. Where its last attempt still misses them it keeps
# the segment; here its words are not believed.
MIN_LOG_PROBABILITY = -1.0
MAX_NO_SPEECH = 0.6
REPEATED = "the recogniser repeated itself"
TOO_DENSE = "the recogniser wrote more words than can be said in that time"
UNSURE = "the recogniser was sure of neither words nor speech"
IN_SILENCE = "the recogniser wrote words where nobody speaks"
# A phrase this often in a row is a loop; "no, no, no" and "very, very, very good" are speech.
_MOST_IN_A_ROW = 4
# The longest phrase looked at: longer loops of so many turns show in the compression.
_LONGEST_PHRASE = 8
# Auctioneers speak 4 to 5 words a second; short stretches round up.
_MAX_WORDS_PER_S = 8.0
_WORDS_AT_LEAST = 3


def compression_ratio(text: str) -> float:
    """Return how many times zlib shrinks a text; under 1 for a short one, 0 for none."""
    data = text.encode("utf-8")
    return len(data) / len(zlib.compress(data)) if data else 0.0


def loops(text: str) -> bool:
    """Tell whether a phrase of up to eight words comes five times or more in a row."""
    words = re.findall(r"\w+(?:['\u2019]\w+)?", text.lower())
    for length in range(1, min(_LONGEST_PHRASE, len(words) // 2) + 1):
        run = 0
        for before, word in zip(words, words[length:], strict=False):
            run = run + 1 if word == before else 0
            if run >= length * _MOST_IN_A_ROW:
                return True
    return False


def made_up(text: str, duration_s: float, quality: Mapping[str, float] | None = None) -> str | None:
    """Say why a text cannot be what was said, or None.

    Parameters
    ----------
    text : str
        What a recogniser heard in one stretch of speech.
    duration_s : float
        Length of that stretch in seconds.
    quality : mapping, optional
        What the recogniser tells of it: see `affect_pipe.pipeline.records.Segment`.
    """
    quality = quality or {}
    ratio = quality.get("compression_ratio", compression_ratio(text))
    if ratio > MAX_COMPRESSION_RATIO or loops(text):
        return REPEATED
    unsure = quality.get("mean_log_probability", 0.0) < MIN_LOG_PROBABILITY
    if unsure and quality.get("no_speech_probability", 0.0) > MAX_NO_SPEECH:
        return UNSURE
    if len(text.split()) > _WORDS_AT_LEAST + _MAX_WORDS_PER_S * duration_s:
        return TOO_DENSE
    return None


def silent(start_s: float, end_s: float, voice_activity: Sequence[Interval]) -> bool:
    """Tell whether nobody speaks in ``[start_s, end_s)``."""
    return not any(start_s < v.end_s and v.start_s < end_s for v in voice_activity)


def doubts_told(segments: Sequence[Segment]) -> Iterator[str]:
    """Yield a warning for each reason why segments are not believed."""
    doubts = [segment.doubt for segment in segments if segment.doubt is not None]
    for doubt in sorted(set(doubts)):
        count = doubts.count(doubt)
        yield f"the words of {count} segment{'s' * (count > 1)} count as not heard: {doubt}."
