"""How words make sentences on paper: where one ends, where spaces go, what counts as a word."""

# Punctuation of many scripts is the subject of this file; word lists read best as one string.
# ruff: noqa: RUF001, SIM905

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain, repeat

# Scripts written without spaces between words: Thai, Lao, Myanmar, Khmer, Kana, Han (with its
# extensions) and full-width forms. Korean is left out: it uses spaces.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
)
_UNSPACED_END = re.compile(f"[{_UNSPACED}]$")
_UNSPACED_START = re.compile(f"^[{_UNSPACED}]")
_HAN_OR_KANA = (
    "\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_HAN_OR_KANA_START = re.compile(f"[{_HAN_OR_KANA}]")
_OPENERS = r"[\(\[{\"'“‘«「『（【《〈¿¡]*"
# One Han or Kana character with the punctuation that hangs on it, or a run of anything else.
_PIECE = re.compile(
    f"{_OPENERS}[{_HAN_OR_KANA}]ー*[^\\w\\s]*|{_OPENERS}[^\\s{_HAN_OR_KANA}]+", re.UNICODE
)
_CLOSERS = "\"'”’»)]}」』）】》〉"
_STRONG_ENDS = ("?", "!", "。", "！", "？", "｡", "।", "॥", "؟", "۔", "‽")
_ELLIPSES = ("...", "…")
_CLAUSE_ENDS = (",", ";", ":", "—", "–", "-", "、", "，", "；", "：", "،", "؛")

# Never the end of a sentence: something always follows a title.
_TITLES = frozenset(
    "mr mrs ms mx dr prof st sr jr gen col lt sgt capt cmdr maj rev hon gov sen rep pres messrs "
    "mme mlle no nos vol fig eq pp vs cf approx ca e.g i.e".split()
)
# The end of a sentence only where the next word starts a new one.
_OTHERS = frozenset(
    "etc inc ltd co corp dept est a.m p.m al jan feb mar apr jun jul aug sep sept oct nov dec mt "
    "ft ave blvd rd".split()
)
_ACRONYM = re.compile(r"^(?:[^\W\d_]\.)+[^\W\d_]?$")


def ends_sentence(word: str, following: str | None) -> bool:
    """Tell whether a sentence ends after ``word``.

    Full stops of titles ("Dr."), acronyms ("U.S."), initials ("J.") and split decimals ("3." "5")
    are none. At the very end of what was said every full stop is one.

    Parameters
    ----------
    word : str
        One word with the punctuation that hangs on it.
    following : str or None
        The next word, None when nothing follows.
    """
    bare = word.rstrip(_CLOSERS)
    if bare.endswith(_STRONG_ENDS):
        return True
    starts_anew = following is None or not _starts_lower(following)
    if bare.endswith(_ELLIPSES):
        return starts_anew
    if not bare.endswith("."):
        return False
    if following is None:
        return True
    stem = bare[:-1].lstrip("([{\"'“‘«¿¡")
    if stem.lower() in _TITLES:
        return False
    if stem.lower() in _OTHERS:
        return starts_anew
    if stem.isdigit():
        return not following[:1].isdigit()
    # "I." ends sentences ("So do I."), other single capitals are initials.
    return not (_ACRONYM.match(stem + ".") and (len(stem) > 1 or (stem.isupper() and stem != "I")))


def ends_clause(word: str) -> bool:
    """Tell whether a comma, colon, semicolon or dash hangs on ``word``."""
    return word.rstrip(_CLOSERS).endswith(_CLAUSE_ENDS)


def _starts_lower(word: str) -> bool:
    stripped = word.lstrip("([{\"'“‘«¿¡-–—")
    return stripped[:1].islower()


def join_words(words: Iterable[str], spaced: Iterable[bool] = ()) -> str:
    """Write words as text: spaces between them, none inside scripts that use none.

    Parameters
    ----------
    words : iterable of str
    spaced : iterable of bool
        Whether a word has a space before it all the same; those not told of have none.
    """
    text = ""
    for word, space in zip(words, chain(spaced, repeat(False)), strict=False):
        glued = not space and _UNSPACED_END.search(text) and _UNSPACED_START.search(word)
        text += word if not text or glued else f" {word}"
    return text


def is_han_or_kana(word: str) -> bool:
    """Tell whether a word begins with a character of a script in which one may be a word."""
    return _HAN_OR_KANA_START.match(word) is not None


def split_words(text: str) -> tuple[str, ...]:
    """Split text into words, punctuation attached; Han and Kana count one character as a word.

    Stretches of nothing but punctuation are kept with the word before them.
    """
    words: list[str] = []
    for token in text.split():
        pieces = _PIECE.findall(token)
        # What the pattern does not cover whole is kept as it stands rather than lose a character.
        pieces = pieces if "".join(pieces) == token else [token]
        for i, piece in enumerate(pieces):
            if any(char.isalnum() for char in piece):
                words.append(piece)
            elif words:
                words[-1] += piece if i else f" {piece}"
    return tuple(words)
