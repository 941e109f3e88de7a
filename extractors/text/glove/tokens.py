"""Words of a transcript as the tokens that GloVe's tables were made of.

Pennington, Socher and Manning (2014, section 4.2) ran the Stanford tokeniser over their corpora,
which follows the conventions of the Penn Treebank: punctuation stands alone, contractions and
genitives are cut ("do n't", "I 'm", "dog 's", "can not", "gon na"), abbreviations keep their
period, hyphenated words stay whole. The corpora of the Twitter tables went through tags first
(`affect_pipe.extractors.text.glove.tweets`).

Written from those conventions, for what recognisers and subtitles write: addresses, numbers, words.
Punctuation is left out: nobody speaks it, and the transcripts of the corpora in the field, aligned
word by word, have none.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from affect_pipe.extractors.text.glove.tweets import tweet_pieces

Tokens = Literal["ptb", "twitter", "words"]
TOKENS: tuple[Tokens, ...] = ("ptb", "twitter", "words")

# What typesetters write for ASCII: quotation marks, apostrophes, the ellipsis.
_PLAIN = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u02bc": "'", "`": "'", "\u201c": '"', "\u201d": '"'}
    | {"\u2026": "..."}
)
# Signs that are spoken although Unicode counts them as punctuation.
_SPOKEN = frozenset("%&@#*")
_ABBREVIATIONS = (
    *("mr", "mrs", "ms", "dr", "prof", "rev", "st", "jr", "sr", "vs", "etc", "gen", "sen", "rep"),
    *("gov", "capt", "lt", "col", "sgt", "inc", "corp", "ltd", "ave", "mt"),
)
_PIECE = re.compile(
    r"""
    (?:https?://|www\.)[^\s"<>]*[^\s"<>.,;:!?)']        # an address of the web
    | [\w.+-]+@[\w-]+(?:\.[\w-]+)+                      # of mail
    | (?:[^\W\d_]\.){2,}                                # U.S.
    | \b(?:ABBREVIATIONS)\.(?=\s|$)                     # Mr.
    | '(?:em|til|tis|twas|cause|bout|n)\b | '\d\ds?\b   # words that begin with an apostrophe
    | [-+]?\d+(?:[.,:/]\d+)*[^\W_]*(?:-[^\W_]+)*        # 1,000  3.5  10:30  80s  20-year-old
    | [^\W_]+(?:['&._/-][^\W_]+)*'?                     # don't  well-known  AT&T  o'clock
    | \S
    """.replace("ABBREVIATIONS", "|".join(_ABBREVIATIONS)),
    re.VERBOSE | re.IGNORECASE,
)
_NEGATION = re.compile(r"(?i)(.+)(n't)$")
_CLITIC = re.compile(r"(?i)(.*[^'])('(?:s|m|d|re|ve|ll))$")
# The Treebank's list of words that are written as one and were spoken as two.
_CUTS = {
    "cannot": 3,
    "gonna": 3,
    "gotta": 3,
    "wanna": 3,
    "gimme": 3,
    "lemme": 3,
    "d'ye": 2,
    "more'n": 4,
}


def tokenise(text: str, tokens: Tokens = "ptb") -> tuple[str, ...]:
    """Cut text into tokens without punctuation.

    Parameters
    ----------
    tokens : {"ptb", "twitter", "words"}
        As the Penn Treebank; the same after the tags of the Twitter tables, in lower case; or what
        stands between spaces, without the punctuation around it.
    """
    plain = unicodedata.normalize("NFC", text).translate(_PLAIN)
    if tokens == "words":
        return tuple(bare for word in plain.split() if (bare := _bare(word)))
    if tokens == "twitter":
        return tuple(
            part
            for piece in tweet_pieces(plain)
            for part in ((piece,) if piece.startswith("<") else treebank(piece))
        )
    return treebank(plain)


def treebank(text: str) -> tuple[str, ...]:
    """Cut text as the Penn Treebank does, and leave punctuation out."""
    found: list[str] = []
    for match in _PIECE.finditer(text):
        found += _cut(match.group())
    return tuple(token for token in found if not is_punctuation(token))


def is_punctuation(token: str) -> bool:
    """Whether a token has no character that is spoken."""
    return all(
        unicodedata.category(char)[0] in "PZC" or char in "`^" for char in token if char != "_"
    ) and not _SPOKEN.issuperset(token)


def _cut(piece: str) -> list[str]:
    """Cut one piece into the tokens the Treebank sees in it."""
    at = _CUTS.get(piece.lower())
    if at is not None:
        return [piece[:at], piece[at:]]
    if piece.lower() in ("'tis", "'twas"):
        return [piece[:2], piece[2:]]
    match = _NEGATION.match(piece) or _CLITIC.match(piece)
    if match is not None:
        return [*_cut(match[1]), match[2]]
    if len(piece) > 1 and piece.endswith("'"):
        return [*_cut(piece[:-1]), "'"]
    return [piece]


def _bare(word: str) -> str:
    first, last = 0, len(word)
    while first < last and is_punctuation(word[first]):
        first += 1
    while last > first and is_punctuation(word[last - 1]):
        last -= 1
    return word[first:last]
