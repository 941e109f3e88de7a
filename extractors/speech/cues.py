"""Cues as a transcript file tells them, and what of their text was spoken by whom."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from affect_pipe.pipeline.records import Word


@dataclass(frozen=True)
class Cue:
    """One cue or segment of a transcript file, cleaned, its times not yet checked.

    ``words`` is empty where the file has no word times; ``quality`` is what a recogniser's file
    tells of the cue, as in `affect_pipe.pipeline.records.Segment`.
    """

    start_s: float
    end_s: float
    text: str
    speaker: str | None = None
    words: tuple[Word, ...] = ()
    quality: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class CueFile:
    """What a reader found in one file."""

    cues: tuple[Cue, ...]
    source: str
    language: str | None = None
    warnings: tuple[str, ...] = ()


_TAG = re.compile(r"<[/a-zA-Z][^<>\n]{0,200}>|<[\d:.]{4,20}>|\{\\[^{}\n]{0,200}\}")
_VOICE = re.compile(r"<v(?:\.[^\s<>]+)*[ \t]+([^<>\n]{1,100})>")
_NOTES = re.compile("[\u2669-\u266c\U0001f3b5\U0001f3b6\U0001f3bc]")
_BRACKETED = re.compile(r"\[[^\[\]]{0,300}\]")
_PARENTHESISED = re.compile(r"\(([^()]{0,300})\)")
# Beginnings of the words that captions use for sounds, as in "(laughs softly)".
_SOUNDS = re.compile(
    r"\b(?:laugh|chuckl|giggl|sigh|cough|music|applau|cheer|cr(?:y|ies)|sob|gasp|scream|whisper|"
    r"sniff|snort|groan|grunt|moan|mumbl|murmur|breath|inhal|exhal|clear|pant|yawn|whistl|clap|"
    r"silen|inaudib|unintellig|indistinct|crosstalk|bell|ring|beep|door|footstep|gunshot|sing|hum)",
    re.IGNORECASE,
)
_NAME = r"[^\W\d_a-zß-ÿ][^\W_a-zß-ÿ]*"
_UPPER_NAME = re.compile(rf"^({_NAME}(?:[ .'\-&#]{{1,2}}[^\W_a-zß-ÿ]+){{0,3}}\.?):(?=\s|$)")
_NUMBERED = re.compile(r"^\[?(speaker[ _]?\w{1,3})\]?:(?=\s|$)", re.IGNORECASE)
_BRACKET_NAME = re.compile(r"^\[([^\[\]:]{1,40})\]:(?=\s|$)")
_ANNOUNCED = re.compile(r"^(?:>>|&gt;&gt;)+\s*(?:([^\W\d_][\w .'\-]{0,40}):(?=\s|$))?")
# Headings in capitals that are no names.
_NO_NAMES = frozenset("NOTE WARNING UPDATE TITLE QUESTION ANSWER PS FYI OK".split())  # noqa: SIM905


def spoken_parts(raw: str) -> list[tuple[str | None, str]]:
    """Split the raw text of a cue into what each speaker says, without anything unspoken.

    Understands WebVTT voice tags, ``NAME:`` in capitals, ``>> Name:``, ``[Name]:``,
    ``Speaker 1:`` and lines that begin with a dash (a change to somebody unnamed).

    Returns
    -------
    list of (speaker or None, text)
        In order; nothing for a cue that holds no speech.
    """
    parts: list[tuple[str | None, str]] = []
    pieces = _VOICE.split(raw)
    # split() alternates text, name, text, name, text...
    for name, text in zip([None, *pieces[1::2]], pieces[::2], strict=True):
        parts += _line_parts(plain(name).strip() if name else None, plain(text))
    cleaned = [(speaker, without_sounds(text)) for speaker, text in parts]
    return [(speaker, text) for speaker, text in cleaned if any(c.isalnum() for c in text)]


def plain(raw: str) -> str:
    """Remove markup (HTML, WebVTT, ASS overrides), entities and zero-width characters."""
    text = html.unescape(_TAG.sub("", raw))
    return re.sub("[\u200b-\u200f\u202a-\u202e\u2060\ufeff]", "", text).replace("\u00a0", " ")


def without_sounds(text: str) -> str:
    """Remove descriptions of sounds and music notes; runs of blanks become one space."""
    text = _NOTES.sub(" ", _BRACKETED.sub(" ", text))
    # What else is in parentheses may well be spoken: only what names a sound, or shouts, goes.
    text = _PARENTHESISED.sub(lambda found: " " if _is_sound(found[1]) else found[0], text)
    return " ".join(text.split())


def _is_sound(inner: str) -> bool:
    return inner.isupper() or (len(inner.split()) <= 4 and _SOUNDS.search(inner) is not None)


def _line_parts(speaker: str | None, text: str) -> list[tuple[str | None, str]]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    dashes = sum(line.startswith(("-", "–", "—")) for line in lines) > 1  # noqa: RUF001
    parts: list[tuple[str | None, list[str]]] = []
    for line in lines:
        bare = line.lstrip("-–— ")  # noqa: RUF001
        name, rest = _speaker_prefix(bare)
        if not parts or name or (dashes and bare != line):
            parts.append((name or speaker, [rest]))
        else:
            parts[-1][1].append(rest if bare == line else line)
    return [(who, " ".join(said)) for who, said in parts]


def _speaker_prefix(line: str) -> tuple[str | None, str]:
    """Split ``NAME: text`` where the name is clearly one."""
    announced = _ANNOUNCED.match(line)
    if announced:
        line = line[announced.end() :].strip()
        if announced[1]:
            return announced[1].strip(), line
    for pattern in (_NUMBERED, _BRACKET_NAME, _UPPER_NAME):
        found = pattern.match(line)
        if found and found[1].upper() not in _NO_NAMES and len(found[1]) > 1:
            return found[1].strip(), line[found.end() :].strip()
    return None, line


def spread_words(words: Sequence[str], start_s: float, end_s: float) -> tuple[Word, ...]:
    """Give words without times a share of ``[start_s, end_s)`` in proportion to their length."""
    # One more per word for the space: short words take longer than their letters.
    lengths = [len(word) + 1 for word in words]
    total = sum(lengths)
    spread, before, left_s = [], 0, start_s
    for word, length in zip(words, lengths, strict=True):
        before += length
        right_s = end_s if before == total else start_s + (end_s - start_s) * before / total
        spread.append(Word(word, left_s, right_s))
        left_s = right_s
    return tuple(spread)
