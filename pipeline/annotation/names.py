"""What tiers are called: kinds of tiers, and the speaker behind an ``@``."""

from __future__ import annotations

import re

from affect_pipe.pipeline.annotation.tiers import Tier

#: Tiers whose annotations are what was said, an utterance each.
TEXT_TIERS = ("text", "utterance", "utterances", "transcript", "transcription")
#: Tiers whose annotations are words; forced aligners write them so.
WORD_TIERS = ("words", "word")
# An utterance of one speaker that overlaps another of the same has a tier of its own.
_SECOND = re.compile(r"\s*\(\d+\)$")
# How aligners name the tiers of a speaker: "Ann - words".
_DASHED = re.compile(r"(.+?)\s+-\s+(words?)", re.IGNORECASE)


def plain(text: str) -> str:
    """Return a name without its case, spacing, underscores and hyphens."""
    return " ".join(re.sub(r"[\s_\-\u2010-\u2015]+", " ", text).split()).casefold()


def split_name(name: str) -> tuple[str, str]:
    """Return the kind of a tier and who is behind its ``@``; "" for nobody."""
    dashed = _DASHED.fullmatch(name.strip())
    if dashed:
        return dashed[2], dashed[1].strip()
    kind, _, behind = name.partition("@")
    return kind.strip(), behind.strip()


def speaker_of(tier: Tier) -> str | None:
    """Return who a tier is of: its participant, or who stands behind the ``@`` of its name."""
    behind = _SECOND.sub("", split_name(tier.name)[1]).strip()
    return tier.participant or behind or None
