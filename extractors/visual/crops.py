"""Square pictures of single faces, for models that see one face at a time.

`FaceCrops` is a pass over the frames that finds and follows faces as `facemesh` does, cuts each
one out and hands the pictures, a batch at a time, to a model, all within one decode of the video.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.visual.action_units import mouth_opening
from affect_pipe.extractors.visual.cutting import LOOK_PX, Crop, face_crop, look_of
from affect_pipe.extractors.visual.follow import FaceFollower
from affect_pipe.extractors.visual.geometry import normalise
from affect_pipe.extractors.visual.mesh import N_LANDMARKS, Image, box_of
from affect_pipe.extractors.visual.shape import load_shape_basis, shape_basis_digest
from affect_pipe.extractors.visual.tracks import tracked
from affect_pipe.extractors.visual.visible import why_nobody
from affect_pipe.pipeline.interfaces import Arrays, Frame
from affect_pipe.pipeline.optional import backend_version
from affect_pipe.pipeline.records import FloatArray, Media, StageSpec

__all__ = ["Crop", "CropModel", "FaceCrops", "face_crop", "model_rows"]

Described = Mapping[str, npt.NDArray[Any]]
Describe = Callable[[npt.NDArray[np.uint8]], Described]

VERSION = "2"


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
            (outer eye-corner distance, pixels), ``mouth`` float32 [n] (inner-lip gap), ``look``
            uint8 [n, 192] (see `cutting.look_of`). Then the model's arrays [m, ...] and
            ``model_row`` int64 [m]: the row each of theirs belongs to, ascending; with ``every`` 1
            it is simply 0 to n - 1.
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
        self._looks: list[npt.NDArray[np.uint8]] = []
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
        self._looks += [look_of(frame.image, face) for face in faces]
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
                "look": np.array(self._looks, np.uint8).reshape(-1, 3 * LOOK_PX**2),
                "model_row": np.array(self._shown, np.int64),
                **model,
            }
        )
