"""One pass over a video's frames with py-feat: find faces, describe them, follow them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.visual import pyfeat_models
from affect_pipe.extractors.visual.pyfeat_columns import (
    COLUMNS,
    GROUPS,
    LANDMARK_NAMES,
    described,
    eye_distance,
    mouth_gap,
)
from affect_pipe.extractors.visual.tracks import tracked
from affect_pipe.extractors.visual.visible import why_nobody
from affect_pipe.pipeline.interfaces import Arrays, Frame, FrameStage
from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.records import Media, StageSpec

# Frames given to the networks at a time: enough to fill a graphics card; a processor gains nothing.
BATCH = {"cuda": 16, "cpu": 2}

Image = npt.NDArray[np.uint8]


class PyFeatFaces(FrameStage):
    """The pass over the frames behind `pyfeat`; every frame is searched for faces.

    Parameters
    ----------
    detector : {"v2", "v1"}
    rate_hz : float
        Frames per second of video to look at.
    max_side_px : int
        Larger frames are made smaller first, to this longest side.
    min_score : float
        Detections below this score in [0, 1] are no faces.
    max_faces : int
        Most faces kept a frame, the largest.
    batch : int, optional
        Frames at a time; by default `BATCH`. It may move the last bits of the numbers.
    note : str, optional
        What whoever reads the features should know; told as a warning where there are faces.
    """

    name = "pyfeat"
    version = "1"

    def __init__(
        self,
        detector: str,
        rate_hz: float,
        max_side_px: int,
        min_score: float,
        max_faces: int,
        *,
        batch: int | None = None,
        note: str | None = None,
    ) -> None:
        self._detector = detector
        self._rate_hz = rate_hz
        self._max_side_px = max_side_px
        self._min_score = min_score
        self._max_faces = max_faces
        self._batch = batch
        self._note = note

    @property
    def rate_hz(self) -> float:
        """Frames per second of video it wants to see."""
        return self._rate_hz

    def spec(self) -> StageSpec:
        """Return what decides the output; reads the weights once to tell which they are.

        Raises
        ------
        MissingDependencyError, MissingWeightsError
            If py-feat or one of its networks is not here.
        """
        return StageSpec(
            stage="pyfeat-faces",
            extractor=self.name,
            version=self.version,
            settings={
                "detector": self._detector,
                "rate_hz": self._rate_hz,
                "max_side_px": self._max_side_px,
                "min_score": self._min_score,
                "max_faces": self._max_faces,
            },
            model_id=pyfeat_models.model_id(self._detector),
            backend=pyfeat_models.backend(),
            weights_digest=pyfeat_models.weights_digest(self._detector),
        )

    def analyse(self, frames: Iterable[Frame], media: Media) -> Arrays:
        """Find, describe and track the faces of a video.

        Returns
        -------
        mapping
            ``frame_time_s`` float64 [n_frames]; one row per face and frame, in order of time:
            ``time_s`` float64 [n], ``track`` int32 [n], ``box`` float32 [n, 4] (x0, y0, x1, y1 as
            shares of the frame), ``score`` float32 [n] in [0, 1], ``size`` float32 [n] (outer
            eye-corner distance, pixels), ``mouth`` float32 [n] (inner-lip gap over it),
            ``landmarks`` float32 [n, 136] (68 x, then 68 y, in pixels of the video), and float32
            [n, k] for every group of `pyfeat_columns.GROUPS`.
        """
        torch = require("torch", feature=pyfeat_models.FEATURE)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        network = pyfeat_models.load_detector(self._detector, device)
        gathered = _Gathered(self, torch, network, self._batch or BATCH[device])
        for frame in frames:
            gathered.add(frame)
        return tracked(gathered.finish())

    def problem(self, arrays: Arrays) -> str | None:
        """Say that there is no face, or what to know of the description of those there are."""
        if len(arrays["time_s"]) == 0:
            return why_nobody(len(arrays["frame_time_s"]))
        return self._note

    def shrunk(self, image: Image) -> Image:
        """Copy an image, made smaller where it is larger than the networks should see."""
        height, width = image.shape[:2]
        scale = self._max_side_px / max(height, width)
        if scale >= 1.0:
            return image.copy()
        import cv2

        size = max(1, round(width * scale)), max(1, round(height * scale))
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

    def describe(self, torch: Any, network: Any, images: Image) -> dict[str, npt.NDArray[Any]]:
        """Describe the faces of frames uint8 [b, h, w, 3].

        Returns
        -------
        dict
            As `analyse`, without times and tracks: ``frame`` int64 [n] is the number in the batch,
            ``box`` and ``landmarks`` are pixels of these frames.
        """
        n_frames = len(images)
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        found = network.detect_faces(pixels, face_detection_threshold=self._min_score)
        boxes = torch.cat([faces["boxes"] for faces in found]).cpu().numpy().astype(np.float32)
        owner = np.repeat(np.arange(n_frames), [len(faces["scores"]) for faces in found])
        # A frame without faces stands there as one face nowhere.
        kept = self._largest(boxes, owner, np.isfinite(boxes).all(axis=1))
        if not kept.any():
            return _nobody(self._detector)
        border = dict.fromkeys(("Left", "Top", "Right", "Bottom"), torch.zeros(n_frames))
        frames = {"Image": pixels, "Padding": border, "Scale": torch.ones(n_frames)}
        groups = described(network.forward(found, frames), self._detector)
        kept &= np.isfinite(np.concatenate(list(groups.values()), axis=1)).all(axis=1)
        scores = torch.cat([faces["scores"] for faces in found]).cpu().numpy()
        own = {"box": boxes, "score": scores.astype(np.float32), "frame": owner, **groups}
        return {name: values[kept] for name, values in own.items()}

    def _largest(
        self, boxes: npt.NDArray[np.float32], owner: npt.NDArray[np.int64], real: Any
    ) -> npt.NDArray[np.bool_]:
        areas = np.where(real, (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), -1.0)
        kept = np.zeros(len(boxes), np.bool_)
        for frame in np.unique(owner):
            rows = np.flatnonzero((owner == frame) & real)
            kept[rows[np.argsort(-areas[rows], kind="stable")[: self._max_faces]]] = True
        return kept


def _nobody(detector: str) -> dict[str, npt.NDArray[Any]]:
    none = np.zeros(0, np.float32)
    return {
        "box": none.reshape(0, 4),
        "score": none,
        "frame": np.zeros(0, np.int64),
        "landmarks": none.reshape(0, len(LANDMARK_NAMES)),
        **{group: none.reshape(0, len(COLUMNS[group])) for group in GROUPS[detector]},
    }


class _Gathered:
    """Frames waiting for the networks, and what they have said so far."""

    def __init__(self, stage: PyFeatFaces, torch: Any, network: Any, batch: int) -> None:
        self._stage, self._torch, self._network, self._batch = stage, torch, network, batch
        self._frame_times: list[float] = []
        self._times: list[float] = []
        self._waiting: list[Image] = []
        self._widths: list[int] = []
        self._parts: list[dict[str, npt.NDArray[Any]]] = [_nobody(stage._detector)]

    def add(self, frame: Frame) -> None:
        image = self._stage.shrunk(frame.image)
        if self._waiting and image.shape != self._waiting[0].shape:
            self._describe()
        self._frame_times.append(frame.time_s)
        self._widths.append(frame.image.shape[1])
        self._waiting.append(image)
        if len(self._waiting) >= self._batch:
            self._describe()

    def _describe(self) -> None:
        images = np.stack(self._waiting)
        part = self._stage.describe(self._torch, self._network, images)
        first = len(self._frame_times) - len(images)
        self._times += [self._frame_times[first + k] for k in part["frame"]]
        height, width = images.shape[1:3]
        part["box"] = part["box"] / np.array([width, height, width, height], np.float32)
        # Landmarks were placed in what the networks saw.
        scale = [self._widths[k] / width for k in part["frame"]]
        part["landmarks"] = part["landmarks"] * np.array(scale, np.float32)[:, None]
        self._parts.append(part)
        self._waiting, self._widths = [], []

    def finish(self) -> dict[str, npt.NDArray[Any]]:
        if self._waiting:
            self._describe()
        names = [name for name in self._parts[0] if name != "frame"]
        arrays = {name: np.concatenate([part[name] for part in self._parts]) for name in names}
        return {
            "frame_time_s": np.array(self._frame_times, np.float64),
            "time_s": np.array(self._times, np.float64),
            "size": eye_distance(arrays["landmarks"]),
            "mouth": mouth_gap(arrays["landmarks"]),
            **arrays,
        }
