"""Text from a stranger's file, made safe to print on a terminal."""

from __future__ import annotations

import unicodedata

# Marks and overrides of writing direction can make a line read as something else.
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """Return ``text`` on one line, without control characters and writing-direction overrides.

    White space becomes single spaces; what no terminal can encode becomes ``?``. Without its
    escape character, a terminal sequence is plain text.
    """
    return " ".join("".join(map(_shown, text)).split())


def _shown(character: str) -> str:
    if character.isspace():  # some white space is also a control character
        return " "
    category = unicodedata.category(character)
    if category == "Cc" or character in _DIRECTION:
        return ""
    return "?" if category == "Cs" else character
