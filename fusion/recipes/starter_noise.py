"""Words as a recogniser mishears them: deletions, substitutions and sound-alikes.

The starter checkpoint meets automatic transcripts, but its training sentences are typed. Copies
with damaged words teach it how far to trust them. The damage follows what speech recognition does:
whole words go missing, are heard as another word that sounds alike, or are made up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

# Of the damaged words; recognisers substitute most, delete less, insert least.
SHARE_SOUND_ALIKE, SHARE_OTHER_WORD, SHARE_DELETED = 0.45, 0.2, 0.25
# Letters that sound alike share a digit, vowels and h, w, y fall out (the classes of Soundex).
_CLASSES = {
    letter: digit
    for digit, letters in {
        "1": "bfpv", "2": "cgjkqsxz", "3": "dt", "4": "l", "5": "mn", "6": "r",
    }.items()
    for letter in letters
}  # fmt: skip
_MAX_VOCABULARY = 5000


def sound_key(word: str) -> str:
    """Return the classes of a word's consonants, repeats left out, and whether a vowel starts it.

    >>> sound_key("right") == sound_key("ride") or sound_key("bat") == sound_key("bad")
    True
    """
    letters = [letter for letter in word.lower() if letter.isalpha()]
    digits = [_CLASSES.get(letter, "") for letter in letters]
    kept = [d for i, d in enumerate(digits) if d and (i == 0 or d != digits[i - 1])]
    start = "v" if letters and letters[0] in "aeiou" else ""
    return start + "".join(kept[:3])


class Mishearing:
    """A deaf ear with the vocabulary of a corpus.

    Parameters
    ----------
    texts : sequence of str
        Sentences whose most frequent words may be misheard.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        counts = Counter(word for text in texts for word in text.lower().split() if word.isalpha())
        # Ties in frequency are broken by spelling, so that the order of sentences is no matter.
        common = sorted(counts, key=lambda word: (-counts[word], word))[:_MAX_VOCABULARY]
        self._vocabulary = common
        self._weights = np.cumsum([counts[word] for word in common], dtype=np.float64)
        self._alike: dict[str, list[str]] = {}
        for word in common:
            self._alike.setdefault(sound_key(word), []).append(word)

    def damage(self, text: str, share: float, rng: np.random.Generator) -> str:
        """Return ``text`` with about ``share`` of its words misheard.

        Parameters
        ----------
        share : float
            In [0, 1]: the chance of each word to be damaged.

        Returns
        -------
        str
            Never without any word where there was one.
        """
        words: list[str] = []
        for word in text.split():
            words += self._heard(word, rng) if rng.random() < share else [word]
        return " ".join(words) if words else text

    def _heard(self, word: str, rng: np.random.Generator) -> list[str]:
        kind = rng.random()
        if kind < SHARE_SOUND_ALIKE:
            alike = [w for w in self._alike.get(sound_key(word), ()) if w != word.lower()]
            return [alike[int(rng.integers(len(alike)))]] if alike else [self._any(rng)]
        if kind < SHARE_SOUND_ALIKE + SHARE_OTHER_WORD:
            return [self._any(rng)]
        if kind < SHARE_SOUND_ALIKE + SHARE_OTHER_WORD + SHARE_DELETED:
            return []
        return [word, self._any(rng)]

    def _any(self, rng: np.random.Generator) -> str:
        """Return a word, the likelier the more frequent it is."""
        if not self._vocabulary:
            return "the"
        place = int(np.searchsorted(self._weights, rng.random() * self._weights[-1], "right"))
        return self._vocabulary[min(place, len(self._vocabulary) - 1)]
