"""Decision thresholds of the emotion sigmoids, found on validation data.

The papers use one threshold for all emotions, chosen by hand, and name an automatic choice for
each emotion and objective as future work (akhtar2020, section 5); this is that: `calibrate` for one
objective, `pareto_front` for what can be had of two at once. Probabilities are to be calibrated
first (`affect_pipe.fusion.calibration`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Compromise:
    """Thresholds that nothing beats on both objectives.

    Attributes
    ----------
    f1, w_acc : float
        Weighted F1 and weighted accuracy, means over the emotions that have both labels.
    thresholds : dict of emotion class to threshold
    """

    f1: float
    w_acc: float
    thresholds: dict[str, float]


def pareto_front(
    target: FloatArray, probabilities: FloatArray, default: float = 0.4
) -> list[Compromise]:
    """Find all compromises between mean F1 and mean W-Acc that no thresholds of the grid beat.

    Both means are sums over emotions, and each emotion has its own threshold. So whatever is
    dominated within one emotion, or among the sums of some emotions, is dominated in the whole: the
    front grows emotion by emotion and is exact over all ``97 ** 7`` choices.

    Parameters
    ----------
    target : float32 [N, 7]
        0 or 1, NaN where unknown.
    probabilities : float32 [N, 7]
    default : float
        For emotions that lack positives or negatives; they are in neither mean.

    Returns
    -------
    list of Compromise
        By falling F1 and rising W-Acc; of equal pairs of scores one is kept. Empty where no
        emotion has both labels.
    """
    points, choices = np.zeros((1, 2)), np.zeros((1, 0), dtype=np.int64)
    judged: list[str] = []
    for index, emotion in enumerate(EMOTION_CLASSES):
        known = ~np.isnan(target[:, index])
        reference = target[known, index] > 0
        if reference.all() or not reference.any():
            continue
        judged.append(emotion)
        own = grid_scores(reference, probabilities[known, index])
        own_places = non_dominated(own)
        sums = (points[:, None] + own[own_places]).reshape(-1, 2)
        pairs = np.array([(i, j) for i in range(len(points)) for j in own_places])
        kept = non_dominated(sums)
        points = sums[kept]
        choices = np.column_stack([choices[pairs[kept, 0]], pairs[kept, 1]])
    if not judged:
        return []
    means = points / len(judged)
    return [
        Compromise(
            float(f1),
            float(w_acc),
            dict.fromkeys(EMOTION_CLASSES, default)
            | {name: float(GRID[place]) for name, place in zip(judged, places, strict=True)},
        )
        for (f1, w_acc), places in zip(means, choices, strict=True)
    ]


def grid_scores(
    reference: npt.NDArray[np.bool_], probabilities: FloatArray
) -> npt.NDArray[np.float64]:
    """Weighted F1 and weighted accuracy of one emotion at every threshold of `GRID`.

    `affect_pipe.fusion.metrics.weighted_f1` and `weighted_accuracy`, from counts, for all at once.

    Parameters
    ----------
    reference : bool [n]
        Of both kinds.
    probabilities : float32 [n]

    Returns
    -------
    float64 [97, 2]
    """
    # float32 against float32, as decisions are made.
    decided = probabilities[:, None] > GRID.astype(probabilities.dtype)
    positives, negatives = int(reference.sum()), int((~reference).sum())
    tp = decided[reference].sum(axis=0)
    fp = decided[~reference].sum(axis=0)
    fn, tn = positives - tp, negatives - fp
    f1_positive = 2 * tp / (2 * tp + fp + fn)
    f1_negative = 2 * tn / (2 * tn + fp + fn)
    f1 = (positives * f1_positive + negatives * f1_negative) / len(reference)
    return np.column_stack([f1, (tp / positives + tn / negatives) / 2])


def non_dominated(points: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.intp]:
    """Return the indices of the points that none is better than in both coordinates.

    A point is dominated by one that is at least as good in both and better in one; of equal points
    the first is kept.

    Parameters
    ----------
    points : float [n, 2]
        The higher the better.

    Returns
    -------
    int [k]
        By falling first coordinate.
    """
    order = np.lexsort((np.arange(len(points)), -points[:, 1], -points[:, 0]))
    second = points[order, 1]
    # In this order a point stands if it is better in the second than all before it.
    best = np.maximum.accumulate(second)
    stands = np.append(True, second[1:] > best[:-1]) if len(points) else np.zeros(0, bool)
    found: npt.NDArray[np.intp] = order[stands]
    return found
