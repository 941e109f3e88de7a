"""Square pictures of single faces, for models that see one face at a time.

`FaceCrops` is a pass over the frames that finds and follows faces as `facemesh` does, cuts each
one out and hands the pictures, a batch at a time, to a model, all within one decode of the video.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.visual.action_units import mouth_opening
from affect_pipe.extractors.visual.follow import FaceFollower
from affect_pipe.extractors.visual.geometry import normalise
from affect_pipe.extractors.visual.mesh import (
    N_LANDMARKS,
    REGION_SCALE,
    Image,
    box_of,
    region_of,
)
from affect_pipe.extractors.visual.shape import load_shape_basis, shape_basis_digest
from affect_pipe.extractors.visual.tracks import tracked
from affect_pipe.extractors.visual.visible import why_nobody
from affect_pipe.pipeline.interfaces import Arrays, Frame
from affect_pipe.pipeline.optional import backend_version
from affect_pipe.pipeline.records import FloatArray, Media, StageSpec

Described = Mapping[str, npt.NDArray[Any]]
Describe = Callable[[npt.NDArray[np.uint8]], Described]

VERSION = "1"


@dataclass(frozen=True)
class Crop:
    """How a face is cut out.

    Attributes
    ----------
    side_px : int
        Width and height of the picture.
    margin : float
        What is added on each side of the face, as a share of the longer side of its box.
    upright : bool
        Whether the head is turned so that the outer eye corners are level; what lies outside of
        the frame repeats its edge.
    """

    side_px: int = 224
    margin: float = 0.15
    upright: bool = True


class CropModel(Protocol):
    """A model that describes faces from their pictures alone."""

    @property
    def crop(self) -> Crop:
        """Return the pictures it wants."""

    def spec(self) -> StageSpec:
        """Say what decides its output besides the faces; cheap, loads no model.

        Its ``stage`` names the pass (``vggface-faces``).
        """

    def load(self) -> Describe:
        """Load the model.

        Returns
        -------
        callable
            Takes pictures uint8 [n, side_px, side_px, 3], RGB, n from 0 on, and returns named
            arrays [n, ...] of a fixed type; for n = 0 too.
        """


class FaceCrops:
    """A pass over the frames that describes every face by a model's view of its picture.

    Parameters
    ----------
    model : CropModel
    rate_hz : float
        Frames per second of video in which faces are followed; mouths are compared with the voice
        at this rate.
    every : int
        The model sees every so many frames, the first among them.
    max_faces : int
        Most faces followed at a time; the largest are kept.
    batch : int
        Pictures the model sees at a time; the result must not depend on it.
    """

    def __init__(
        self,
        model: CropModel,
        rate_hz: float = 10.0,
        every: int = 1,
        max_faces: int = 10,
        batch: int = 16,
    ) -> None:
        self._model = model
        self._rate_hz = float(rate_hz)
        self._every = int(every)
        self._max_faces = int(max_faces)
        self._batch = int(batch)

    @property
    def rate_hz(self) -> float:
        """Frames per second of video it wants to see."""
        return self._rate_hz

    def spec(self) -> StageSpec:
        """Return what decides the output: the model's contract and the faces'."""
        own = self._model.spec()
        faces = {
            "version": VERSION,
            "rate_hz": self._rate_hz,
            "every": self._every,
            "max_faces": self._max_faces,
            "crop": asdict(self._model.crop),
            "basis": shape_basis_digest(),
            "backend": backend_version("mediapipe"),
        }
        return replace(own, settings={**own.settings, "faces": faces})

    def analyse(self, frames: Iterable[Frame], media: Media) -> Arrays:
        """Follow the faces of a video and describe them.

        Returns
        -------
        mapping
            ``frame_time_s`` float64 [n_frames]: the frames looked at. One row per face and frame,
            in order of time: ``time_s`` float64 [n], ``track`` int32 [n], ``box`` float32 [n, 4]
            (x0, y0, x1, y1 as shares of the frame's width and height), ``size`` float32 [n]
            (outer eye-corner distance, pixels), ``mouth`` float32 [n] (inner-lip gap). Then the
            model's arrays [m, ...] and ``model_row`` int64 [m]: the row each of theirs belongs to,
            ascending; with ``every`` 1 it is simply 0 to n - 1.
        """
        rows = _Rows(self._model.load(), self._model.crop.side_px, self._batch)
        follower = FaceFollower(self._max_faces)
        try:
            for number, frame in enumerate(frames):
                faces = follower.faces_in(frame)
                rows.add(frame, faces)
                if number % self._every == 0:
                    rows.show([face_crop(frame.image, face, self._model.crop) for face in faces])
        finally:
            follower.close()
        return rows.finish()

    def problem(self, arrays: Arrays) -> str | None:
        """Say that there is no face, if there is none."""
        return None if len(arrays["time_s"]) else why_nobody(len(arrays["frame_time_s"]))


def model_rows(arrays: Arrays, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Rows of the model's arrays that belong to face rows, ascending; see `FaceCrops.analyse`."""
    return np.flatnonzero(np.isin(arrays["model_row"], rows)).astype(np.int64)


def face_crop(image: Image, landmarks: FloatArray, crop: Crop) -> Image:
    """Cut one face out of an RGB image: uint8 [side_px, side_px, 3].

    Parameters
    ----------
    image : uint8 [height, width, 3]
    landmarks : float [478, 3]
        In pixels.
    """
    region = region_of(landmarks)
    side = region.side / REGION_SCALE * (1 + 2 * crop.margin)
    roll = region.roll if crop.upright else 0.0
    return square(image, region.center_x, region.center_y, side, roll, crop.side_px)


def square(
    image: Image, center_x: float, center_y: float, side: float, roll: float, side_px: int
) -> Image:
    """Cut a square, rolled clockwise by ``roll`` radians, out of an image and scale it.

    What lies outside of the image repeats its edge.
    """
    import cv2

    # Bilinear sampling skips pixels where it shrinks by more than two: shrink by areas first.
    shrink = int(side / side_px)
    if shrink >= 2:
        reach = side / math.sqrt(2) + 2 * shrink
        left, top = (max(int(c - reach), 0) for c in (center_x, center_y))
        near = image[top : max(int(center_y + reach), 0), left : max(int(center_x + reach), 0)]
        height, width = near.shape[0] // shrink * shrink, near.shape[1] // shrink * shrink
        if height and width:
            size = (width // shrink, height // shrink)
            image = cv2.resize(near[:height, :width], size, interpolation=cv2.INTER_AREA)
            # A pixel's centre is at its index: the block of `shrink` pixels has its in the middle.
            center_x = (center_x - left - (shrink - 1) / 2) / shrink
            center_y = (center_y - top - (shrink - 1) / 2) / shrink
            side = side / shrink
    step = side / side_px
    cos, sin = step * math.cos(roll), step * math.sin(roll)
    middle = (side_px - 1) / 2
    # From a pixel of the picture to where it is looked up in the image.
    there = np.array(
        [
            [cos, -sin, center_x - cos * middle + sin * middle],
            [sin, cos, center_y - sin * middle - cos * middle],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(
        image, there, (side_px, side_px), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cut, np.uint8)


class _Rows:
    """Gathers faces, and what the model says of them, a batch at a time."""

    def __init__(self, describe: Describe, side_px: int, batch: int) -> None:
        self._describe = describe
        self._side_px = side_px
        self._batch = batch
        self._reference = load_shape_basis().reference
        self._frame_times: list[float] = []
        self._times: list[float] = []
        self._boxes: list[FloatArray] = []
        self._mouths: list[FloatArray] = []
        self._sizes: list[FloatArray] = []
        self._waiting: list[Image] = []
        self._shown: list[int] = []
        self._described: list[Described] = []

    def add(self, frame: Frame, faces: list[FloatArray]) -> None:
        self._frame_times.append(frame.time_s)
        height, width = frame.image.shape[:2]
        scale = np.array([width, height, width, height], np.float32)
        placed = np.stack(faces) if faces else np.empty((0, N_LANDMARKS, 3), np.float32)
        found = normalise(placed, self._reference)
        self._times += [frame.time_s] * len(faces)
        self._boxes += [box_of(face) / scale for face in faces]
        self._mouths.append(mouth_opening(found.shapes))
        self._sizes.append(found.size)

    def show(self, crops: list[Image]) -> None:
        first = len(self._times) - len(crops)
        self._shown += range(first, len(self._times))
        self._waiting += crops
        while len(self._waiting) >= self._batch:
            self._described.append(self._describe(np.stack(self._waiting[: self._batch])))
            del self._waiting[: self._batch]

    def finish(self) -> Arrays:
        # An empty batch too: it tells the arrays' names and shapes where nobody was seen.
        shape = (-1, self._side_px, self._side_px, 3)
        rest = np.array(self._waiting, np.uint8).reshape(
            shape if self._waiting else (0, *shape[1:])
        )
        self._described.append(self._describe(rest))
        model = {
            name: np.concatenate([part[name] for part in self._described])
            for name in self._described[0]
        }
        none = np.zeros(0, np.float32)
        return tracked(
            {
                "frame_time_s": np.array(self._frame_times, np.float64),
                "time_s": np.array(self._times, np.float64),
                "box": np.array(self._boxes, np.float32).reshape(-1, 4),
                "size": np.concatenate([none, *self._sizes]),
                "mouth": np.concatenate([none, *self._mouths]),
                "model_row": np.array(self._shown, np.int64),
                **model,
            }
        )
