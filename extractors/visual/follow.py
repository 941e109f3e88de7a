"""One pass over a video's frames: detect faces, follow them by their landmarks, describe them.

Between detections a face is looked for where its last landmarks were, which costs one run of the
landmark model. The detector runs again every second, at once when a face is lost, and a few times
a second while there is none; parts of large frames are searched for small faces every second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.visual.cutting import LOOK_PX, look_of
from affect_pipe.extractors.visual.measures import GROUPS, measure
from affect_pipe.extractors.visual.mesh import (
    N_LANDMARKS,
    Detection,
    FaceDetector,
    FaceLandmarker,
    Image,
    box_of,
    region_of,
)
from affect_pipe.extractors.visual.shape import ShapeBasis, load_shape_basis, shape_basis_digest
from affect_pipe.extractors.visual.tracks import overlap, tracked
from affect_pipe.extractors.visual.visible import why_nobody
from affect_pipe.pipeline.interfaces import Arrays, Frame
from affect_pipe.pipeline.optional import backend_version
from affect_pipe.pipeline.records import FloatArray, Media, StageSpec

# Faces wait here until there are enough of them to be described in one go.
BATCH = 256
# Two boxes that share this much are one face.
SAME_FACE_OVERLAP = 0.3
REDETECT_S = 1.0
REDETECT_EMPTY_S = 0.3


class FaceFollower:
    """Landmarks of every face, frame by frame.

    Parameters
    ----------
    max_faces : int
        The largest faces are kept.
    """

    def __init__(self, max_faces: int) -> None:
        self._detector = FaceDetector()
        self._landmarker = FaceLandmarker()
        self._max_faces = max_faces
        self._faces: list[FloatArray] = []
        self._detected_at_s = -np.inf
        self._searched_at_s = -np.inf

    def faces_in(self, frame: Frame) -> list[FloatArray]:
        """Landmarks float32 [478, 3] in pixels of each face in the frame, in a stable order."""
        before = len(self._faces)
        placed = [self._landmarker.place(frame.image, region_of(face)) for face in self._faces]
        self._faces = _distinct([face for face in placed if face is not None])
        waited_s = frame.time_s - self._detected_at_s
        patience_s = REDETECT_S if self._faces else REDETECT_EMPTY_S
        if len(self._faces) < before or waited_s >= patience_s:
            self._detected_at_s = frame.time_s
            detections = self._detector.detect(frame.image)
            if frame.time_s - self._searched_at_s >= REDETECT_S:
                self._searched_at_s = frame.time_s
                detections += self._detector.detect_small(frame.image)
            self._add(frame.image, detections)
        return self._faces

    def _add(self, image: Image, detections: list[Detection]) -> None:
        found = list(self._faces)
        for detection in detections:
            x, y = detection.region.center_x, detection.region.center_y
            if any(_inside(x, y, face) for face in found):
                continue
            landmarks = self._landmarker.place(image, detection.region)
            if landmarks is not None:
                # Once more on the region the landmarks themselves suggest: a detector's box is
                # rougher than a follower's, and both should describe a face alike.
                again = self._landmarker.place(image, region_of(landmarks))
                found.append(landmarks if again is None else again)
        found = _distinct(found)
        if len(found) > self._max_faces:
            largest = sorted(range(len(found)), key=lambda k: (-_area(found[k]), k))
            found = [found[k] for k in sorted(largest[: self._max_faces])]
        self._faces = found

    def close(self) -> None:
        """Free the models."""
        self._detector.close()
        self._landmarker.close()


def _inside(x: float, y: float, face: FloatArray) -> bool:
    x0, y0, x1, y1 = box_of(face)
    return bool(x0 <= x <= x1 and y0 <= y <= y1)


def _area(face: FloatArray) -> float:
    x0, y0, x1, y1 = box_of(face)
    return float((x1 - x0) * (y1 - y0))


def _distinct(faces: list[FloatArray]) -> list[FloatArray]:
    """Faces without those that slid onto one before them."""
    kept: list[FloatArray] = []
    for face in faces:
        boxes = np.array([box_of(other) for other in kept], np.float32).reshape(-1, 4)
        if not (overlap(box_of(face)[None], boxes) > SAME_FACE_OVERLAP).any():
            kept.append(face)
    return kept


class FaceTracks:
    """The pass over the frames behind `facemesh`: every face, described and tracked.

    Parameters
    ----------
    rate_hz : float
        Frames per second of video to look at. Mouth motion follows syllables (4 to 8 a second) and
        a blink lasts 0.1 to 0.4 s, so 10 is about the least that shows both.
    max_faces : int
        Most faces followed at a time; the largest are kept.

    Notes
    -----
    What is stored per face and frame is its description, not its landmarks: about 950 bytes, so an
    hour of one face is 34 MB.
    """

    name = "facemesh"
    version = "3"

    def __init__(self, rate_hz: float = 10.0, max_faces: int = 10) -> None:
        self._rate_hz = float(rate_hz)
        self._max_faces = int(max_faces)

    @property
    def rate_hz(self) -> float:
        """Frames per second of video it wants to see."""
        return self._rate_hz

    def spec(self) -> StageSpec:
        """Return what decides the output."""
        return StageSpec(
            stage="face-tracks",
            extractor=self.name,
            version=self.version,
            settings={"rate_hz": self._rate_hz, "max_faces": self._max_faces},
            model_id="mediapipe/face_landmark_with_attention",
            weights_digest=shape_basis_digest(),
            backend=backend_version("mediapipe"),
        )

    def analyse(self, frames: Iterable[Frame], media: Media) -> Arrays:
        """Describe and track the faces of a video.

        Returns
        -------
        mapping
            ``frame_time_s`` float64 [n_frames]: the frames looked at. One row per face and frame,
            in order of time: ``time_s`` float64 [n], ``track`` int32 [n], ``box`` float32 [n, 4]
            (x0, y0, x1, y1 as shares of the frame's width and height), ``size`` float32 [n]
            (outer eye-corner distance, pixels), ``mouth`` float32 [n] (inner-lip gap), ``look``
            uint8 [n, 192] (see `cutting.look_of`), ``au``, ``pose``, ``blink`` float32, ``shape``
            float16: see `measures.measure`.
        """
        follower = FaceFollower(self._max_faces)
        rows = _Rows(load_shape_basis())
        try:
            for frame in frames:
                rows.add(frame, follower.faces_in(frame))
        finally:
            follower.close()
        return tracked(rows.finish())

    def problem(self, arrays: Arrays) -> str | None:
        """Say that there is no face, if there is none."""
        return None if len(arrays["time_s"]) else why_nobody(len(arrays["frame_time_s"]))


class _Rows:
    """Gathers descriptions, computing them a batch at a time."""

    def __init__(self, basis: ShapeBasis) -> None:
        self._basis = basis
        self._frame_times: list[float] = []
        self._times: list[float] = []
        self._boxes: list[FloatArray] = []
        self._looks: list[npt.NDArray[np.uint8]] = []
        self._waiting: list[FloatArray] = []
        self._described: list[dict[str, FloatArray]] = []

    def add(self, frame: Frame, faces: list[FloatArray]) -> None:
        self._frame_times.append(frame.time_s)
        height, width = frame.image.shape[:2]
        scale = np.array([width, height, width, height], np.float32)
        for face in faces:
            self._times.append(frame.time_s)
            self._boxes.append(box_of(face) / scale)
            self._looks.append(look_of(frame.image, face))
            self._waiting.append(face)
        if len(self._waiting) >= BATCH:
            self._describe()

    def _describe(self) -> None:
        empty = np.empty((0, N_LANDMARKS, 3), np.float32)
        described = measure(np.stack(self._waiting) if self._waiting else empty, self._basis)
        # Half precision halves the entry; coefficients are within a few units of zero.
        self._described.append({**described, "shape": described["shape"].astype(np.float16)})
        self._waiting = []

    def finish(self) -> dict[str, npt.NDArray[Any]]:
        self._describe()
        columns: Mapping[str, list[FloatArray]] = {
            name: [part[name] for part in self._described] for name in (*GROUPS, "mouth", "size")
        }
        return {
            "frame_time_s": np.array(self._frame_times, np.float64),
            "time_s": np.array(self._times, np.float64),
            "box": np.array(self._boxes, np.float32).reshape(-1, 4),
            "look": np.array(self._looks, np.uint8).reshape(-1, 3 * LOOK_PX**2),
            **{name: np.concatenate(parts) for name, parts in columns.items()},
        }
