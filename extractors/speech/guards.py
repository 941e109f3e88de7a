"""Signs that a recogniser made its text up: loops, and more words than anybody can say."""

from __future__ import annotations

import re
import zlib

# Radford et al. (2022), section 4.5: text that gzip shrinks more than this repeats itself.
MAX_COMPRESSION_RATIO = 2.4
REPEATED = "it repeated itself"
TOO_DENSE = "it has more words than can be said in its time"
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


def made_up(text: str, duration_s: float) -> str | None:
    """Say why a text cannot be what was said, or None.

    Parameters
    ----------
    text : str
        What a recogniser heard in one stretch of speech.
    duration_s : float
        Length of that stretch in seconds.
    """
    if compression_ratio(text) > MAX_COMPRESSION_RATIO or loops(text):
        return REPEATED
    if len(text.split()) > _WORDS_AT_LEAST + _MAX_WORDS_PER_S * duration_s:
        return TOO_DENSE
    return None
