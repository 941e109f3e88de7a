"""How close two matrices of one recording are, column by column, on voiced rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affect_pipe.extractors.acoustic.covarep.columns import INDEX, NAMES

Array = NDArray[np.float64]

# A reference value this many median absolute deviations from the column's median is an outlier:
# in essence QOQ of the first pulse, which the original takes to begin with the file.
OUTLIER_DEVIATIONS = 20.0


@dataclass(frozen=True)
class Agreement:
    """Agreement of one column in one recording.

    Parameters
    ----------
    measure
        `correlation` (Pearson, voiced rows, reference outliers left out), `circular` (the lower
        of the correlations of cosine and sine, voiced rows), `agreement` (share of equal rows, all
        rows) or `largest` (largest absolute value, all rows; for columns that must be 0).
    value
        The measure; NaN where a column is constant.
    rows
        How many rows it rests on.
    left_out
        How many voiced rows were outliers of the reference, or infinite.
    """

    measure: str
    value: float
    rows: int
    left_out: int


def compare(reference: Array, estimate: Array) -> dict[str, Agreement]:
    """Agreement of every column.

    Parameters
    ----------
    reference, estimate
        `[n_rows, 74]` of the same recording.

    Returns
    -------
    dict[str, Agreement]
        By column name. Voiced rows are those of the reference.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if reference.shape != estimate.shape or reference.shape[1] != len(NAMES):
        raise ValueError(f"cannot compare {reference.shape} with {estimate.shape} rows and columns")
    voiced = reference[:, INDEX["VUV"]] == 1
    return {
        name: _column(name, reference[:, k], estimate[:, k], voiced) for k, name in enumerate(NAMES)
    }


def _column(name: str, reference: Array, estimate: Array, voiced: NDArray[np.bool_]) -> Agreement:
    """Agreement of one column, each `[n_rows]`."""
    if name == "VUV":
        return Agreement("agreement", float(np.mean(reference == estimate)), len(reference), 0)
    if name in ("HMPDM_0", "HMPDM_1", "HMPDM_2", "HMPDM_3"):
        return Agreement("largest", float(np.abs(estimate).max(initial=0.0)), len(reference), 0)
    if name.startswith("HMPDM"):
        a, b = reference[voiced], estimate[voiced]
        parts = [correlation(np.cos(a), np.cos(b)), correlation(np.sin(a), np.sin(b))]
        return Agreement("circular", float(np.min(parts)), len(a), 0)
    used = voiced & np.isfinite(reference)
    used &= ~outliers(reference, used)
    value = correlation(reference[used], estimate[used])
    return Agreement("correlation", value, int(used.sum()), int(voiced.sum() - used.sum()))


def outliers(values: Array, among: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which values lie too far from the median of some of them.

    Parameters
    ----------
    values
        `[n]`.
    among
        Which rows give median and deviation, `[n]`.

    Returns
    -------
    NDArray[np.bool_]
        `[n]`; none if the deviation is 0.
    """
    if not among.any():
        return np.zeros(len(values), bool)
    centre = np.median(values[among])
    distance = np.abs(np.where(among, values, centre) - centre)
    spread = np.median(distance[among])
    return np.asarray(distance > OUTLIER_DEVIATIONS * spread) & bool(spread > 0)


def correlation(a: Array, b: Array) -> float:
    """Pearson correlation; NaN for fewer than 3 values or a constant."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    return float(np.sum(a * b) / np.sqrt(np.sum(a**2) * np.sum(b**2)))
