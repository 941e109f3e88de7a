"""Decision thresholds of the emotion sigmoids, found on validation data.

The papers use one threshold for all emotions, chosen by hand, and name an automatic choice for
each emotion and objective as future work (akhtar2020, section 5); this is that.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion import metrics
from affect_pipe.fusion.config import EMOTION_CLASSES
from affect_pipe.pipeline.records import FloatArray

# Objective of a binary decision: reference and estimate to a score, the higher the better.
Objective = Callable[[npt.NDArray[np.bool_], npt.NDArray[np.bool_]], float]
GRID = np.round(np.arange(0.02, 0.981, 0.01), 2)
# With fewer positives than this a threshold would follow the noise of single utterances.
MIN_POSITIVES = 5


def positive_f1(reference: npt.NDArray[np.bool_], estimate: npt.NDArray[np.bool_]) -> float:
    """F1 of the positive class; zero where nothing is positive on either side."""
    true_positives = int((reference & estimate).sum())
    total = int(reference.sum()) + int(estimate.sum())
    return 2 * true_positives / total if total else 0.0


def calibrate(
    target: FloatArray, probabilities: FloatArray, objective: Objective, default: float
) -> dict[str, float]:
    """Choose each emotion's threshold on validation data.

    Parameters
    ----------
    target : float32 [N, 7]
        0 or 1, NaN where unknown.
    probabilities : float32 [N, 7]
    objective : callable
        `positive_f1`, `affect_pipe.fusion.metrics.weighted_f1`, `metrics.weighted_accuracy`...
    default : float
        For emotions with too few positives or negatives to choose by.

    Returns
    -------
    dict of emotion class to threshold
        The middle of the longest run of equally good grid points, so that the choice does not
        sit on an edge.
    """
    found: dict[str, float] = {}
    for index, emotion in enumerate(EMOTION_CLASSES):
        known = ~np.isnan(target[:, index])
        reference = target[known, index] > 0
        if min(int(reference.sum()), int((~reference).sum())) < MIN_POSITIVES:
            found[emotion] = default
            continue
        estimate = probabilities[known, index]
        scores = np.array([objective(reference, estimate > limit) for limit in GRID])
        found[emotion] = float(GRID[_middle_of_longest_run(scores == np.nanmax(scores))])
    return found


def _middle_of_longest_run(best: npt.NDArray[np.bool_]) -> int:
    runs = np.split(np.flatnonzero(best), np.flatnonzero(np.diff(np.flatnonzero(best)) > 1) + 1)
    longest = max(runs, key=len)
    return int(longest[len(longest) // 2])


OBJECTIVES: dict[str, Objective] = {
    "f1": positive_f1,
    "w_acc": metrics.weighted_accuracy,
}
