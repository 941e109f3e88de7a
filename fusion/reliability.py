"""How often predictions of a given confidence are right: calibration error and its picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.optional import require

# Guo et al. 2017, section 5: fifteen bins.
N_BINS = 15
Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Reliability:
    """How often predictions of each confidence are right.

    Attributes
    ----------
    edges : float64 [n + 1]
        Of the bins, equally wide from 0 to 1; a bin holds its upper edge, the first also 0.
    counts : int64 [n]
    confidence, accuracy : float64 [n]
        Means of each bin; NaN where it is empty.
    """

    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error, ``sum_b n_b / N |accuracy_b - confidence_b|``.

        Naeini et al. 2015; Guo et al. 2017, equation 3. NaN for no predictions.
        """
        total = int(self.counts.sum())
        if total == 0:
            return float("nan")
        filled = self.counts > 0
        gaps = np.abs(self.accuracy[filled] - self.confidence[filled])
        return float((self.counts[filled] * gaps).sum() / total)


def reliability(confidence: Values, correct: npt.NDArray[Any], n_bins: int = N_BINS) -> Reliability:
    """Sort predictions into bins of equal width.

    Parameters
    ----------
    confidence : float [N]
        In [0, 1].
    correct : bool [N]
        Whether the prediction was right; for a sigmoid, whether the label was set.

    Raises
    ------
    ValueError
        If the lengths differ, a confidence is outside [0, 1], or there is no bin.
    """
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, bool)
    if confidence.ndim != 1 or confidence.shape != correct.shape or n_bins < 1:
        raise ValueError(
            f"Reliability needs two arrays [N] and a bin, got {confidence.shape}, "
            f"{correct.shape}, {n_bins}"
        )
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("Reliability needs confidences in [0, 1]")
    edges = np.linspace(0, 1, n_bins + 1)
    index = np.searchsorted(edges[1:-1], confidence, side="left")
    counts = np.bincount(index, minlength=n_bins)
    # Empty bins have no mean.
    share = np.where(counts > 0, counts, np.nan)
    return Reliability(
        edges,
        counts.astype(np.int64),
        np.bincount(index, weights=confidence, minlength=n_bins) / share,
        np.bincount(index, weights=correct, minlength=n_bins) / share,
    )


def expected_calibration_error(
    confidence: Values, correct: npt.NDArray[Any], n_bins: int = N_BINS
) -> float:
    """Return the expected calibration error; see `Reliability.error`."""
    return reliability(confidence, correct, n_bins).error


def reliability_diagram(reliabilities: Mapping[str, Reliability], title: str = "") -> bytes:
    """Draw reliability diagrams as one PNG, for a model card.

    Parameters
    ----------
    reliabilities : mapping of label to Reliability
        One panel each, for example before and after calibration.

    Returns
    -------
    bytes
        The PNG file.

    Raises
    ------
    MissingDependencyError
        If Matplotlib is not installed.
    """
    # Figures of their own: pyplot would keep state, and look for a screen.
    figures, canvases = (
        require(f"matplotlib.{name}", extra="train", feature="a reliability diagram")
        for name in ("figure", "backends.backend_agg")
    )
    figure = figures.Figure(figsize=(4 * len(reliabilities), 4), layout="constrained")
    panels = figure.subplots(1, len(reliabilities), squeeze=False)[0]
    for panel, (label, found) in zip(panels, reliabilities.items(), strict=True):
        widths = np.diff(found.edges)
        panel.bar(found.edges[:-1], np.nan_to_num(found.accuracy), widths, align="edge", ec="white")
        panel.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1)
        panel.plot(found.confidence, found.accuracy, "o", color="black", markersize=3)
        panel.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="share that is right")
        panel.set_title(f"{label}: ECE {found.error:.3f}, n = {int(found.counts.sum())}")
    figure.suptitle(title)
    stream = io.BytesIO()
    canvases.FigureCanvasAgg(figure).print_png(stream)
    return stream.getvalue()
