"""Metrics of the papers, as pure functions of NumPy arrays.

Classification metrics come from scikit-learn and correlations from SciPy, imported on use. Every
metric of no utterances at all is NaN.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_]
Values = npt.NDArray[np.floating[Any]]


def accuracy(reference: Labels, estimate: Labels) -> float:
    """Share of equal labels ``[N]``."""
    return _mean(reference == estimate)


def _mean(values: npt.NDArray[Any]) -> float:
    return float(np.mean(values)) if np.size(values) else float("nan")


def weighted_f1(reference: Labels, estimate: Labels) -> float:
    """F1 of each class, averaged by the class's share of the reference."""
    return _f1(reference, estimate, "weighted")


def macro_f1(reference: Labels, estimate: Labels) -> float:
    """Plain mean of F1 over the classes that occur in reference or estimate."""
    return _f1(reference, estimate, "macro")


def _f1(reference: Labels, estimate: Labels, average: str) -> float:
    if len(reference) == 0:
        return float("nan")
    from sklearn.metrics import f1_score

    return float(f1_score(reference, estimate, average=average, zero_division=0.0))


def unweighted_average_recall(reference: Labels, estimate: Labels) -> float:
    """Mean recall over the classes that occur in the reference (UAR, balanced accuracy).

    The measure of speech emotion challenges since Schuller et al. 2009.
    """
    classes = np.unique(reference)
    return _mean(np.array([np.mean(estimate[reference == label] == label) for label in classes]))


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


# Whether an intensity of zero counts as positive, or its utterances are left out.
Zeros = Literal["non-negative", "excluded"]


def binary_labels(
    reference: Values, estimate: Values, zeros: Zeros = "non-negative"
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Turn sentiment intensities ``[N]`` into two classes, by either of the field's conventions.

    Parameters
    ----------
    reference, estimate : float [N]
        In [-3, 3] or any other scale around zero.
    zeros : {"non-negative", "excluded"}
        ``non-negative``: below zero against the rest (Zadeh et al. 2018, akhtar2019 section 4.1).
        ``excluded``: above zero against the rest, without the utterances labelled exactly zero
        (Tsai et al. 2019).

    Returns
    -------
    reference, estimate : bool [N] or fewer
    """
    reference, estimate = np.asarray(reference), np.asarray(estimate)
    if zeros == "non-negative":
        return reference >= 0, estimate >= 0
    kept = reference != 0
    return reference[kept] > 0, estimate[kept] > 0


def acc2(reference: Values, estimate: Values, zeros: Zeros = "non-negative") -> float:
    """Accuracy of the two classes that intensities ``[N]`` imply; see `binary_labels`."""
    return accuracy(*binary_labels(reference, estimate, zeros))


def binary_f1(reference: Values, estimate: Values, zeros: Zeros = "non-negative") -> float:
    """Weighted F1 of the two classes that intensities ``[N]`` imply; see `binary_labels`."""
    return weighted_f1(*binary_labels(reference, estimate, zeros))


def acc5(reference: Values, estimate: Values) -> float:
    """Accuracy of intensities ``[N]`` cut to [-2, 2] and rounded (Acc-5)."""
    return _rounded_accuracy(reference, estimate, 2)


def acc7(reference: Values, estimate: Values) -> float:
    """Accuracy of intensities ``[N]`` cut to [-3, 3] and rounded (Acc-7; Tsai et al. 2019)."""
    return _rounded_accuracy(reference, estimate, 3)


def _rounded_accuracy(reference: Values, estimate: Values, limit: int) -> float:
    # Halves go to the even number on both sides, as in the field's evaluation code.
    left, right = (np.round(np.clip(values, -limit, limit)) for values in (reference, estimate))
    return _mean(left == right)


def mean_absolute_error(reference: Values, estimate: Values) -> float:
    """MAE of ``[N]``."""
    return _mean(np.abs(np.asarray(reference, np.float64) - estimate))


def mean_squared_error(reference: Values, estimate: Values) -> float:
    """MSE of ``[N]``."""
    return _mean((np.asarray(reference, np.float64) - estimate) ** 2)


def pearson(reference: Values, estimate: Values) -> float:
    """Pearson correlation of ``[N]``; NaN where one side is constant or N < 2."""
    from scipy.stats import pearsonr

    if len(reference) < 2 or np.ptp(reference) == 0 or np.ptp(estimate) == 0:
        return float("nan")
    return float(pearsonr(reference, estimate)[0])


def ccc(reference: Values, estimate: Values) -> float:
    """Concordance correlation coefficient of ``[N]`` (Lin 1989, equation 2.1).

    ``2 s_xy / (s_x^2 + s_y^2 + (mean_x - mean_y)^2)`` with moments divided by N, as Lin defines
    the estimate. NaN where one side is constant or N < 2, as Pearson's: the formula gives 0 there,
    which would be told and averaged as if something had been measured.
    """
    x, y = np.asarray(reference, np.float64), np.asarray(estimate, np.float64)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    shift = x.mean() - y.mean()
    covariance = np.mean((x - x.mean()) * (y - y.mean()))
    spread = x.var() + y.var() + shift**2
    return float(2 * covariance / spread)


def cosine(reference: Values, estimate: Values) -> float:
    """Cosine of the angle between the two vectors ``[N]``; NaN where one is zero."""
    left, right = np.asarray(reference, np.float64), np.asarray(estimate, np.float64)
    norm = float(np.linalg.norm(left) * np.linalg.norm(right))
    return float(left @ right) / norm if norm > 0 else float("nan")
