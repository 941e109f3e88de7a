"""Linear prediction of many frames at once, and the residual of a whole recording."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_FRAMES_PER_BLOCK = 512


def autocorrelation(frames: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """First lags of each frame's autocorrelation, not normalised.

    Parameters
    ----------
    frames
        `[n_frames, n]`.
    order
        Highest lag.

    Returns
    -------
    NDArray[np.float64]
        `[n_frames, order + 1]`. Lags beyond the frame are 0. Plain sums, no BLAS: the digits
        do not depend on the number of threads.
    """
    n = frames.shape[1]
    lags = np.zeros((len(frames), order + 1))
    for lag in range(min(order, n - 1) + 1):
        lags[:, lag] = np.einsum("mn,mn->m", frames[:, : n - lag], frames[:, lag:])
    return lags


def levinson(lags: NDArray[np.float64]) -> NDArray[np.float64]:
    """Prediction-error filters from autocorrelations (Levinson-Durbin recursion).

    Parameters
    ----------
    lags
        `[n_frames, order + 1]`.

    Returns
    -------
    NDArray[np.float64]
        `[n_frames, order + 1]`, leading coefficient 1. A frame of zeros gives `1, 0, 0, ...`.
    """
    n_frames, n_lags = lags.shape
    filters = np.zeros((n_frames, n_lags))
    filters[:, 0] = 1.0
    error = lags[:, 0].copy()
    for i in range(1, n_lags):
        correlation = lags[:, i] + np.einsum("mk,mk->m", filters[:, 1:i], lags[:, i - 1 : 0 : -1])
        reflection = -np.divide(correlation, error, out=np.zeros(n_frames), where=error > 0)
        filters[:, 1:i] += reflection[:, None] * filters[:, i - 1 : 0 : -1]
        filters[:, i] = reflection
        error *= 1.0 - reflection**2
    return filters


def lpc(frames: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Prediction-error filters `[n_frames, order + 1]` of windowed frames, autocorrelation method.

    Parameters
    ----------
    frames
        `[n_frames, n]`, already windowed.
    order
        Number of predictor coefficients.
    """
    return levinson(autocorrelation(frames, order))


def inverse_filter(
    frames: NDArray[np.float64], filters: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Each frame through its own FIR filter, starting from rest.

    Parameters
    ----------
    frames
        `[n_frames, n]`.
    filters
        `[n_frames, order + 1]`.

    Returns
    -------
    NDArray[np.float64]
        `[n_frames, n]`.
    """
    filtered = filters[:, :1] * frames
    for lag in range(1, min(filters.shape[1], frames.shape[1])):
        filtered[:, lag:] += filters[:, lag : lag + 1] * frames[:, :-lag]
    return filtered


def residual(
    samples: NDArray[np.float64],
    order: int,
    *,
    length: int = 400,
    shift: int = 80,
    predict_from: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """LP residual of a recording: overlapping frames, each keeping the energy it had as speech.

    The default frames are 25 ms every 5 ms at 16 kHz, weighted by a Hann window. The residual of
    each is scaled to the energy of its frame before the frames are added up.

    Parameters
    ----------
    samples
        `[n]`.
    order
        Prediction order.
    length, shift
        Frame length and distance between frame starts, in samples.
    predict_from
        Estimate the predictors on this signal instead, `[n]`.

    Returns
    -------
    NDArray[np.float64]
        `[n]`, largest absolute value 1 (all 0 for a recording of zeros or one shorter than a
        frame).
    """
    out = np.zeros(len(samples))
    # Hann without its two end zeros.
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, length + 1) / (length + 1))
    starts = np.arange(0, len(samples) - length, shift)
    for block in blocks(len(starts), _FRAMES_PER_BLOCK):
        place = starts[block][:, None] + np.arange(length)
        frames = samples[place] * window
        model = frames if predict_from is None else predict_from[place] * window
        error = inverse_filter(frames, lpc(model, order))
        energy = np.einsum("mn,mn->m", frames, frames)
        left = np.einsum("mn,mn->m", error, error)
        error *= np.sqrt(np.divide(energy, left, out=np.zeros(len(left)), where=left > 0))[:, None]
        overlap_add(out, error, int(starts[block][0]), shift)
    peak = np.abs(out).max(initial=0.0)
    return out / peak if peak > 0 else out


def overlap_add(
    out: NDArray[np.float64], frames: NDArray[np.float64], first: int, shift: int
) -> None:
    """Add frames that start every `shift` samples, from sample `first`, onto `out` in place.

    Parameters
    ----------
    out
        `[n]`; holds the last frame's end.
    frames
        `[n_frames, length]`.
    first
        Sample where the first frame starts.
    shift
        Distance between frame starts in samples.
    """
    length = frames.shape[1]
    for offset in range(0, length, shift):
        # One slice of every frame at a time: such slices lie end to end, so they add as one.
        part = frames[:, offset : offset + shift]
        width = part.shape[1]
        start = first + offset
        if width == shift:
            stop = start + part.size
            out[start:stop] += part.ravel()
        else:
            for k, row in enumerate(part):
                out[start + k * shift : start + k * shift + width] += row


def blocks(n: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` that cover `range(n)`: what bounds the memory of long recordings."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
