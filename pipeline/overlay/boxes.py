"""Faces framed in the picture, each with its number, and which of them speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.overlay import colours
from affect_pipe.pipeline.overlay.faces import Face
from affect_pipe.pipeline.overlay.fonts import needed
from affect_pipe.pipeline.overlay.writing import Colour, Pen

Image = npt.NDArray[np.uint8]


class Tags:
    """Words on a ground of one colour, as little pictures; each is drawn once."""

    def __init__(self, pen: Pen) -> None:
        self._pen = pen
        self._drawn: dict[tuple[str, Colour, Colour], Image] = {}

    def __call__(self, text: str, colour: Colour, ground: Colour) -> Image:
        """Return uint8 [height, width, 3]."""
        key = (text, colour, ground)
        if key not in self._drawn:
            if len(self._drawn) >= _KEPT_TAGS:
                self._drawn.clear()
            self._drawn[key] = self._draw(*key)
        return self._drawn[key]

    def _draw(self, text: str, colour: Colour, ground: Colour) -> Image:
        pen = self._pen
        width = round(pen.width(text) + 0.8 * pen.size_px)
        image = needed("PIL.Image").new("RGB", (width, pen.line_px), ground)
        draw = needed("PIL.ImageDraw").Draw(image)
        pen.write(draw, width / 2, pen.line_px / 2, text, colour, align="middle")
        return np.array(image, np.uint8)


_KEPT_TAGS = 256


def paste(onto: Image, tag: Image, x: int, y: int) -> None:
    """Put a little picture into a large one, moved inside where it would stick out."""
    height, width = (min(a, b) for a, b in zip(tag.shape[:2], onto.shape[:2], strict=True))
    x = min(max(x, 0), onto.shape[1] - width)
    y = min(max(y, 0), onto.shape[0] - height)
    onto[y : y + height, x : x + width] = tag[:height, :width]


def draw_faces(
    picture: Image, faces: Sequence[Face], speaker: int | None, said: str, tags: Tags, line_px: int
) -> None:
    """Frame faces in a picture, the speaker's last and thickest.

    Parameters
    ----------
    picture : uint8 [height, width, 3]
        RGB; drawn into.
    faces : sequence of Face
    speaker : int or None
        Track of the face that speaks.
    said : str
        What is written beside its number.
    tags : Tags
    line_px : int
        Width of its frame.
    """
    for face in sorted(faces, key=lambda f: f.track == speaker):
        speaks = face.track == speaker
        colour = colours.SPEAKER if speaks else colours.OTHER
        x0, y0, x1, y1 = _corners(face, picture)
        width = line_px if speaks else max(2, 2 * line_px // 3)
        # A dark line under the bright one: it shows on any ground.
        for own, tone in ((width + 2, colours.OUTLINE), (width, colour)):
            cv2.rectangle(_target(picture), (x0, y0), (x1, y1), tone, own)
        tag = tags(f"{face.track} {said}" if speaks else f"{face.track}", colours.OUTLINE, colour)
        paste(picture, tag, x0, y0 - tag.shape[0])


def _target(picture: Image) -> Any:
    return picture


def _corners(face: Face, picture: Image) -> tuple[int, int, int, int]:
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = face.box
    return (
        round(min(max(x0, 0.0), 1.0) * (width - 1)),
        round(min(max(y0, 0.0), 1.0) * (height - 1)),
        round(min(max(x1, 0.0), 1.0) * (width - 1)),
        round(min(max(y1, 0.0), 1.0) * (height - 1)),
    )
