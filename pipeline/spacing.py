"""Spaces that a transcript has in scripts that need none between words, as Thai between phrases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from affect_pipe.pipeline.records import Segment, Word
from affect_pipe.pipeline.sentences import is_han_or_kana, join_words


class Spacing:
    """Writes words of a transcript as text, with the spaces the transcript has between them.

    Parameters
    ----------
    segments : iterable of Segment
        Their words in order; the text of each is looked through for them.
    """

    def __init__(self, segments: Iterable[Segment]) -> None:
        self._spaced = {
            _key(word)
            for segment in segments
            # Nearly always the usual spaces are right.
            if segment.text != join_words(word.text for word in segment.words)
            for word in _after_spaces(segment)
        }

    def join(self, words: Sequence[Word]) -> str:
        """Return the text of words, in order; of words unknown here with the usual spaces."""
        return join_words(
            (word.text for word in words), (_key(word) in self._spaced for word in words)
        )


def _key(word: Word) -> tuple[float, str]:
    # The end may be trimmed to where the next word begins.
    return word.start_s, word.text


def _after_spaces(segment: Segment) -> list[Word]:
    """Return the words before which the text has a space.

    None where it has other words, and none in Han and Kana where all have one: some write each
    character apart.
    """
    found: list[Word] = []
    at = 0
    for word in segment.words:
        start = segment.text.find(word.text, at)
        if start < 0:
            return []
        if start > at and segment.text[at:start].isspace():
            found.append(word)
        at = start + len(word.text)
    apart = len(found) > 1 and len(found) == len(segment.words) - 1
    return [word for word in found if not (apart and is_han_or_kana(word.text))]
