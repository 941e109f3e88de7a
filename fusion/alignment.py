"""Timed features on a common clock: steps of 250 ms, or whole utterances.

A timed feature is a table of vectors, each with the seconds it belongs to: points (the frames of
COVAREP or Facet) or half-open intervals (words). Pure NumPy; times are counted in whole
microseconds, so that a row at 0.3 s lies in the window that starts at 0.3 s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.records import FloatArray

# jiang2021, section IV.A: labels of MuSe-Sent come every 250 ms.
STEP_S = 0.25
_MICROSECONDS = 1_000_000
Times = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TimedFeature:
    """Vectors with their times.

    Attributes
    ----------
    values : float32 [n, d]
        Rows with a value that is not finite (COVAREP's -inf) count for nothing.
    starts_s : float64 [n]
    ends_s : float64 [n], optional
        For intervals ``[start, end)``; None for points. An interval without length is a point.
    """

    values: FloatArray
    starts_s: Times
    ends_s: Times | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.starts_s.shape != (len(self.values),):
            raise ValueError(
                f"TimedFeature needs values [n, d] and starts_s [n], got "
                f"{list(self.values.shape)} and {list(self.starts_s.shape)}"
            )
        if not np.isfinite(self.starts_s).all():
            raise ValueError("TimedFeature needs finite times")
        if self.ends_s is not None:
            if self.ends_s.shape != self.starts_s.shape or not np.isfinite(self.ends_s).all():
                raise ValueError("TimedFeature needs one finite end a start")
            if (self.ends_s < self.starts_s).any():
                raise ValueError("TimedFeature has an end before its start")

    def __repr__(self) -> str:
        kind = "points" if self.ends_s is None else "intervals"
        return f"TimedFeature({self.values.shape}, {kind})"


def step_means(
    feature: TimedFeature, start_s: float, end_s: float, step_s: float = STEP_S
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Average a timed feature within windows of equal length.

    Window i is ``[start_s + i step_s, start_s + (i + 1) step_s)``; the last may reach past
    ``end_s``, which only decides how many windows there are. A point counts in the window it lies
    in, an interval in every window it overlaps, each with the same weight.

    Returns
    -------
    values : float32 [S, d]
        Zero where absent.
    present : bool [S]
        False where no row falls into the window; see `forward_fill`.

    Raises
    ------
    ValueError
        If ``end_s`` is before ``start_s`` or the step is shorter than a microsecond.
    """
    start, end, step = (int(_microseconds(np.array(x))) for x in (start_s, end_s, step_s))
    if end < start or step <= 0:
        raise ValueError(f"windows of {step_s} s from {start_s} to {end_s} s are not possible")
    n_steps = -((start - end) // step)
    edges = start + step * np.arange(n_steps + 1)
    return window_means(feature, edges[:-1] / _MICROSECONDS, edges[1:] / _MICROSECONDS)


def window_means(
    feature: TimedFeature, starts_s: Times, ends_s: Times
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Average a timed feature within any windows, for example utterances.

    Parameters
    ----------
    feature : TimedFeature
    starts_s, ends_s : float64 [U]
        Half-open windows; they may overlap.

    Returns
    -------
    values : float32 [U, d]
        Means over the rows that lie in the window (points) or overlap it (intervals); the papers'
        utterance vectors (akhtar2019 section 4.1) are these. Zero where absent.
    present : bool [U]
    """
    kept = np.flatnonzero(np.isfinite(feature.values).all(axis=1))
    kept = kept[np.argsort(feature.starts_s[kept], kind="stable")]
    rows = feature.values[kept]
    firsts = _microseconds(feature.starts_s[kept])
    lasts = firsts if feature.ends_s is None else _microseconds(feature.ends_s[kept])
    # A point takes the microsecond it is in, which makes it an interval like the others.
    lasts = np.maximum(lasts, firsts + 1)
    # Never falling, so that a search finds the first row that can reach into a window.
    reach = np.maximum.accumulate(lasts) if len(lasts) else lasts
    windows = np.stack([_microseconds(starts_s), _microseconds(ends_s)], axis=1)
    values = np.zeros((len(windows), feature.values.shape[1]), dtype=np.float32)
    present = np.zeros(len(windows), dtype=np.bool_)
    for index, (first, last) in enumerate(windows):
        near = slice(np.searchsorted(reach, first, side="right"), np.searchsorted(firsts, last))
        inside = lasts[near] > first
        if inside.any():
            values[index] = rows[near][inside].mean(axis=0, dtype=np.float64)
            present[index] = True
    return values, present


def forward_fill(
    values: FloatArray, present: npt.NDArray[np.bool_], max_steps: int | None = None
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Let each absent row take over the last present one before it.

    Rows before the first present one stay absent: the future must not be known.

    Parameters
    ----------
    values : float32 [S, d]
    present : bool [S]
    max_steps : int, optional
        How many rows a value may be carried; None for any number.

    Returns
    -------
    values : float32 [S, d]
        Zero where still absent.
    present : bool [S]
    """
    steps = np.arange(len(present))
    source = np.maximum.accumulate(np.where(present, steps, -1)) if len(present) else steps
    filled = source >= 0
    if max_steps is not None:
        filled &= steps - source <= max_steps
    return np.where(filled[:, None], values[source], np.float32(0.0)), filled


def early_fusion(
    blocks: list[tuple[FloatArray, npt.NDArray[np.bool_]]],
) -> tuple[FloatArray, npt.NDArray[np.bool_], tuple[int, ...]]:
    """Concatenate several feature sets of one modality, row by row (jiang2021, section III.B.1).

    Parameters
    ----------
    blocks : list of (float32 [U, d_i], bool [U])
        At least one.

    Returns
    -------
    values : float32 [U, sum of d_i]
        Zero where absent.
    present : bool [U]
        Where every block is present: a row half measured would pass zeros off as measurements.
    widths : tuple of int
        The d_i, for `affect_pipe.fusion.config.PcaBlock`, which reduces each block by itself.

    Raises
    ------
    ValueError
        If there is none, or their rows do not agree.
    """
    shapes = [(list(values.shape), list(present.shape)) for values, present in blocks]
    if len({values.shape[:1] for values, _ in blocks}) != 1 or any(
        values.ndim != 2 or present.shape != values.shape[:1] for values, present in blocks
    ):
        raise ValueError(f"Early fusion needs blocks [U, d] with present [U], got {shapes}")
    present = np.logical_and.reduce([here for _, here in blocks])
    values = np.concatenate([values for values, _ in blocks], axis=1)
    fused = np.where(present[:, None], values, np.float32(0.0))
    return fused, present, tuple(values.shape[1] for values, _ in blocks)


def _microseconds(times_s: Times) -> npt.NDArray[np.int64]:
    rounded = np.round(np.asarray(times_s, np.float64) * _MICROSECONDS)
    whole: npt.NDArray[np.int64] = rounded.astype(np.int64)
    return whole
