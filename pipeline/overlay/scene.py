"""One frame of the overlay: the picture, what is beside it and what is below it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.overlay import colours
from affect_pipe.pipeline.overlay.boxes import Tags, draw_faces, paste
from affect_pipe.pipeline.overlay.captions import Page, pages
from affect_pipe.pipeline.overlay.faces import Face, FaceTracks
from affect_pipe.pipeline.overlay.fonts import Fonts, needed
from affect_pipe.pipeline.overlay.layout import (
    MAX_CAPTION_LINES,
    caption_size,
    lay_out,
    picture_size,
    text_size,
)
from affect_pipe.pipeline.overlay.moments import Moments
from affect_pipe.pipeline.overlay.panel import Panel
from affect_pipe.pipeline.overlay.units import telling_units
from affect_pipe.pipeline.overlay.writing import Pen
from affect_pipe.pipeline.records import VideoResult
from affect_pipe.pipeline.results.speaking_face import face_of

Image = npt.NDArray[np.uint8]
NO_FACE = "no face was found"
NOT_MEASURED = "not measured by this model"


class Scene:
    """Draws the frames of one video.

    Parameters
    ----------
    result : VideoResult
    tracks : FaceTracks
    width_px, height_px : int
        Of the video's upright pictures.
    """

    def __init__(
        self, result: VideoResult, tracks: FaceTracks, width_px: int, height_px: int
    ) -> None:
        self._result, self._tracks = result, tracks
        utterances = result.features.utterances
        visual = result.features.blocks.get("visual")
        self._speakers = [face_of(visual, row) for row in range(len(utterances))]
        self._moments = Moments(utterances)
        picture = picture_size(width_px, height_px)
        text_px = text_size(picture)
        fonts = Fonts(result.transcript.language)
        self._fonts = fonts
        self._captions = Pen(fonts, caption_size(text_px))
        room = picture[0] - 2 * self._captions.size_px
        self._pages = [pages(u, self._captions, room, MAX_CAPTION_LINES) for u in utterances]
        n_lines = max((len(page.lines) for own in self._pages for page in own), default=0)
        pen = Pen(fonts, text_px)
        telling = telling_units(tracks.units, tracks.unit_names)
        why_none = NO_FACE if tracks.unit_names else NOT_MEASURED
        self._panel = Panel(result, pen, telling, why_none)
        self.layout = lay_out(picture, n_lines, self._panel.least_height())
        shown = self._panel.resize(self.layout.panel_px, self.layout.size[1])
        self._unit_columns = [tracks.unit_names.index(name) for name in shown]
        self._tags = Tags(pen)
        self._canvas = np.empty((self.layout.size[1], self.layout.size[0], 3), np.uint8)
        self._canvas[:] = colours.BACK
        self._drawn_row: int | None = -1
        self._drawn_page: Page | None = _NOTHING

    @property
    def missing(self) -> str:
        """Characters of the words that no font here has."""
        return "".join(sorted(self._fonts.missing))

    def draw(self, picture: Image, time_s: float) -> Image:
        """Draw one frame.

        Parameters
        ----------
        picture : uint8 [height, width, 3]
            RGB, upright, of any size.
        time_s : float

        Returns
        -------
        uint8 [height, width, 3]
            Of the size of ``layout``; valid until the next call.
        """
        row = self._moments.row_at(time_s)
        width, height = self.layout.picture
        shown = self._canvas[:height, :width]
        if picture.shape[:2] != (height, width):
            larger = picture.shape[0] < height
            method = cv2.INTER_CUBIC if larger else cv2.INTER_AREA
            cv2.resize(picture, (width, height), _array(shown), interpolation=method)
        else:
            shown[:] = picture
        faces = self._tracks.at(time_s)
        choice = None if row is None else self._speakers[row]
        speaker = None if choice is None else choice.track
        said = "" if choice is None else "speaks" if choice.doubt is None else "speaks?"
        line_px = max(2, round(0.16 * self.layout.text_px))
        draw_faces(shown, faces, speaker, said, self._tags, line_px)
        self._draw_panel(row, _described(faces, speaker))
        self._draw_caption(row, time_s)
        return self._canvas

    def _draw_panel(self, row: int | None, face: Face | None) -> None:
        panel = self._canvas[:, self.layout.picture[0] :]
        if row != self._drawn_row:
            self._still = self._panel.draw(row)
            self._drawn_row = row
        panel[:] = self._still
        if not self._unit_columns:
            return
        named = "no face in view" if face is None else f"of face {face.track}"
        tag = self._tags(named, colours.DIM, colours.BACK)
        header = self._panel.unit_header
        paste(panel, tag, header.x1 - tag.shape[1] + self.layout.text_px // 2, header.y0)
        if face is None:
            return
        for bar, column in zip(self._panel.unit_bars, self._unit_columns, strict=True):
            length = round(float(np.clip(face.units[column], 0, 1)) * (bar.x1 - bar.x0))
            if length > 0:
                end = (bar.x0 + length, bar.y1)
                cv2.rectangle(_array(panel), (bar.x0, bar.y0), end, colours.UNIT, cv2.FILLED)

    def _draw_caption(self, row: int | None, time_s: float) -> None:
        page = None if row is None else self._page(row, time_s)
        if page == self._drawn_page:
            return
        self._drawn_page = page
        width, height = self.layout.picture
        size = (width, self.layout.size[1] - height)
        image = needed("PIL.Image").new("RGB", size, colours.BACK)
        draw = needed("PIL.ImageDraw").Draw(image)
        pen = self._captions
        for k, line in enumerate(page.lines if page is not None else ()):
            y = 0.4 * pen.size_px + (k + 0.5) * pen.line_px
            own = page.from_right if page is not None else None
            colour = colours.TEXT if page is not None and page.spoken else colours.DIM
            pen.write(draw, width / 2, y, line, colour, align="middle", from_right=own)
        self._canvas[height:, :width] = np.asarray(image, np.uint8)

    def _page(self, row: int, time_s: float) -> Page:
        own = self._pages[row]
        return next((page for page in reversed(own) if page.start_s <= time_s), own[0])


_NOTHING = Page(-1.0, ())


def _described(faces: list[Face], speaker: int | None) -> Face | None:
    """Return the face whose action units are shown: the speaker's, else the largest."""
    own = [face for face in faces if face.track == speaker]
    return max(own or faces, key=lambda face: face.area, default=None)


def _array(image: Image) -> Any:
    return image
