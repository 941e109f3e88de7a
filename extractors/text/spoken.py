"""What every text feature takes from utterances: whose words there are, and how sure they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.records import FloatArray, Utterance, Word


def with_words(utterances: Sequence[Utterance]) -> npt.NDArray[np.bool_]:
    """Return bool [n_utterances]: whether anything intelligible was said."""
    return np.array([bool(u.text.strip()) for u in utterances], dtype=bool)


def no_words(utterance: Utterance) -> str:
    """Return why an utterance has no words."""
    return utterance.text_reason or "no words"


def word_confidence(utterances: Sequence[Utterance]) -> FloatArray:
    """Return float32 [n_utterances] in [0, 1], the mean confidence of the words.

    NaN where their source gives none.
    """
    confidence = np.full(len(utterances), np.nan, dtype=np.float32)
    for row, utterance in enumerate(utterances):
        known = [w.confidence for w in utterance.words if w.confidence is not None]
        if known:
            confidence[row] = np.mean(known)
    return confidence


@dataclass(frozen=True)
class SpokenWord:
    """One word of one utterance: where that stands in its list, the word's place, the word."""

    row: int
    place: int
    word: Word


def in_order(utterances: Sequence[Utterance]) -> Iterator[SpokenWord]:
    """Yield the words of all utterances that have text by their start: speakers may overlap."""
    words = [
        SpokenWord(row, place, word)
        for row, utterance in enumerate(utterances)
        if utterance.text.strip()
        for place, word in enumerate(utterance.words)
    ]
    yield from sorted(words, key=lambda spoken: (spoken.word.start_s, spoken.row, spoken.place))
