"""The rows of the matrix, one every 10 ms, and how measures on other grids come onto them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
HOP = 160
# Row k stands at sample 80 + 160 k counted from 1: 5, 15, 25 ms ...
_FIRST = HOP // 2


def n_rows(n_samples: int) -> int:
    """Rows of a recording of that many samples."""
    return max(0, (n_samples - _FIRST) // HOP + 1)


def row_times_s(n_samples: int) -> NDArray[np.float64]:
    """Return the times of the rows in seconds, `[n_rows]`: 0.005, 0.015, 0.025 ..."""
    return (_FIRST + HOP * np.arange(n_rows(n_samples))) / SAMPLE_RATE_HZ


def from_frames(values: NDArray[np.float64], first: int, n_samples: int) -> NDArray[np.float64]:
    """Frames at multiples of 10 ms onto the rows half-way between them.

    Parameters
    ----------
    values
        `[n_frames]`, frame i at `(first + i) * 10` ms.
    first
        Place of the first frame.
    n_samples
        Length of the recording.

    Returns
    -------
    NDArray[np.float64]
        `[n_rows]`: the mean of the two neighbouring frames, 0 where either is missing.
    """
    rows = np.zeros(n_rows(n_samples))
    means = 0.5 * (values[:-1] + values[1:])
    means = means[: max(0, len(rows) - first)]
    rows[first : first + len(means)] = means
    return rows


def from_instants(
    values: NDArray[np.float64], at: NDArray[np.int64], n_samples: int
) -> NDArray[np.float64]:
    """Values at arbitrary samples onto the rows, linearly, straight across gaps.

    Parameters
    ----------
    values
        `[n]`.
    at
        Samples counted from 1, rising, `[n]`.
    n_samples
        Length of the recording.

    Returns
    -------
    NDArray[np.float64]
        `[n_rows]`; 0 before the first and after the last.
    """
    rows = _FIRST + HOP * np.arange(n_rows(n_samples))
    if len(values) < 2:
        return np.zeros(len(rows))
    return np.interp(rows, at, values, left=0.0, right=0.0)
