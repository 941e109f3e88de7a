"""The probability from which a checkpoint of own videos stands by its sentiment class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.calibration import judged
from affect_pipe.fusion.config import EvidenceSettings
from affect_pipe.fusion.normalise import Normaliser
from affect_pipe.fusion.selection import OperatingPoint, limit_for_accuracy, risk_coverage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from affect_pipe.fusion.models.fusion import FusionModel

# With fewer, one utterance moves the accuracy of those kept by several points.
MIN_LABELLED = 50
# Probabilities are float32, and a video alone adds in another order than a batch.
_DIGITS = 6


@dataclass(frozen=True)
class EvidenceChoice:
    """A limit and what it gives: on dev, which it was chosen on, and on test, where there is one.

    On test the accuracy is NaN where nothing is kept.
    """

    dev: OperatingPoint
    test: OperatingPoint | None = None

    @property
    def settings(self) -> EvidenceSettings:
        """The limit as a checkpoint holds it."""
        return EvidenceSettings(min_probability={"sentiment_class": self.dev.limit})

    def as_text(self) -> str:
        """Return one line to print."""
        found = {"dev": self.dev} | ({} if self.test is None else {"test": self.test})
        shown = "; ".join(
            f"{split}: keeps {point.coverage:.0%}, of which {point.accuracy:.1%} are right"
            for split, point in found.items()
        )
        return f"evidence: sentiment_class from probability {self.dev.limit:.3f}; {shown}"


def choose_evidence(
    model: FusionModel,
    dev: Sequence[Dialogue],
    test: Sequence[Dialogue],
    normaliser: Normaliser,
    accuracy: float,
) -> EvidenceChoice | str:
    """Choose the limit on dev that keeps most, with so many of those kept right.

    Parameters
    ----------
    model : FusionModel
        Calibrated.
    dev, test : sequence of Dialogue
        ``test`` may be empty; nothing is chosen by it.
    accuracy : float
        In (0, 1]. On other videos than dev's it is an estimate, no guarantee.

    Returns
    -------
    EvidenceChoice or str
        Or a sentence that says why there is no limit.
    """
    if "sentiment_class" not in model.tasks:
        return "no evidence limit is set: the labels have no sentiment to be right about"
    confidence, correct = _judged(model, dev, normaliser)
    if len(confidence) < MIN_LABELLED:
        return (
            f"no evidence limit is set: dev has {len(confidence)} utterances with a sentiment "
            f"label, and it takes {MIN_LABELLED} to choose one"
        )
    curve = risk_coverage(confidence, correct)
    chosen = limit_for_accuracy(curve, accuracy)
    if chosen is None:
        return (
            f"no evidence limit is set: at none are {accuracy:.1%} of dev's sentiments right; "
            f"without a limit {1 - curve.risk[-1]:.1%} are"
        )
    limit = math.floor(chosen.limit * 10**_DIGITS) / 10**_DIGITS
    point = _measure(limit, confidence, correct)
    confidence, correct = _judged(model, test, normaliser)
    return EvidenceChoice(point, _measure(limit, confidence, correct) if len(correct) else None)


def _judged(
    model: FusionModel, dialogues: Sequence[Dialogue], normaliser: Normaliser
) -> tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.bool_]]:
    import numpy as np

    from affect_pipe.fusion.inference import gather, predict_values

    values = predict_values(model, dialogues, normaliser)
    target, estimate = gather("sentiment_class", dialogues, values)
    if not len(target):
        return np.empty(0), np.empty(0, bool)
    return judged("sentiment_class", estimate, target)


def _measure(
    limit: float, confidence: npt.NDArray[np.floating[Any]], correct: npt.NDArray[np.bool_]
) -> OperatingPoint:
    kept = confidence >= limit
    right = float(correct[kept].mean()) if kept.any() else math.nan
    return OperatingPoint(limit, float(kept.mean()), right)
