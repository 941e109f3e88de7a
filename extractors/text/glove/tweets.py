"""The tags that stand for things of one kind in the corpora of GloVe's Twitter tables.

The release names them: ``<url>``, ``<user>``, ``<smile>``, ``<lolface>``, ``<sadface>``,
``<neutralface>``, ``<heart>``, ``<number>``, ``<hashtag>`` before the words of a hashtag, and after
what they say something of ``<repeat>`` (punctuation repeated), ``<elong>`` (a last letter
stretched) and ``<allcaps>``. Everything else is in lower case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_EYES, _NOSE = r"[8:=;]", r"['`\-]?"
_PIECE = re.compile(
    rf"""
    (?P<url>(?:https?://|www\.)\S+)
    | (?P<user>@\w+)
    | \#(?P<hashtag>\w+)
    | (?P<heart><3)
    | (?P<smile>{_EYES}{_NOSE}[)dD]+(?!\w) | \(+{_NOSE}{_EYES}(?!\w))
    | (?P<lolface>{_EYES}{_NOSE}[pP]+(?!\w))
    | (?P<sadface>{_EYES}{_NOSE}\(+ | \)+{_NOSE}{_EYES}(?!\w))
    | (?P<neutralface>{_EYES}{_NOSE}[/|l*](?!\w))
    | (?P<number>[-+]?[.\d]*\d[:,.\d]*)
    | (?P<repeat>(?P<mark>[!?.])[!?.]+)
    | (?P<word>(?:[^\W\d_]|['&\-](?=[^\W\d_]))+)
    | (?P<other>\S)
    """,
    re.VERBOSE,
)
_STRETCHED = re.compile(r"(.)\1{2,}$")


def tweet_pieces(text: str) -> Iterator[str]:
    """Yield tags, and between them words and signs in lower case."""
    for match in _PIECE.finditer(text):
        kind, found = match.lastgroup, match.group()
        if kind == "word":
            yield from _word(found)
        elif kind == "other":
            yield found.lower()
        elif kind == "hashtag":
            yield "<hashtag>"
            yield from _hashtag(match["hashtag"])
        elif match["repeat"]:
            yield match["mark"]
            yield "<repeat>"
        else:
            yield f"<{kind}>"


def _word(word: str) -> Iterator[str]:
    stretched = _STRETCHED.search(word.lower())
    shown = word if stretched is None else word[: stretched.start() + 1]
    yield shown.lower()
    if stretched is not None:
        yield "<elong>"
    # One capital letter is a name or "I".
    if len(word) > 1 and word.isupper():
        yield "<allcaps>"


def _hashtag(body: str) -> Iterator[str]:
    """Yield the words of a hashtag, cut before capitals."""
    if len(body) > 1 and body.isupper():
        yield body.lower()
        yield "<allcaps>"
    else:
        yield from (part.lower() for part in re.split(r"(?<=.)(?=[A-Z])", body) if part)
