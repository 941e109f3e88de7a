"""What is kept of one face in one frame: the columns of the `facemesh` feature, before functionals.

Everything here needs one image only, so a photograph and a video frame are described alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from affect_pipe.extractors.visual.action_units import (
    AU_NAMES,
    action_units,
    eye_openings,
    mouth_opening,
)
from affect_pipe.extractors.visual.geometry import normalise
from affect_pipe.extractors.visual.shape import ShapeBasis
from affect_pipe.pipeline.records import FloatArray

GROUPS = ("au", "pose", "blink", "shape")
POSE_NAMES = ("yaw_deg", "pitch_deg", "roll_deg")
BLINK_NAMES = ("eye_open_right", "eye_open_left")


def group_columns(n_components: int) -> Mapping[str, tuple[str, ...]]:
    """Column names of each group; ``n_components`` is the width of the shape basis."""
    return {
        "au": AU_NAMES,
        "pose": POSE_NAMES,
        "blink": BLINK_NAMES,
        "shape": tuple(f"shape_{k:03d}" for k in range(n_components)),
    }


def measure(landmarks: FloatArray, basis: ShapeBasis) -> dict[str, FloatArray]:
    """Describe faces from their landmarks float [n, 478, 3] in pixels.

    Returns
    -------
    dict
        ``au`` [n, 20] in [0, 1]; ``pose`` [n, 3] degrees; ``blink`` [n, 2] eye aspect ratios;
        ``shape`` [n, k] standard deviations; ``mouth`` [n] inner-lip gap in eye-corner distances;
        ``size`` [n] outer eye-corner distance in pixels. All float32.
    """
    faces = normalise(landmarks, basis.reference)
    return {
        "au": action_units(faces.shapes),
        "pose": faces.angles_deg,
        "blink": eye_openings(faces.shapes),
        "shape": basis.coefficients(faces.shapes),
        "mouth": mouth_opening(faces.shapes),
        "size": faces.size,
    }


def columns_of(described: Mapping[str, FloatArray], groups: Sequence[str]) -> FloatArray:
    """Columns of the wanted groups side by side, float32 [n, d]."""
    return np.concatenate([described[group] for group in groups], axis=1)
