"""The tasks: each owns its target's encoding, activation, loss, decision rule and metrics.

Targets are described in `affect_pipe.fusion.batch.Dialogue`. Sentiment intensity is the papers'
[-3, 3] divided by 3, emotion intensity their [0, 3] divided by 3. Emotion intensity is given for
the six emotions; "no-emotion" has no degree, and results print 0 for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from affect_pipe.fusion import losses, metrics
from affect_pipe.fusion.config import (
    EMOTION_CLASSES,
    EMOTIONS,
    PAPER_THRESHOLDS,
    TaskName,
    TaskSettings,
)
from affect_pipe.pipeline.records import FloatArray

# The papers' intensities run to 3; targets and outputs are scaled by this.
INTENSITY_SCALE = 3.0

Thresholds = Mapping[str, Mapping[str, float]]
"""Per objective (``f1``, ``w_acc``...), a decision threshold for each emotion class."""


def paper_thresholds() -> dict[str, dict[str, float]]:
    """Return the papers' thresholds, the same for every emotion: 0.4 for F1, 0.2 for W-Acc."""
    return {
        objective: dict.fromkeys(EMOTION_CLASSES, threshold)
        for objective, threshold in PAPER_THRESHOLDS.items()
    }


class Task(Protocol):
    """One thing a model predicts for an utterance."""

    name: TaskName
    settings: TaskSettings

    def loss(self, logits: Tensor, target: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
        """Loss of ``logits [N, width]``; see `affect_pipe.fusion.losses`."""

    def activate(self, logits: Tensor) -> Tensor:
        """Turn logits into probabilities or intensities, ``[..., width]``."""

    def score(
        self, target: FloatArray, values: FloatArray, thresholds: Thresholds
    ) -> dict[str, float]:
        """Metrics over ``[N, ...]`` utterances; unknown targets (NaN) are left out."""


class _SingleLabel:
    """One class of several: softmax, cross-entropy, the most probable class."""

    name: TaskName

    def __init__(self, settings: TaskSettings) -> None:
        self.settings = settings

    def loss(self, logits: Tensor, target: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
        """Cross-entropy."""
        return losses.softmax_cross_entropy(logits, target, mask, weights)

    def activate(self, logits: Tensor) -> Tensor:
        """Softmax over the classes, at the settings' temperature."""
        return _cooled(logits, self.settings).softmax(dim=-1)

    def score(
        self, target: FloatArray, values: FloatArray, thresholds: Thresholds
    ) -> dict[str, float]:
        """Accuracy, weighted and macro F1, unweighted average recall."""
        known = ~np.isnan(target[:, 0])
        if not known.any():
            return {}
        reference, estimate = target[known, 0].astype(np.int64), values[known].argmax(axis=1)
        return _class_scores(reference, estimate)


class SentimentClass(_SingleLabel):
    """SC with 2, 3, 5 or 7 classes (akhtar2019 section 4.1, chauhan2019 section 4.2)."""

    name: TaskName = "sentiment_class"


class ArousalClass(_SingleLabel):
    """Five classes of arousal, one each 250 ms (jiang2021, equations 10 and 11; macro F1)."""

    name: TaskName = "arousal_class"


class ValenceClass(_SingleLabel):
    """Five classes of valence, one each 250 ms (jiang2021, equations 10 and 11; macro F1)."""

    name: TaskName = "valence_class"


class SentimentIntensity:
    """SI: tanh in [-1, 1]; MSE by default."""

    name: TaskName = "sentiment_intensity"

    def __init__(self, settings: TaskSettings) -> None:
        self.settings = settings

    def loss(self, logits: Tensor, target: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
        """MSE, or the paper's binary cross-entropy carried over to (y + 1) / 2."""
        if self.settings.loss == "bce":
            # (tanh(z) + 1) / 2 = sigmoid(2 z), so the cross-entropy stays exact in the logits.
            return losses.binary_cross_entropy(2 * logits, (target + 1) / 2, mask, weights)
        return losses.squared_error(torch.tanh(logits), target, mask, weights)

    def activate(self, logits: Tensor) -> Tensor:
        """Hyperbolic tangent."""
        return torch.tanh(logits)

    def score(
        self, target: FloatArray, values: FloatArray, thresholds: Thresholds
    ) -> dict[str, float]:
        """MAE, MSE, Pearson, CCC and cosine on the papers' [-3, 3], and the classes it implies.

        ``acc2``, ``f1`` take zero as non-negative, ``acc2_nonzero``, ``f1_nonzero`` leave out
        utterances labelled zero; see `affect_pipe.fusion.metrics.acc2`.
        """
        known = ~np.isnan(target[:, 0])
        if not known.any():
            return {}
        target, values = target[known, 0], values[known, 0]
        return {**_intensity_scores(target, values), **_implied_scores(target, values)}


class EmotionClass:
    """EC: seven sigmoids, multi-label; an emotion is present above its threshold."""

    name: TaskName = "emotion_class"

    def __init__(self, settings: TaskSettings) -> None:
        self.settings = settings

    def loss(self, logits: Tensor, target: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
        """Binary cross-entropy, and the weighted softmax cross-entropy if the settings ask."""
        total = losses.binary_cross_entropy(logits, target, mask, weights)
        if self.settings.softmax_weight:
            spread = losses.spread_cross_entropy(logits, target, mask, weights)
            total = total + self.settings.softmax_weight * spread
        return total

    def activate(self, logits: Tensor) -> Tensor:
        """Sigmoid of each class, at the settings' temperature."""
        return _cooled(logits, self.settings).sigmoid()

    def score(
        self, target: FloatArray, values: FloatArray, thresholds: Thresholds
    ) -> dict[str, float]:
        """Per objective, F1 and W-Acc of each class and their means; and of the top class.

        The ``top_*`` metrics compare the most probable class with the label of the utterances
        that carry exactly one.
        """
        scores: dict[str, float] = {}
        for objective, by_emotion in thresholds.items():
            estimate = decide_emotions(values, by_emotion)
            for index, emotion in enumerate(EMOTION_CLASSES):
                known = ~np.isnan(target[:, index])
                if not known.any():
                    continue
                reference = target[known, index] > 0
                decided = estimate[known, index]
                # As W-Acc: there is nothing to find where all or none have the emotion.
                both = reference.any() and not reference.all()
                scores[f"{objective}/{emotion}/f1"] = (
                    metrics.weighted_f1(reference, decided) if both else float("nan")
                )
                scores[f"{objective}/{emotion}/w_acc"] = metrics.weighted_accuracy(
                    reference, decided
                )
            for metric in ("f1", "w_acc"):
                each = [scores.get(f"{objective}/{e}/{metric}", np.nan) for e in EMOTION_CLASSES]
                if not np.isnan(each).all():
                    scores[f"{objective}/{metric}"] = float(np.nanmean(each))
        single = ~np.isnan(target).any(axis=1) & (np.nansum(target, axis=1) == 1)
        if single.any():
            top = _class_scores(target[single].argmax(axis=1), values[single].argmax(axis=1))
            scores.update({f"top_{name}": value for name, value in top.items()})
        return scores


class EmotionIntensity:
    """EI: a sigmoid for each of the six emotions; binary cross-entropy by default."""

    name: TaskName = "emotion_intensity"

    def __init__(self, settings: TaskSettings) -> None:
        self.settings = settings

    def loss(self, logits: Tensor, target: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
        """Binary cross-entropy (akhtar2020 section 4.3), or MSE."""
        if self.settings.loss == "mse":
            return losses.squared_error(logits.sigmoid(), target, mask, weights)
        return losses.binary_cross_entropy(logits, target, mask, weights)

    def activate(self, logits: Tensor) -> Tensor:
        """Sigmoid of each emotion."""
        return logits.sigmoid()

    def score(
        self, target: FloatArray, values: FloatArray, thresholds: Thresholds
    ) -> dict[str, float]:
        """MAE, MSE, Pearson, CCC and cosine on the papers' [0, 3], each emotion and their means."""
        scores: dict[str, float] = {}
        for index, emotion in enumerate(EMOTIONS):
            known = ~np.isnan(target[:, index])
            if known.any():
                each = _intensity_scores(target[known, index], values[known, index])
                scores.update({f"{emotion}/{name}": value for name, value in each.items()})
        for metric in ("mae", "mse", "pearson", "ccc", "cosine"):
            means = [scores.get(f"{emotion}/{metric}", np.nan) for emotion in EMOTIONS]
            if not np.isnan(means).all():
                scores[metric] = float(np.nanmean(means))
        return scores


_CLASSES: dict[TaskName, type[Task]] = {
    "sentiment_class": SentimentClass,
    "sentiment_intensity": SentimentIntensity,
    "emotion_class": EmotionClass,
    "emotion_intensity": EmotionIntensity,
    "arousal_class": ArousalClass,
    "valence_class": ValenceClass,
}


def build_task(settings: TaskSettings) -> Task:
    """Make the task the settings name."""
    task_class = _CLASSES[settings.name]
    return task_class(settings)  # type: ignore[call-arg]


def _cooled(logits: Tensor, settings: TaskSettings) -> Tensor:
    """Divide logits by the temperature found on validation data (Guo et al. 2017, section 4.2)."""
    # Untouched at 1, so that an uncalibrated model predicts what it always did, bit for bit.
    return logits if settings.temperature == 1.0 else logits / settings.temperature


def decide_emotions(
    probabilities: FloatArray, thresholds: Mapping[str, float]
) -> npt.NDArray[np.bool_]:
    """Which of the seven classes are present.

    Parameters
    ----------
    probabilities : float32 [..., 7]
    thresholds : mapping of emotion class to threshold
    """
    limits = np.array([thresholds[emotion] for emotion in EMOTION_CLASSES], dtype=np.float32)
    return probabilities > limits


def _class_scores(
    reference: npt.NDArray[np.int64], estimate: npt.NDArray[np.int64]
) -> dict[str, float]:
    return {
        "accuracy": metrics.accuracy(reference, estimate),
        "weighted_f1": metrics.weighted_f1(reference, estimate),
        "macro_f1": metrics.macro_f1(reference, estimate),
        "uar": metrics.unweighted_average_recall(reference, estimate),
    }


def _intensity_scores(target: FloatArray, values: FloatArray) -> dict[str, float]:
    reference, estimate = INTENSITY_SCALE * target, INTENSITY_SCALE * values
    return {
        "mae": metrics.mean_absolute_error(reference, estimate),
        "mse": metrics.mean_squared_error(reference, estimate),
        "pearson": metrics.pearson(reference, estimate),
        "ccc": metrics.ccc(reference, estimate),
        "cosine": metrics.cosine(reference, estimate),
    }


def _implied_scores(target: FloatArray, values: FloatArray) -> dict[str, float]:
    """Accuracies of the sentiment classes that intensities imply."""
    # A label of 0.5, scaled to a third in float32 and back, must not fall to either side of 0.5.
    reference = np.round(INTENSITY_SCALE * target.astype(np.float64), 5)
    estimate = INTENSITY_SCALE * values
    return {
        "acc2": metrics.acc2(reference, estimate),
        "f1": metrics.binary_f1(reference, estimate),
        "acc2_nonzero": metrics.acc2(reference, estimate, zeros="excluded"),
        "f1_nonzero": metrics.binary_f1(reference, estimate, zeros="excluded"),
        "acc5": metrics.acc5(reference, estimate),
        "acc7": metrics.acc7(reference, estimate),
    }
