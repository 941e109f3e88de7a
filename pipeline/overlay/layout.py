"""Where things stand: the picture top left, words below it, judgements beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

MAX_SIDE_PX = 1920
"""Larger pictures are made smaller: nobody reads bars in more detail than a screen has."""
MIN_SIDE_PX = 320
"""Smaller ones are enlarged by a whole number, so that letters beside them can be read."""
MAX_CAPTION_LINES = 3
_MIN_TEXT_PX = 11
_TEXT_SHARE = 0.03
_PANEL_EMS = 19.0


@dataclass(frozen=True)
class Layout:
    """Sizes in pixels.

    Attributes
    ----------
    picture : tuple of int
        Width and height of the video's own picture, at the top left.
    text_px, caption_px : int
        Sizes of letters beside and below it.
    panel_px : int
        Width of what is beside it.
    strip_px : int
        Height of what is below it, room for the captions included.
    """

    picture: tuple[int, int]
    text_px: int
    caption_px: int
    panel_px: int
    strip_px: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole; even, as the encoder wants them."""
        return self.picture[0] + self.panel_px, self.picture[1] + self.strip_px


def picture_size(width_px: int, height_px: int) -> tuple[int, int]:
    """Return how large a picture is shown: the whole of it, within the limits of a screen."""
    longest, shortest = max(width_px, height_px), min(width_px, height_px)
    if longest > MAX_SIDE_PX:
        scale = MAX_SIDE_PX / longest
        return max(1, round(width_px * scale)), max(1, round(height_px * scale))
    times = max(1, min(math.ceil(MIN_SIDE_PX / shortest), MAX_SIDE_PX // longest))
    return width_px * times, height_px * times


def text_size(picture: tuple[int, int]) -> int:
    """Return the size of letters beside a picture, in pixels."""
    width, height = picture
    # An upright picture is narrow: letters as its height asks for would make the panel wider.
    return max(_MIN_TEXT_PX, round(_TEXT_SHARE * min(height, 1.2 * width)))


def lay_out(picture: tuple[int, int], caption_lines: int, panel_height_px: int) -> Layout:
    """Return the layout around a picture.

    Parameters
    ----------
    picture : tuple of int
        Width and height, as shown.
    caption_lines : int
        Most lines of a caption.
    panel_height_px : int
        Least height of what is beside the picture.
    """
    width, height = picture
    text_px = text_size(picture)
    caption_px = caption_size(text_px)
    strip = round((caption_lines * 1.4 + 0.8) * caption_px) if caption_lines else 0
    strip = max(strip, panel_height_px - height)
    panel = round(_PANEL_EMS * text_px)
    return Layout(
        picture, text_px, caption_px, panel + (width + panel) % 2, strip + (height + strip) % 2
    )


def caption_size(text_px: int) -> int:
    """Return the size of a caption's letters beside text of another."""
    return round(1.2 * text_px)
