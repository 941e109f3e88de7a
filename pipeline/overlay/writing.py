"""Writing text into pictures: in every script there is a font for, from either side."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any

from affect_pipe.pipeline.overlay.fonts import FontFile, Fonts, needed

Colour = tuple[int, int, int]
_RIGHT_TO_LEFT = frozenset({"R", "AL"})
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def clean(text: str) -> str:
    """Return text on one line, without control characters and lone surrogates."""
    kept = (" " if c.isspace() else c for c in text)
    return " ".join("".join(c for c in kept if unicodedata.category(c) not in _UNWRITABLE).split())


_UNWRITABLE = frozenset({"Cc", "Cs", "Co", "Cn"})


def reads_from_right(text: str) -> bool:
    """Whether the first letter with a direction is of a script that runs from right to left.

    The rule P2 of the Unicode bidirectional algorithm (UAX #9).
    """
    directions = (unicodedata.bidirectional(character) for character in text)
    return next((d in _RIGHT_TO_LEFT for d in directions if d in ("L", "R", "AL")), False)


class Pen:
    """Measures and writes lines of text of one size.

    Parameters
    ----------
    fonts : Fonts
    size_px : int
        Height of an em.
    shaping : bool, optional
        Whether Pillow's Raqm orders and joins the letters; by default where it can, which it
        cannot without the system's FriBiDi. Without it, letters are ordered and those of Arabic
        joined beforehand, and Indic scripts are not shaped.
    """

    def __init__(self, fonts: Fonts, size_px: int, *, shaping: bool | None = None) -> None:
        self.fonts = fonts
        self.size_px = size_px
        features = needed("PIL.features")
        self._shaping = bool(features.check("raqm")) if shaping is None else shaping
        self._loaded = lru_cache(maxsize=None)(self._load)
        self.line_px = round(1.4 * size_px)

    def _load(self, font: FontFile) -> Any:
        truetype = needed("PIL.ImageFont")
        layout = truetype.Layout.RAQM if self._shaping else truetype.Layout.BASIC
        return truetype.truetype(font.path, self.size_px, font.face, layout_engine=layout)

    def _pieces(self, text: str, from_right: bool | None) -> list[tuple[Any, str, str | None]]:
        """Stretches of one font from left to right: font, letters, direction."""
        if from_right is None:
            from_right = reads_from_right(text)
        runs = self.fonts.runs(text)
        if from_right:
            runs.reverse()
        direction = "rtl" if from_right else "ltr"
        if self._shaping:
            return [(self._loaded(font), run, direction) for font, run in runs]
        base = direction[0].upper()
        return [(self._loaded(font), _in_order(run, base), None) for font, run in runs]

    def width(self, text: str) -> float:
        """Width of a line, in pixels."""
        return float(sum(f.getlength(run, direction=d) for f, run, d in self._pieces(text, None)))

    def cut(self, text: str, width_px: float) -> str:
        """Return as much of a line as fits, with an ellipsis where it was cut."""
        if self.width(text) <= width_px:
            return text
        while text and self.width(text + _ELLIPSIS) > width_px:
            text = text[:-1]
        return text.rstrip() + _ELLIPSIS

    def write(
        self,
        draw: Any,
        x: float,
        y: float,
        text: str,
        colour: Colour,
        *,
        align: str = "left",
        from_right: bool | None = None,
    ) -> None:
        """Write a line.

        Parameters
        ----------
        draw : PIL.ImageDraw.ImageDraw
        x, y : float
            Its left end, right end or middle as ``align`` says; the middle of its height.
        text : str
        colour : RGB
        align : {"left", "right", "middle"}
        from_right : bool, optional
            Direction of the paragraph the line is of; by default that of its first letter.
        """
        pieces = self._pieces(text, from_right)
        widths = [f.getlength(run, direction=d) for f, run, d in pieces]
        x -= {"left": 0.0, "right": 1.0, "middle": 0.5}[align] * sum(widths)
        # Fonts place letters on a common base line, a little below the middle of small letters.
        base = y + 0.35 * self.size_px
        for (font, run, direction), width in zip(pieces, widths, strict=True):
            draw.text((round(x), round(base)), run, colour, font, "ls", direction=direction)
            x += width


def _in_order(text: str, base: str) -> str:
    """Put letters in the order in which they stand from left to right, those of Arabic joined."""
    joined = needed("arabic_reshaper").reshape(text)
    return str(needed("bidi.algorithm").get_display(joined, base_dir=base))
