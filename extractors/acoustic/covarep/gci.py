"""Glottal closure instants by SEDREAMS.

T. Drugman and T. Dutoit, "Glottal Closure and Opening Instant Detection from Speech Signals",
Interspeech 2009; relative position within the cycle as in Drugman et al., "Detection of Glottal
Closure Instants from Speech Signals: a Quantitative Review", IEEE TASLP 2012.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from affect_pipe.extractors.acoustic.covarep.convolution import convolve_same
from affect_pipe.extractors.acoustic.covarep.srh import Pitch

# Window of the mean-based signal in mean periods.
_WINDOW_PERIODS = 1.7
_STOP_HZ, _PASS_HZ = 30.0, 50.0
_RIPPLE_DB, _ATTENUATION_DB = 3.0, 60.0
# Residual (largest value 1) above which a sample tells where in the cycle closures lie.
_CLEAR_PEAK = 0.4
_SEARCH = 0.35


def closure_instants(
    samples: NDArray[np.float64], error: NDArray[np.float64], pitch: Pitch, sample_rate_hz: int
) -> NDArray[np.int64]:
    """Closure instants in the voiced parts.

    Parameters
    ----------
    samples
        `[n]`, polarity +1.
    error
        Its LP residual, `[n]`, largest absolute value 1.
    pitch
        Its pitch track.
    sample_rate_hz
        Sampling rate.

    Returns
    -------
    NDArray[np.int64]
        Samples counted from 0, strictly rising; empty without voiced frames.
    """
    median_hz = pitch.median_hz()
    if median_hz is None or not samples.any():
        return np.zeros(0, np.int64)
    low, high = _cycles(mean_based(samples, median_hz, sample_rate_hz))
    if not len(low):
        return np.zeros(0, np.int64)
    clear = np.flatnonzero(error > _CLEAR_PEAK)
    cycle = _nearest(low, clear)
    span = high - low
    position = float(np.median((clear - low[cycle]) / span[cycle])) if len(clear) else 0.0
    first = np.floor(low + (position - _SEARCH) * span + 0.5).astype(np.int64)
    last = np.floor(low + (position + _SEARCH) * span + 0.5).astype(np.int64)
    instants = [
        a + int(np.argmax(error[a : b + 1]))
        for a, b in zip(
            np.maximum(first, 0).tolist(), np.minimum(last, len(error) - 1).tolist(), strict=True
        )
        if a < b
    ]
    found = np.unique(np.array(instants, np.int64))
    voicing = np.interp(
        found / sample_rate_hz, pitch.time_s, pitch.voiced.astype(np.float64), left=0.0, right=0.0
    )
    return found[voicing >= 0.5]


def mean_based(
    samples: NDArray[np.float64], median_hz: float, sample_rate_hz: int
) -> NDArray[np.float64]:
    """Mean-based signal: one smooth swing per glottal cycle.

    Parameters
    ----------
    samples
        `[n]`.
    median_hz
        The speaker's median pitch.
    sample_rate_hz
        Sampling rate.

    Returns
    -------
    NDArray[np.float64]
        `[n]`, largest absolute value 1.
    """
    half = int(np.floor(_WINDOW_PERIODS * round(sample_rate_hz / median_hz) / 2 + 0.5))
    window = np.blackman(2 * half + 1)
    smooth = convolve_same(samples, window / window.sum())
    nyquist_hz = sample_rate_hz / 2
    order, edge = signal.ellipord(
        _PASS_HZ / nyquist_hz, _STOP_HZ / nyquist_hz, _RIPPLE_DB, _ATTENUATION_DB
    )
    b, a = signal.ellip(order, _RIPPLE_DB, _ATTENUATION_DB, edge, "high")
    # Short recordings leave no room for the usual mirrored ends.
    smooth = signal.filtfilt(b, a, smooth, padlen=min(3 * len(a), len(smooth) - 1))
    peak = np.abs(smooth).max(initial=0.0)
    return np.asarray(smooth / peak if peak > 0 else smooth)


def _cycles(smooth: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of the minima and of the maximum that follows each."""
    slope = np.diff(smooth)
    high = np.flatnonzero((slope[:-1] > 0) & (slope[1:] <= 0)) + 1
    low = np.flatnonzero((slope[:-1] < 0) & (slope[1:] >= 0)) + 1
    if len(high):
        low = low[low < high[-1]]
    if not len(high) or not len(low):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return low, high[np.searchsorted(high, low)]


def _nearest(places: NDArray[np.int64], queries: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of the place nearest each query, the earlier on a tie."""
    right = np.clip(np.searchsorted(places, queries), 1, max(1, len(places) - 1))
    right = np.minimum(right, len(places) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(queries - places[left] <= places[right] - queries, left, right)


def periods(instants: NDArray[np.int64]) -> NDArray[np.int64]:
    """Distance of each instant to the one before, in samples; the first gets the second's.

    Parameters
    ----------
    instants
        `[n]`, n at least 2.
    """
    return np.concatenate([[instants[1] - instants[0]], np.diff(instants)])
