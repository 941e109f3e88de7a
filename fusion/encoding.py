"""From continuous ratings to the class indices of each scheme; unknown ratings stay NaN."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.config import LEVELS, SENTIMENT_LABELS
from affect_pipe.pipeline.records import FloatArray

# Annotators of CMU-MOSI and CMU-MOSEI rate from -3, strongly negative, to 3, strongly positive.
MAX_INTENSITY = 3.0


def sentiment_classes(intensity: npt.ArrayLike, classes: int) -> FloatArray:
    """Cut sentiment intensities into classes, index 0 the most negative.

    Parameters
    ----------
    intensity : float [...]
        In [-3, 3]; NaN where unknown.
    classes : {2, 3, 5, 7}
        2: below zero, or not (akhtar2019, section 4.1). 3: the sign, with zero by itself. 5 and 7:
        cut to [-2, 2] or not at all, then rounded to whole numbers, halves to the even one, as the
        published evaluation code on CMU-MOSEI does (Tsai et al. 2019 and those after it).

    Returns
    -------
    float32 [...]
        Indices into ``SENTIMENT_LABELS[classes]``; NaN where unknown.

    Raises
    ------
    ValueError
        If there is no such scheme, or an intensity is outside [-3, 3].
    """
    if classes not in SENTIMENT_LABELS:
        raise ValueError(f"sentiment has {sorted(SENTIMENT_LABELS)} classes, not {classes}")
    values = np.asarray(intensity, dtype=np.float64)
    wrong = values[np.abs(values) > MAX_INTENSITY]
    if wrong.size:
        raise ValueError(f"sentiment intensity must lie in [-3, 3], got {wrong.flat[0]}")
    if classes == 2:
        found = np.where(np.isnan(values), np.nan, values >= 0)
    elif classes == 3:
        found = np.sign(values) + 1
    else:
        half = classes // 2
        found = np.round(np.clip(values, -half, half)) + half
    return found.astype(np.float32)


def level_edges(ratings: npt.ArrayLike) -> FloatArray:
    """Find edges that cut training ratings of arousal or valence into five equal parts.

    For ratings on a continuous scale: the labels of MuSe-Sent (jiang2021) come as classes already,
    made from signals by a clustering that the paper does not give.

    Parameters
    ----------
    ratings : float [...]
        Of training data; NaN where unknown.

    Returns
    -------
    float32 [4]
        The quintiles.

    Raises
    ------
    ValueError
        If no rating is known.
    """
    values = np.asarray(ratings, dtype=np.float64)
    known = values[np.isfinite(values)]
    if known.size == 0:
        raise ValueError("level edges need at least one known rating")
    shares = np.arange(1, len(LEVELS)) / len(LEVELS)
    edges: FloatArray = np.quantile(known, shares).astype(np.float32)
    return edges


def level_classes(ratings: npt.ArrayLike, edges: FloatArray) -> FloatArray:
    """Cut ratings at edges: index 0 below the first, an edge itself belongs above it.

    Parameters
    ----------
    ratings : float [...]
        NaN where unknown.
    edges : float32 [4]
        Ascending.

    Returns
    -------
    float32 [...]
        Indices into `LEVELS`; NaN where unknown.
    """
    values = np.asarray(ratings, dtype=np.float32)
    found = np.searchsorted(edges, values, side="right").astype(np.float32)
    return np.where(np.isnan(values), np.float32(np.nan), found)
