"""Metrics of the papers, as pure functions of NumPy arrays.

Classification metrics come from scikit-learn and correlations from SciPy, imported on use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_]
Values = npt.NDArray[np.floating[Any]]


def accuracy(reference: Labels, estimate: Labels) -> float:
    """Share of equal labels ``[N]``."""
    return float(np.mean(reference == estimate))


def weighted_f1(reference: Labels, estimate: Labels) -> float:
    """F1 of each class, averaged by the class's share of the reference."""
    return _f1(reference, estimate, "weighted")


def macro_f1(reference: Labels, estimate: Labels) -> float:
    """Plain mean of F1 over the classes that occur in reference or estimate."""
    return _f1(reference, estimate, "macro")


def _f1(reference: Labels, estimate: Labels, average: str) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(reference, estimate, average=average, zero_division=0.0))


def unweighted_average_recall(reference: Labels, estimate: Labels) -> float:
    """Mean recall over the classes that occur in the reference (UAR, balanced accuracy)."""
    classes = np.unique(reference)
    return float(np.mean([np.mean(estimate[reference == label] == label) for label in classes]))


def weighted_accuracy(reference: npt.NDArray[np.bool_], estimate: npt.NDArray[np.bool_]) -> float:
    """Compute ``(TP * N / P + TN) / (2 N)`` of a binary decision ``[n]`` (Tong et al. 2017).

    P and N are the positives and negatives of the reference, so this is the mean of both
    recalls. NaN where the reference has only one class.
    """
    reference, estimate = np.asarray(reference, bool), np.asarray(estimate, bool)
    positives, negatives = int(reference.sum()), int((~reference).sum())
    if positives == 0 or negatives == 0:
        return float("nan")
    true_positives = int((reference & estimate).sum())
    true_negatives = int((~reference & ~estimate).sum())
    return (true_positives * negatives / positives + true_negatives) / (2 * negatives)


def mean_absolute_error(reference: Values, estimate: Values) -> float:
    """MAE."""
    return float(np.mean(np.abs(np.asarray(reference, np.float64) - estimate)))


def mean_squared_error(reference: Values, estimate: Values) -> float:
    """MSE."""
    return float(np.mean((np.asarray(reference, np.float64) - estimate) ** 2))


def pearson(reference: Values, estimate: Values) -> float:
    """Pearson correlation of ``[N]``; NaN where one side is constant or N < 2."""
    from scipy.stats import pearsonr

    if len(reference) < 2 or np.ptp(reference) == 0 or np.ptp(estimate) == 0:
        return float("nan")
    return float(pearsonr(reference, estimate)[0])


def cosine(reference: Values, estimate: Values) -> float:
    """Cosine of the angle between the two vectors ``[N]``; NaN where one is zero."""
    left, right = np.asarray(reference, np.float64), np.asarray(estimate, np.float64)
    norm = float(np.linalg.norm(left) * np.linalg.norm(right))
    return float(left @ right) / norm if norm > 0 else float("nan")
