"""What py-feat says of a face, under one set of names and units for its two detectors.

Angles are degrees here (py-feat: radians), in py-feat's directions: pitch is positive upwards, yaw
towards the subject's right, roll towards the subject's right shoulder; a gaze is relative to the
head-forward direction with the same signs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from affect_pipe.extractors.visual.action_units import AU_NAMES
from affect_pipe.extractors.visual.functionals import STATISTICS
from affect_pipe.extractors.visual.measures import POSE_NAMES
from affect_pipe.pipeline.records import FloatArray

EMOTION_NAMES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
AFFECT_NAMES = ("valence", "arousal")
GAZE_NAMES = ("gaze_yaw_deg", "gaze_pitch_deg")
# Coefficients of ARKit's face rig, as MediaPipe orders them.
BLENDSHAPE_NAMES = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft",
    "browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft",
    "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft",
    "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen",
    "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower",
    "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight",
    "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "au": AU_NAMES,
    "emotion": EMOTION_NAMES,
    "affect": AFFECT_NAMES,
    "pose": POSE_NAMES,
    "gaze": GAZE_NAMES,
    "blendshape": BLENDSHAPE_NAMES,
}
UNITS: Mapping[str, str] = {
    "au": "probability",
    "emotion": "probability",
    "affect": "",
    "pose": "degrees",
    "gaze": "degrees",
    "blendshape": "",
}
# What each detector has, and what of it describes an utterance unless told otherwise.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "v2": ("au", "emotion", "affect", "pose", "gaze", "blendshape"),
    "v1": ("au", "emotion", "pose", "gaze"),
}
USUAL_GROUPS = ("au", "emotion", "pose", "gaze")

N_LANDMARKS = 68
LANDMARK_NAMES = (
    *(f"x_{k}" for k in range(N_LANDMARKS)),
    *(f"y_{k}" for k in range(N_LANDMARKS)),
)
# Outer eye corners and the inner lips' facing points, in the numbering of iBUG 300-W from 0.
_EYE_CORNERS = (36, 45)
_UPPER_LIP, _LOWER_LIP = (61, 62, 63), (67, 66, 65)

_EMOTIONS_OF = {
    "v1": EMOTION_NAMES,
    "v2": ("Anger", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"),
}


def described(table: Any, detector: str) -> dict[str, FloatArray]:
    """Take the groups of columns and the landmarks out of a py-feat table of faces.

    Parameters
    ----------
    table : pandas.DataFrame
        As ``Detectorv1.forward`` and ``Detectorv2.forward`` return it.
    detector : {"v1", "v2"}

    Returns
    -------
    dict
        float32 [n, k] for every group of the detector, and ``landmarks`` [n, 136] in pixels of
        the frame that the detector saw: 68 x, then 68 y.
    """

    def taken(*names: str) -> FloatArray:
        return np.asarray(table[list(names)].to_numpy(np.float32), np.float32)

    found = {
        "au": taken(*AU_NAMES),
        "emotion": taken(*_EMOTIONS_OF[detector]),
        "pose": np.rad2deg(taken("Yaw", "Pitch", "Roll")),
        "gaze": np.rad2deg(taken("gaze_yaw", "gaze_pitch")),
        "landmarks": taken(*LANDMARK_NAMES),
    }
    if detector == "v2":
        found |= {"affect": taken(*AFFECT_NAMES), "blendshape": taken(*BLENDSHAPE_NAMES)}
    return found


def eye_distance(landmarks: FloatArray) -> FloatArray:
    """Distance float32 [n] between the outer eye corners, of landmarks [n, 136]."""
    first, second = (_point(landmarks, k) for k in _EYE_CORNERS)
    return np.asarray(np.linalg.norm(first - second, axis=1), np.float32)


def mouth_gap(landmarks: FloatArray) -> FloatArray:
    """Gap float32 [n] between the inner lips, in outer eye-corner distances."""
    pairs = zip(_UPPER_LIP, _LOWER_LIP, strict=True)
    gaps = [np.linalg.norm(_point(landmarks, a) - _point(landmarks, b), axis=1) for a, b in pairs]
    return np.asarray(np.mean(gaps, axis=0) / np.maximum(eye_distance(landmarks), 1e-6), np.float32)


def _point(landmarks: FloatArray, number: int) -> FloatArray:
    return landmarks[:, [number, N_LANDMARKS + number]]


def vector_columns(groups: Sequence[str], functionals: Sequence[str]) -> tuple[str, ...]:
    """Names of the utterance vector's columns: functional by functional, group by group."""
    base = [name for group in groups for name in COLUMNS[group]]
    return tuple(f"{name}_{kind}" for kind in STATISTICS if kind in functionals for name in base)
