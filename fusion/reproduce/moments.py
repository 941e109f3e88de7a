"""Every metric of the tables from sums over videos, so that resampling videos costs nothing.

All of the papers' metrics are functions of sums over utterances: counts of a confusion matrix, or
sums of errors, squares and products. Summed a video at a time, a bootstrap over videos adds up a
few numbers a video instead of going through thousands of utterances again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.config import EMOTION_CLASSES, EMOTIONS, SINGLE_LABEL_TASKS, TaskName
from affect_pipe.pipeline.records import FloatArray

Sums = npt.NDArray[np.float64]
# The papers' intensities run to 3; targets and outputs are scaled by this.
INTENSITY_SCALE = 3.0
CLASS_METRICS = ("accuracy", "weighted_f1", "macro_f1", "uar")
EMOTION_METRICS = ("emotion_f1", "emotion_w_acc")
VALUE_METRICS = ("mae", "mse", "pearson", "cosine")


@dataclass(frozen=True)
class Thresholds:
    """Sigmoid outputs above these are emotions, by the metric that is judged."""

    f1: float = 0.4
    w_acc: float = 0.2


def metrics_of(task: TaskName) -> tuple[str, ...]:
    """Return the metrics a task has."""
    if task in SINGLE_LABEL_TASKS:
        return CLASS_METRICS
    return EMOTION_METRICS if task == "emotion_class" else VALUE_METRICS


def video_sums(
    task: TaskName,
    metric: str,
    target: FloatArray,
    values: FloatArray,
    videos: npt.NDArray[np.int64],
    n_videos: int,
    thresholds: Thresholds,
) -> Sums:
    """Sum up a metric's ingredients over the utterances of each video.

    Parameters
    ----------
    target : float32 [N, w]
        NaN where unknown; such elements add nothing.
    values : float32 [N, k]
        Probabilities or scaled intensities.
    videos : int [N]
        Index of each utterance's video, below ``n_videos``.

    Returns
    -------
    float64 [n_videos, ...]
        For `evaluate`, which takes any sum over the first axis.
    """
    if task in SINGLE_LABEL_TASKS:
        classes = values.shape[1]
        known = ~np.isnan(target[:, 0])
        reference = target[known, 0].astype(np.int64)
        place = (videos[known] * classes + reference) * classes + values[known].argmax(axis=1)
        counts = np.bincount(place, minlength=n_videos * classes**2)
        return counts.reshape(n_videos, classes, classes).astype(np.float64)
    if task == "emotion_class":
        limit = thresholds.f1 if metric == "emotion_f1" else thresholds.w_acc
        tables = []
        for index in range(len(EMOTION_CLASSES)):
            known = ~np.isnan(target[:, index])
            # Truncation would do for 0 and 1; a rating in between is still "present".
            pair = 2 * (target[known, index] > 0) + (values[known, index] > np.float32(limit))
            counts = np.bincount(videos[known] * 4 + pair, minlength=4 * n_videos)
            tables.append(counts.reshape(n_videos, 2, 2))
        stacked: Sums = np.stack(tables, axis=1).astype(np.float64)
        return stacked
    columns = target.shape[1]
    here = ~np.isnan(target)
    y = np.where(here, INTENSITY_SCALE * target.astype(np.float64), 0.0)
    p = np.where(here, INTENSITY_SCALE * values.astype(np.float64), 0.0)
    parts = np.stack([here, np.abs(y - p), (y - p) ** 2, y, p, y * y, p * p, y * p], axis=-1)
    sums = np.zeros((n_videos, columns, parts.shape[-1]))
    np.add.at(sums, videos, parts)
    return sums


def evaluate(task: TaskName, metric: str, sums: Sums) -> npt.NDArray[np.float64]:
    """Compute a metric from sums over videos.

    Parameters
    ----------
    sums : float64 [..., *ingredients]
        As `video_sums` gives them, added up over videos; leading axes are kept.

    Returns
    -------
    float64 [...]
        NaN where undefined. Metrics of several emotions are means over those that are defined.

    Raises
    ------
    ValueError
        If the task has no such metric.
    """
    if metric not in metrics_of(task):
        raise ValueError(f"{task} has no metric {metric!r}: it has {', '.join(metrics_of(task))}")
    with np.errstate(divide="ignore", invalid="ignore"):
        if task in SINGLE_LABEL_TASKS:
            return _CLASS[metric](sums)
        if task == "emotion_class":
            kind = "weighted_f1" if metric == "emotion_f1" else "uar_both"
            return _mean(_CLASS[kind](sums))
        return _mean(_of_values(metric, sums))


def _accuracy(counts: Sums) -> Sums:
    hits: Sums = np.trace(counts, axis1=-2, axis2=-1)
    return np.asarray(hits / counts.sum(axis=(-2, -1)))


def _f1_by_class(counts: Sums) -> tuple[Sums, Sums, Sums]:
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    truth, found = counts.sum(axis=-1), counts.sum(axis=-2)
    both = truth + found
    # A class that neither occurs nor is predicted has F1 zero, as scikit-learn's zero_division=0.
    return np.where(both > 0, 2 * hits / np.where(both > 0, both, 1.0), 0.0), truth, found


def _weighted_f1(counts: Sums) -> Sums:
    f1, truth, _ = _f1_by_class(counts)
    return np.asarray((f1 * truth).sum(axis=-1) / truth.sum(axis=-1))


def _macro_f1(counts: Sums) -> Sums:
    """Mean over the classes that occur or are predicted, as scikit-learn takes it."""
    f1, truth, found = _f1_by_class(counts)
    seen = truth + found > 0
    return np.asarray((f1 * seen).sum(axis=-1) / seen.sum(axis=-1))


def _recall_mean(counts: Sums, every_class: bool = False) -> Sums:
    truth = counts.sum(axis=-1)
    recall = np.diagonal(counts, axis1=-2, axis2=-1) / truth
    # W-Acc (Tong et al. 2017) is the mean of both recalls, and undefined without one class.
    return np.mean(recall, axis=-1) if every_class else _mean(recall)


_CLASS: Mapping[str, Callable[[Sums], Sums]] = {
    "accuracy": _accuracy,
    "weighted_f1": _weighted_f1,
    "macro_f1": _macro_f1,
    "uar": _recall_mean,
    "uar_both": partial(_recall_mean, every_class=True),
}


def _of_values(metric: str, sums: Sums) -> Sums:
    n, absolute, squared, y, p, yy, pp, yp = np.moveaxis(sums, -1, 0)
    if metric == "mae":
        return np.asarray(absolute / n)
    if metric == "mse":
        return np.asarray(squared / n)
    if metric == "cosine":
        return _positive(yp, yy * pp)
    spread = (yy - y * y / n) * (pp - p * p / n)
    return _positive(yp - y * p / n, spread)


def _positive(product: Sums, squares: Sums) -> Sums:
    """``product / sqrt(squares)``, NaN where the squares vanish but for rounding."""
    vanishes = squares <= 1e-12
    return np.where(vanishes, np.nan, product / np.sqrt(np.where(vanishes, 1.0, squares)))


def _mean(values: Sums) -> Sums:
    """Mean over the last axis of what is defined; NaN where nothing is."""
    defined = np.isfinite(values)
    count = defined.sum(axis=-1)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def emotion_names(task: TaskName) -> Sequence[str]:
    """Names of the columns of an emotion task, in order."""
    return EMOTION_CLASSES if task == "emotion_class" else EMOTIONS
