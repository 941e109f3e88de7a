"""Finding faces in an image and placing MediaPipe's 478 landmarks on each.

MediaPipe's own FaceMesh solution looks for faces with the short-range detector alone, which misses
small faces, and gives no say over the region its landmark model sees. Here the two models of the
wheel are run separately: detectors on the whole frame, the landmark model (with attention: refined
eyes and lips, irises) on one upright square per face. Every call is independent of the calls
before it, so the same image and region always give the same landmarks.

Pixels: x to the right, y down, z away from the camera, in the same unit as x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.visual.quiet import hushed_stderr
from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.records import FloatArray

N_LANDMARKS = 478
# Outer eye corners: the line that stands for the roll of the head (MediaPipe numbering).
RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263
# MediaPipe's graphs feed the landmark model a square 1.5 times the longer side of the face's box.
REGION_SCALE = 1.5
# Small faces are looked for in parts of the frame of this side, or this share of a frame's longer
# side: an HD frame has six.
TILE_PX = 768
TILE_SHARE = 0.4

_LANDMARK_GRAPH = """
input_stream: "image"
input_stream: "region"
input_side_packet: "with_attention"
output_stream: "landmarks"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:region"
  input_side_packet: "WITH_ATTENTION:with_attention"
  output_stream: "LANDMARKS:landmarks"
}
"""

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Region:
    """A square around a face: centre and side in pixels, roll in radians (clockwise)."""

    center_x: float
    center_y: float
    side: float
    roll: float = 0.0


@dataclass(frozen=True)
class Detection:
    """One detected face: box ``(x0, y0, x1, y1)`` in pixels, score in [0, 1], landmark region."""

    box: tuple[float, float, float, float]
    score: float
    region: Region


def region_of(landmarks: FloatArray) -> Region:
    """Square the landmark model should see next, from landmarks float [478, 3] in pixels."""
    dx, dy = landmarks[LEFT_EYE_OUTER, :2] - landmarks[RIGHT_EYE_OUTER, :2]
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    center = (low + high) / 2
    side = REGION_SCALE * float((high - low).max())
    return Region(float(center[0]), float(center[1]), side, math.atan2(float(dy), float(dx)))


def box_of(landmarks: FloatArray) -> FloatArray:
    """Bounding box float32 [4] (x0, y0, x1, y1) of landmarks float [478, 3]."""
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    return np.asarray(np.concatenate([low, high]), np.float32)


class FaceDetector:
    """MediaPipe's full-range face detector, and its short-range one where that sees nothing.

    The full-range model finds small and many faces; the short-range one finds a face that fills
    the frame.

    Parameters
    ----------
    min_confidence : float
        Detections below this score in (0, 1] are dropped.
    """

    def __init__(self, min_confidence: float = 0.5) -> None:
        module = require(
            "mediapipe.python.solutions.face_detection", feature="the visual feature facemesh"
        )
        blank = np.zeros((64, 64, 3), np.uint8)
        with hushed_stderr():
            self._models = [
                module.FaceDetection(model_selection=kind, min_detection_confidence=min_confidence)
                for kind in (1, 0)
            ]
            for model in self._models:
                model.process(blank)

    def detect(self, image: Image) -> list[Detection]:
        """Faces in an RGB image uint8 [height, width, 3], surest first."""
        for model in self._models:
            found = model.process(image).detections or []
            if found:
                detections = [_detection(item, image.shape[1], image.shape[0]) for item in found]
                return sorted(detections, key=lambda d: (-d.score, d.box))
        return []

    def detect_small(self, image: Image) -> list[Detection]:
        """Faces in overlapping parts of a large image, surest first; one face may come twice.

        The model sees 192 pixels a side, whatever it is given: in a whole frame it misses faces
        narrower than about a twentieth of it. Empty where the image is no larger than a part.
        """
        found = []
        for left, top, right, bottom in tiles(image.shape[1], image.shape[0]):
            part = np.ascontiguousarray(image[top:bottom, left:right])
            for item in self._models[0].process(part).detections or []:
                detection = _detection(item, right - left, bottom - top, left, top)
                if _is_whole(detection.box, (left, top, right, bottom), image):
                    found.append(detection)
        return sorted(found, key=lambda d: (-d.score, d.box))

    def close(self) -> None:
        """Free the models."""
        for model in self._models:
            model.close()


def tiles(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Overlapping parts (x0, y0, x1, y1) that cover a large image; none of a small one."""
    side = max(TILE_PX, round(TILE_SHARE * max(width, height)))
    if max(width, height) <= side:
        return []
    columns, rows = _starts(width, side), _starts(height, side)
    return [(x, y, min(x + side, width), min(y + side, height)) for y in rows for x in columns]


def _starts(length: int, side: int) -> list[int]:
    """Where parts of a side begin so that neighbours share at least a quarter of them."""
    n = max(math.ceil((length - side / 4) / (side * 3 / 4)), 1)
    return [round(k * max(length - side, 0) / max(n - 1, 1)) for k in range(n)]


def _is_whole(
    box: tuple[float, float, float, float], tile: tuple[int, int, int, int], image: Image
) -> bool:
    """Whether a face is not cut by an edge of its part that is no edge of the image."""
    height, width = image.shape[:2]
    inner = (tile[0] > 0, tile[1] > 0, tile[2] < width, tile[3] < height)
    inside = (box[0] > tile[0], box[1] > tile[1], box[2] < tile[2], box[3] < tile[3])
    return all(clear or not cuts for clear, cuts in zip(inside, inner, strict=True))


def _detection(item: Any, width: int, height: int, left: int = 0, top: int = 0) -> Detection:
    box = item.location_data.relative_bounding_box
    x0, y0 = left + box.xmin * width, top + box.ymin * height
    box_width, box_height = box.width * width, box.height * height
    eyes = item.location_data.relative_keypoints[:2]
    roll = math.atan2((eyes[1].y - eyes[0].y) * height, (eyes[1].x - eyes[0].x) * width)
    region = Region(
        x0 + box_width / 2, y0 + box_height / 2, REGION_SCALE * max(box_width, box_height), roll
    )
    return Detection((x0, y0, x0 + box_width, y0 + box_height), float(item.score[0]), region)


class FaceLandmarker:
    """MediaPipe's landmark model with attention, on a region the caller names.

    Parameters
    ----------
    min_presence : float
        A region whose face-presence score in [0, 1] is not above this yields no landmarks.
    """

    def __init__(self, min_presence: float = 0.5) -> None:
        base = require("mediapipe.python.solution_base", feature="the visual feature facemesh")
        from google.protobuf import text_format  # type: ignore[import-untyped]
        from mediapipe.framework import calculator_pb2
        from mediapipe.framework.formats import rect_pb2

        self._rect = rect_pb2.NormalizedRect
        graph = text_format.Parse(_LANDMARK_GRAPH, calculator_pb2.CalculatorGraphConfig())
        with hushed_stderr():
            self._graph = base.SolutionBase(
                graph_config=graph,
                side_inputs={"with_attention": True},
                calculator_params={
                    "facelandmarkcpu__ThresholdingCalculator.threshold": min_presence
                },
                outputs=["landmarks"],
            )
            self.place(np.zeros((64, 64, 3), np.uint8), Region(32, 32, 64))

    def place(self, image: Image, region: Region) -> FloatArray | None:
        """Landmarks float32 [478, 3] in pixels of the RGB ``image``, or None where no face is."""
        crop, left, top = _surroundings(image, region)
        if crop.size == 0:
            return None
        height, width = crop.shape[:2]
        rect = self._rect(
            x_center=(region.center_x - left) / width,
            y_center=(region.center_y - top) / height,
            width=region.side / width,
            height=region.side / height,
            rotation=region.roll,
        )
        found = self._graph.process({"image": crop, "region": rect}).landmarks
        if not found:
            return None
        flat = [v for point in found.landmark for v in (point.x, point.y, point.z)]
        points = np.array(flat, np.float32).reshape(N_LANDMARKS, 3)
        size = np.array([width, height, width], np.float32)
        corner = np.array([left, top, 0], np.float32)
        return np.asarray(points * size + corner, np.float32)

    def close(self) -> None:
        """Free the model."""
        self._graph.close()


def _surroundings(image: Image, region: Region) -> tuple[Image, int, int]:
    """Part of the image that holds the region however it is rolled, and where that part begins.

    MediaPipe copies what it is given; a large frame would be copied once per face.
    """
    reach = region.side / math.sqrt(2) + 2
    left, top = max(int(region.center_x - reach), 0), max(int(region.center_y - reach), 0)
    right, bottom = int(region.center_x + reach) + 1, int(region.center_y + reach) + 1
    crop = image[top : max(bottom, 0), left : max(right, 0)]
    return np.ascontiguousarray(crop), left, top
