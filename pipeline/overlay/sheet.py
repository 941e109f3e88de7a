"""A panel that is written from the top down: lines, bars and meters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from affect_pipe.pipeline.overlay import colours
from affect_pipe.pipeline.overlay.writing import Colour, Pen, clean


class Bar(NamedTuple):
    """Where a bar is drawn, in pixels of the panel."""

    x0: int
    y0: int
    x1: int
    y1: int


class Sheet:
    """A panel that is written from the top down."""

    def __init__(self, draw: Any, pen: Pen, width_px: int) -> None:
        self._draw, self._pen = draw, pen
        self._left = pen.size_px
        self._right = width_px - pen.size_px
        self._y = 0.0

    def skip(self, lines: float) -> None:
        """Leave some lines empty."""
        self._y += lines * self._pen.line_px

    @property
    def width(self) -> float:
        """Room for a line, in pixels."""
        return self._right - self._left

    def side_by_side(self, texts: Sequence[tuple[str, Colour]]) -> None:
        """Write short texts on one line, evenly spread."""
        for k, (text, colour) in enumerate(texts):
            x = self._left + k * self.width / len(texts)
            self._pen.write(self._draw, x, self._middle(), text, colour)
        self.skip(1)

    def _middle(self) -> float:
        return self._y + self._pen.line_px / 2

    def line(
        self, text: str, colour: Colour, *, right: str = "", right_colour: Colour = colours.TEXT
    ) -> None:
        """Write a line: from the left end, and up to the right one."""
        room = self.width
        text = self._pen.cut(text, room)
        self._pen.write(self._draw, self._left, self._middle(), text, colour)
        if right:
            room -= self._pen.width(text) + self._pen.size_px
            right = self._pen.cut(clean(right), room)
            write = self._pen.write
            write(self._draw, self._right, self._middle(), right, right_colour, align="right")
        self.skip(1)

    def header(self, text: str, colour: Colour) -> Bar:
        """Write a line; return the room that is left beside it."""
        x0 = round(self._left + self._pen.width(text) + self._pen.size_px)
        y0 = round(self._y)
        self.line(text, colour)
        return Bar(x0, y0, self._right, round(self._y))

    def _groove(self, x0: float, x1: float) -> Bar:
        half = 0.3 * self._pen.size_px
        y = self._middle()
        bar = Bar(round(x0), round(y - half), round(x1), round(y + half))
        self._draw.rectangle(bar, fill=colours.GROOVE)
        return bar

    def meter(self, value: float | None, end: float, colour: Colour) -> None:
        """Draw a scale from -end to end and how far a value is from its middle."""
        pen, y = self._pen, self._middle()
        room = 2.2 * pen.size_px
        x0, x1 = self._left + room, self._right - room
        for x, text, align in (
            (self._left, f"\N{MINUS SIGN}{end:g}", "left"),
            (self._right, f"+{end:g}", "right"),
        ):
            pen.write(self._draw, x, y, text, colours.DIM, align=align)
        bar = self._groove(x0, x1)
        middle = (bar.x0 + bar.x1) / 2
        if value is not None:
            at = middle + min(max(value / end, -1.0), 1.0) * (bar.x1 - middle)
            ends = sorted((round(middle), round(at)))
            self._draw.rectangle((ends[0], bar.y0, ends[1], bar.y1), fill=colour)
            mark = max(1, round(0.12 * pen.size_px))
            tall = 0.5 * pen.size_px
            self._draw.rectangle((at - mark, y - tall, at + mark, y + tall), fill=colours.TEXT)
        self._draw.line((middle, bar.y0, middle, bar.y1), fill=colours.DIM)
        self.skip(1)

    def bar(
        self, label: str, share: float, colour: Colour, value: str, *, label_colour: Colour
    ) -> None:
        """Draw a name, a bar that fills a share of its groove, and a value."""
        pen = self._pen
        x0 = self._left + 7.0 * pen.size_px
        x1 = self._right - 2.4 * pen.size_px
        name = pen.cut(label, 6.6 * pen.size_px)
        pen.write(self._draw, self._left, self._middle(), name, label_colour)
        bar = self._groove(x0, x1)
        end = bar.x0 + round(min(max(share, 0.0), 1.0) * (bar.x1 - bar.x0))
        if end > bar.x0:
            self._draw.rectangle((bar.x0, bar.y0, end, bar.y1), fill=colour)
        pen.write(self._draw, self._right, self._middle(), value, label_colour, align="right")
        self.skip(1)

    def groove(self, label: str) -> Bar:
        """Draw a name and an empty bar, and return it."""
        pen = self._pen
        room = 11.6 * pen.size_px
        pen.write(self._draw, self._left, self._middle(), pen.cut(label, room), colours.DIM)
        bar = self._groove(self._left + room + 0.4 * pen.size_px, self._right)
        self.skip(1)
        return bar
