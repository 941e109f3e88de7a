"""peakSlope: how fast the voice's energy falls from octave to octave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from affect_pipe.extractors.acoustic.covarep.wavelets import filtered, half_width

FRAME = 640
HOP = 160
# Place of the first frame's centre in multiples of 10 ms.
FIRST = 2
_OCTAVES = 7


def peak_slope(samples: NDArray[np.float64], *, raw: bool = False) -> NDArray[np.float64]:
    """Regression slope of log10 wavelet peaks over octaves, Kane and Gobl 2011.

    Parameters
    ----------
    samples
        `[n]`, 16 kHz.
    raw
        Leave the original's -Inf in frames where some wavelets see digital silence only.
        Otherwise such frames are 0, as frames are that are silent to all.

    Returns
    -------
    NDArray[np.float64]
        One value per frame of 40 ms every 10 ms, the first centred at 20 ms. log10 amplitude per
        octave downwards, that is, negative for a soft voice.
    """
    n_frames = max(0, (len(samples) - FRAME) // HOP + 1)
    if not n_frames:
        return np.zeros(0)
    levels = np.empty((n_frames, _OCTAVES))
    sounding = np.concatenate([[0], np.cumsum(samples != 0)])
    starts = np.arange(n_frames) * HOP
    for octave in range(_OCTAVES):
        reach = half_width(octave)
        first = np.maximum(starts - reach, 0)
        stop = np.minimum(starts + FRAME + reach, len(samples))
        silent = sounding[stop] == sounding[first]
        swing = filtered(samples, octave)
        peak = _frame_maxima(np.abs(swing, out=swing), n_frames)
        levels[:, octave] = np.log10(np.where(silent, 1.0, np.maximum(peak, 1e-300)))
        levels[silent, octave] = -np.inf
    # Minus: the original counts octaves from the lowest wavelet upwards.
    weight = -(np.arange(_OCTAVES) - (_OCTAVES - 1) / 2)
    weight /= np.sum(weight**2)
    heard = np.isfinite(levels)
    slope = np.asarray(np.einsum("mk,k->m", np.where(heard, levels, 0.0), weight))
    slope[~heard.all(axis=1)] = 0.0
    if raw:
        # Least squares with -Inf among the levels: -Inf as long as all of them lie on the side
        # of positive weights, else undefined, and what is undefined the original sets to 0.
        slope[~heard.all(axis=1) & heard[:, weight <= 0].all(axis=1)] = -np.inf
    return slope


def _frame_maxima(values: NDArray[np.float64], n_frames: int) -> NDArray[np.float64]:
    """Maximum over each frame, from maxima over its four quarters."""
    quarters = values[: (n_frames + 3) * HOP].reshape(-1, HOP).max(axis=1)
    parts = [quarters[k : k + n_frames] for k in range(FRAME // HOP)]
    return np.asarray(np.maximum.reduce(parts))
