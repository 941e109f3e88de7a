"""Words of a transcript to vectors of a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.text.glove.table import WordTable
from affect_pipe.extractors.text.glove.tokens import Tokens, tokenise
from affect_pipe.pipeline.records import FloatArray

Case = Literal["lower", "keep"]
_JOINTS = re.compile(r"[-/_]+")


@dataclass(frozen=True)
class LookedUp:
    """Words and their vectors.

    Attributes
    ----------
    spoken : bool [n_words]
        False for what is nothing but punctuation.
    known : bool [n_words]
        Whether the table has at least one of the word's tokens.
    vectors : float32 [n_words, dim]
        NaN where the word is not known.
    """

    spoken: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]
    vectors: FloatArray


def look_up(words: Sequence[str], table: WordTable, tokens: Tokens, case: Case) -> LookedUp:
    """Return the vector of each word: the mean over those of its tokens that the table has.

    A token is looked up as it is; failing that in lower case (where ``case`` is "keep"), without a
    final period, and part by part where it has hyphens, slashes or underscores.
    """
    # The tags of the Twitter tables tell capitals; they lower the rest themselves.
    lower = case == "lower" and tokens != "twitter"
    cut = {word: tokenise(word.lower() if lower else word, tokens) for word in words}
    asked = sorted({form for found in cut.values() for token in found for form in _all(token)})
    rows = {
        form: row for form, row in zip(asked, table.find(asked).tolist(), strict=True) if row >= 0
    }
    of_word = {word: _rows_of(found, rows) for word, found in cut.items()}
    vectors = np.full((len(words), table.dim), np.nan, dtype=np.float32)
    for i, word in enumerate(words):
        if of_word[word]:
            per_token = [table.vectors(np.array(r)).mean(0, np.float64) for r in of_word[word]]
            vectors[i] = np.mean(per_token, axis=0)
    return LookedUp(
        spoken=np.array([bool(cut[word]) for word in words], dtype=bool),
        known=np.array([bool(of_word[word]) for word in words], dtype=bool),
        vectors=vectors,
    )


def _rows_of(tokens: Sequence[str], rows: Mapping[str, int]) -> list[list[int]]:
    """Return, for each token that is in the table, its row or the rows of its parts."""
    found = []
    for token in tokens:
        row = next((rows[form] for form in _forms(token) if form in rows), None)
        of_token = [row] if row is not None else []
        if row is None:
            for part in _parts(token):
                hit = next((rows[form] for form in _forms(part) if form in rows), None)
                of_token += [] if hit is None else [hit]
        if of_token:
            found.append(of_token)
    return found


def _forms(token: str) -> Iterator[str]:
    yield token
    yield token.lower()
    bare = token.rstrip(".")
    if bare and bare != token:
        yield bare
        yield bare.lower()


def _parts(token: str) -> list[str]:
    parts = [part for part in _JOINTS.split(token) if part]
    return parts if len(parts) > 1 else []


def _all(token: str) -> Iterator[str]:
    for part in (token, *_parts(token)):
        yield from _forms(part)
