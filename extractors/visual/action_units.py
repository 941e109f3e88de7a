"""Twenty action units of the Facial Action Coding System, estimated from geometry alone.

Each unit is one distance, height or ratio on the pose-normalised face, chosen from the unit's
description in Ekman and Friesen (1978), *Facial Action Coding System*. Left and right are averaged.
The measure is mapped linearly to [0, 1]: 0 at what neutral faces show (the median over the faces
labelled neutral in FER-2013's training part), 1 at what the strongest faces show (the 98th
percentile over all of its faces), clipped. These are estimates of how far a face has moved from an
average neutral one, not FACS intensities A to E: a person's own resting face shifts them.

What geometry cannot see, or hardly:

- AU11 (nasolabial furrow deepener) is a crease, no displacement: always 0.
- AU06 (cheek raiser) shows only by the cheek and lower lid it pushes up.
- AU14 (dimpler) shows only by mouth corners drawn in and back.
- AU23 (lip tightener) and AU24 (lip pressor) both thin the lips: AU23 is thin lips on a narrowed
  mouth, AU24 thin lips on a closed one; they rise together.
- AU28 (lip suck) is the lower lip's red vanishing; it follows AU24.

Landmark numbers are MediaPipe's; "right" is the subject's right, on the left of the image.
Heights are positive upwards, everything in outer eye-corner distances.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from affect_pipe.pipeline.records import FloatArray

Measure = Callable[[FloatArray], FloatArray]

AU_NAMES = (
    "AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU11", "AU12",
    "AU14", "AU15", "AU17", "AU20", "AU23", "AU24", "AU25", "AU26", "AU28", "AU43",
)  # fmt: skip

# Landmarks right then left.
INNER_BROW = (107, 55, 336, 285)
MID_BROW = (105, 52, 334, 282)
OUTER_BROW = (70, 46, 300, 276)
INNER_EYE = (133, 362)
OUTER_EYE = (33, 263)
UPPER_LID = (160, 159, 158, 385, 386, 387)
LOWER_LID = (144, 145, 153, 373, 374, 380)
CHEEK = (117, 118, 101, 346, 347, 330)
WING = (129, 98, 358, 327)
NOSE_BASE = (2,)
MOUTH_CORNER = (61, 291)
UPPER_LIP_TOP = (37, 0, 267)
UPPER_LIP_BOTTOM = (82, 13, 312)
LOWER_LIP_TOP = (87, 14, 317)
LOWER_LIP_BOTTOM = (84, 17, 314)
CHIN = (176, 152, 400)
CHIN_BOSS = (199, 200)


def _mean(shapes: FloatArray, points: Sequence[int]) -> FloatArray:
    return np.asarray(shapes[:, list(points)].mean(axis=1), np.float32)


def _above(shapes: FloatArray, points: Sequence[int], base: Sequence[int]) -> FloatArray:
    """Height [n] of the mean of ``points`` over the mean of ``base``."""
    return np.asarray(_mean(shapes, base)[:, 1] - _mean(shapes, points)[:, 1], np.float32)


def _width(shapes: FloatArray, right: int, left: int) -> FloatArray:
    return np.asarray(shapes[:, left, 0] - shapes[:, right, 0], np.float32)


def eye_openings(shapes: FloatArray) -> FloatArray:
    """Height of the lid gap over the eye's width, float32 [n, 2] (right, left); 0 when shut.

    The eye aspect ratio of Soukupova and Cech (2016), eq. 1, on three lid pairs, in 3-D.
    """
    openings = []
    for (outer, inner), upper, lower in (
        ((33, 133), (160, 159, 158), (144, 145, 153)),
        ((263, 362), (387, 386, 385), (373, 374, 380)),
    ):
        gap = np.linalg.norm(shapes[:, list(upper)] - shapes[:, list(lower)], axis=2).mean(axis=1)
        width = np.linalg.norm(shapes[:, outer] - shapes[:, inner], axis=1)
        openings.append(gap / np.maximum(width, 1e-6))
    return np.asarray(np.stack(openings, axis=1), np.float32)


def mouth_opening(shapes: FloatArray) -> FloatArray:
    """Gap between the inner lips, float32 [n], in outer eye-corner distances."""
    return np.asarray(np.maximum(_above(shapes, UPPER_LIP_BOTTOM, LOWER_LIP_TOP), 0.0), np.float32)


def _lip_red(shapes: FloatArray) -> FloatArray:
    upper = _above(shapes, UPPER_LIP_TOP, UPPER_LIP_BOTTOM)
    return upper + _above(shapes, LOWER_LIP_TOP, LOWER_LIP_BOTTOM)


def inner_brow_raiser(shapes: FloatArray) -> FloatArray:
    """AU01: height of the inner brow over the inner eye corner."""
    return _above(shapes, INNER_BROW, INNER_EYE)


def outer_brow_raiser(shapes: FloatArray) -> FloatArray:
    """AU02: height of the outer brow over the outer eye corner."""
    return _above(shapes, OUTER_BROW, OUTER_EYE)


def brow_lowerer(shapes: FloatArray) -> FloatArray:
    """AU04: brows lowered and drawn together: their height and gap, negated."""
    height = _above(shapes, INNER_BROW + MID_BROW, INNER_EYE + OUTER_EYE)
    gap = (_width(shapes, 107, 336) + _width(shapes, 55, 285)) / 2
    return -(height + gap / 2)


def upper_lid_raiser(shapes: FloatArray) -> FloatArray:
    """AU05: height of the upper lid over the eye corners."""
    return _above(shapes, UPPER_LID, INNER_EYE + OUTER_EYE)


def cheek_raiser(shapes: FloatArray) -> FloatArray:
    """AU06: height of the cheek under the eye, towards the eye corners."""
    return _above(shapes, CHEEK, INNER_EYE + OUTER_EYE)


def lid_tightener(shapes: FloatArray) -> FloatArray:
    """AU07: height of the lower lid towards the eye corners."""
    return _above(shapes, LOWER_LID, INNER_EYE + OUTER_EYE)


def nose_wrinkler(shapes: FloatArray) -> FloatArray:
    """AU09: height of the nose wings towards the inner eye corners."""
    return _above(shapes, WING, INNER_EYE)


def upper_lip_raiser(shapes: FloatArray) -> FloatArray:
    """AU10: height of the upper lip's rim towards the nose's base."""
    return _above(shapes, UPPER_LIP_TOP, NOSE_BASE)


def nasolabial_deepener(shapes: FloatArray) -> FloatArray:
    """AU11: a furrow, which landmarks do not show."""
    return np.zeros(len(shapes), np.float32)


def lip_corner_puller(shapes: FloatArray) -> FloatArray:
    """AU12: mouth corners drawn up and out, along the diagonal of zygomaticus major."""
    rise = _above(shapes, MOUTH_CORNER, NOSE_BASE)
    return rise + _width(shapes, 61, 291) / 2


def dimpler(shapes: FloatArray) -> FloatArray:
    """AU14: mouth corners drawn back: their depth behind the middle of the lips."""
    middle = _mean(shapes, UPPER_LIP_BOTTOM + LOWER_LIP_TOP)
    return _mean(shapes, MOUTH_CORNER)[:, 2] - middle[:, 2]


def lip_corner_depressor(shapes: FloatArray) -> FloatArray:
    """AU15: depth of the mouth corners under the middle of the lips."""
    return -_above(shapes, MOUTH_CORNER, UPPER_LIP_BOTTOM + LOWER_LIP_TOP)


def chin_raiser(shapes: FloatArray) -> FloatArray:
    """AU17: lower lip and chin boss pushed up towards the nose's base."""
    return _above(shapes, CHIN_BOSS + LOWER_LIP_BOTTOM, NOSE_BASE)


def lip_stretcher(shapes: FloatArray) -> FloatArray:
    """AU20: width of the mouth, less what its corners rise (that would be AU12)."""
    rise = _above(shapes, MOUTH_CORNER, NOSE_BASE)
    return _width(shapes, 61, 291) - rise


def lip_tightener(shapes: FloatArray) -> FloatArray:
    """AU23: thin red of the lips on a narrow, closed mouth."""
    return -(_lip_red(shapes) + mouth_opening(shapes) + _width(shapes, 61, 291) / 2)


def lip_pressor(shapes: FloatArray) -> FloatArray:
    """AU24: thin red of the lips, lips on each other."""
    return -(_lip_red(shapes) + mouth_opening(shapes))


def lips_part(shapes: FloatArray) -> FloatArray:
    """AU25: gap between the inner lips."""
    return mouth_opening(shapes)


def jaw_drop(shapes: FloatArray) -> FloatArray:
    """AU26: distance of the chin below the nose's base."""
    return -_above(shapes, CHIN, NOSE_BASE)


def lip_suck(shapes: FloatArray) -> FloatArray:
    """AU28: thin red of the lower lip, lips on each other."""
    red = _above(shapes, LOWER_LIP_TOP, LOWER_LIP_BOTTOM)
    return -(red + mouth_opening(shapes))


def eyes_closed(shapes: FloatArray) -> FloatArray:
    """AU43: the eye aspect ratio, negated."""
    return np.asarray(-eye_openings(shapes).mean(axis=1), np.float32)


MEASURES: tuple[Measure, ...] = (
    inner_brow_raiser, outer_brow_raiser, brow_lowerer, upper_lid_raiser, cheek_raiser,
    lid_tightener, nose_wrinkler, upper_lip_raiser, nasolabial_deepener, lip_corner_puller,
    dimpler, lip_corner_depressor, chin_raiser, lip_stretcher, lip_tightener, lip_pressor,
    lips_part, jaw_drop, lip_suck, eyes_closed,
)  # fmt: skip

# (measure of a neutral face, measure of the strongest faces), in the order of AU_NAMES.
RANGES: tuple[tuple[float, float], ...] = (
    (0.2015, 0.2873),  # AU01
    (0.1559, 0.2216),  # AU02
    (-0.3727, -0.2943),  # AU04
    (0.0550, 0.0851),  # AU05
    (-0.2173, -0.1766),  # AU06
    (-0.0343, -0.0093),  # AU07
    (-0.4335, -0.3670),  # AU09
    (-0.1585, -0.0745),  # AU10
    (0.0000, 0.0000),  # AU11
    (0.0196, 0.2311),  # AU12
    (0.1239, 0.1862),  # AU14
    (0.0003, 0.0388),  # AU15
    (-0.4184, -0.3430),  # AU17
    (0.7719, 0.9443),  # AU20
    (-0.4564, -0.3701),  # AU23
    (-0.1926, -0.1262),  # AU24
    (0.0057, 0.3342),  # AU25
    (0.6241, 0.7626),  # AU26
    (-0.1143, -0.0696),  # AU28
    (-0.3050, -0.1115),  # AU43
)


def raw_measures(shapes: FloatArray) -> FloatArray:
    """Return the measures themselves, float32 [n, 20], of normalised faces float [n, 478, 3]."""
    return np.stack([measure(shapes) for measure in MEASURES], axis=1).astype(np.float32)


def action_units(shapes: FloatArray) -> FloatArray:
    """Estimates float32 [n, 20] in [0, 1] of normalised faces float [n, 478, 3]."""
    neutral, strong = np.array(RANGES, np.float32).T
    span = np.where(strong > neutral, strong - neutral, 1.0)
    return np.asarray(np.clip((raw_measures(shapes) - neutral) / span, 0.0, 1.0), np.float32)
