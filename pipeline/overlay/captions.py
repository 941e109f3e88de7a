"""Cutting what was said into lines and pages."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from affect_pipe.pipeline.overlay.fonts import needed
from affect_pipe.pipeline.overlay.writing import Pen, clean, reads_from_right
from affect_pipe.pipeline.records import Utterance


@dataclass(frozen=True)
class Page:
    """Lines shown together from ``start_s`` on, until the next page or the utterance's end.

    ``spoken`` is False where they say why there are no words.
    """

    start_s: float
    lines: tuple[str, ...]
    from_right: bool = False
    spoken: bool = True


def wrap(text: str, pen: Pen, width_px: float) -> list[str]:
    """Break text into lines where the Unicode line breaking algorithm (UAX #14) allows it.

    A word wider than a line is broken anywhere.
    """
    lines: list[str] = []
    line, used_px = "", 0.0
    for unit in _units(text, pen, width_px):
        # Units are measured alone: a space between words shapes neither of them.
        unit_px = pen.width(unit)
        if line and used_px + pen.width(unit.rstrip()) > width_px:
            lines.append(line.rstrip())
            line, used_px = "", 0.0
        line, used_px = line + unit, used_px + unit_px
    return [*lines, line.rstrip()] if line.strip() else lines


def _units(text: str, pen: Pen, width_px: float) -> Iterator[str]:
    """Stretches that a line may end after, none wider than a line."""
    for unit in needed("uniseg.linebreak").line_break_units(text):
        if pen.width(unit.rstrip()) <= width_px:
            yield unit
        else:
            yield from _fitting(unit, pen, width_px)


def _fitting(unit: str, pen: Pen, width_px: float) -> Iterator[str]:
    part = ""
    for cluster in needed("uniseg.graphemecluster").grapheme_clusters(unit):
        if part and pen.width(part + cluster) > width_px:
            yield part
            part = ""
        part += cluster
    yield part


def pages(utterance: Utterance, pen: Pen, width_px: float, max_lines: int) -> tuple[Page, ...]:
    """Cut an utterance's words into pages of at most ``max_lines`` lines.

    Where it takes several, each is shown from its first word on; where words and text do not
    match, for as long as its share of the letters. Where there are no words, one page says why.
    """
    text = clean(pen.fonts.written(clean(utterance.text)))
    if utterance.speaker and text:
        text = f"{clean(pen.fonts.written(clean(utterance.speaker)))}: {text}"
    lines = wrap(text, pen, width_px)
    if not lines:
        why = wrap(f"({clean(utterance.text_reason or 'no words')})", pen, width_px)
        kept = (*why[: max_lines - 1], pen.cut(" ".join(why[max_lines - 1 :]), width_px))
        return (Page(utterance.start_s, tuple(filter(None, kept)), spoken=False),)
    n_pages = math.ceil(len(lines) / max_lines)
    found: list[Page] = []
    n_before = 0
    n_letters = max(sum(map(_n_letters, lines)), 1)
    for k in range(n_pages):
        own = tuple(lines[k * max_lines : (k + 1) * max_lines])
        found.append(Page(_time_of(utterance, n_before / n_letters), own, reads_from_right(text)))
        n_before += sum(map(_n_letters, own))
    return tuple(found)


def _n_letters(text: str) -> int:
    return sum(not character.isspace() for character in text)


def _time_of(utterance: Utterance, share: float) -> float:
    """When the word that holds the letter at a share of the text begins."""
    n_letters = [_n_letters(word.text) for word in utterance.words]
    wanted = share * sum(n_letters)
    for word, n in zip(utterance.words, n_letters, strict=True):
        wanted -= n
        if wanted < 0:
            return word.start_s if share else utterance.start_s
    return utterance.start_s + share * utterance.duration_s
