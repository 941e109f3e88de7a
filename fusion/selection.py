"""Selective classification: which predictions to keep, so that those kept are right often enough.

El-Yaniv and Wiener 2010: a classifier with a reject option is described by its coverage, the share
of samples it judges, and its selective risk, the share of errors among those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """The risk-coverage curve of a confidence, one point a distinct confidence.

    Attributes
    ----------
    limits : float64 [k]
        Falling: a prediction is kept from this confidence on.
    coverage : float64 [k]
        Share that is kept, rising to 1.
    risk : float64 [k]
        Share of errors among those kept.
    """

    limits: npt.NDArray[np.float64]
    coverage: npt.NDArray[np.float64]
    risk: npt.NDArray[np.float64]

    @property
    def area(self) -> float:
        """Mean risk over the coverages (AURC; Geifman et al. 2019), the lower the better."""
        steps = np.diff(self.coverage, prepend=0.0)
        return float((self.risk * steps).sum())


@dataclass(frozen=True)
class OperatingPoint:
    """A limit, with what it gives on the data it was chosen on."""

    limit: float
    coverage: float
    accuracy: float


def risk_coverage(
    confidence: npt.NDArray[np.floating[Any]], correct: npt.NDArray[np.bool_]
) -> RiskCoverage:
    """Measure risk and coverage at every limit that the confidences allow.

    Parameters
    ----------
    confidence : float [N]
        Probability of the predicted class; equal ones are kept or dropped together.
    correct : bool [N]

    Raises
    ------
    ValueError
        If there is no prediction, the lengths differ, or a confidence is no number.
    """
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, bool)
    if confidence.ndim != 1 or confidence.shape != correct.shape or len(confidence) == 0:
        raise ValueError(
            f"A risk-coverage curve needs two arrays [N], got {confidence.shape}, {correct.shape}"
        )
    if not np.isfinite(confidence).all():
        raise ValueError("A risk-coverage curve needs finite confidences")
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    # Only after the last of equal confidences can a limit lie.
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    kept = last + 1
    errors = np.cumsum(~correct[order])[last]
    return RiskCoverage(ranked[last], kept / len(ranked), errors / kept)


def limit_for_accuracy(curve: RiskCoverage, accuracy: float) -> OperatingPoint | None:
    """Return the limit that keeps most, of those whose kept predictions are right often enough.

    Parameters
    ----------
    curve : RiskCoverage
        Of validation data: on other data the accuracy is an estimate, no guarantee.
    accuracy : float
        Wanted share of right ones among those kept, in [0, 1].

    Returns
    -------
    OperatingPoint or None
        None where no limit gives it.
    """
    good = np.flatnonzero(1 - curve.risk >= accuracy)
    return _point(curve, int(good[-1])) if len(good) else None


def limit_for_coverage(curve: RiskCoverage, coverage: float) -> OperatingPoint:
    """Return the highest limit that keeps at least the wanted share, in (0, 1]."""
    enough = np.flatnonzero(curve.coverage >= coverage)
    return _point(curve, int(enough[0]) if len(enough) else len(curve.limits) - 1)


def _point(curve: RiskCoverage, index: int) -> OperatingPoint:
    return OperatingPoint(
        limit=float(curve.limits[index]),
        coverage=float(curve.coverage[index]),
        accuracy=float(1 - curve.risk[index]),
    )
