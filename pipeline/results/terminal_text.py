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
    one_line = " ".join(text.split())
    kept = (c for c in one_line if unicodedata.category(c) != "Cc" and c not in _DIRECTION)
    return "".join("?" if unicodedata.category(c) == "Cs" else c for c in kept)
