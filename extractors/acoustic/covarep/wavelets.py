"""The octave-spaced wavelets of Kane and Gobl: cosines under a Gaussian.

J. Kane and C. Gobl, "Identifying regions of non-modal phonation using features of the wavelet
transform", Interspeech 2011.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from affect_pipe.extractors.acoustic.covarep.convolution import convolve_same

# Half of the original's 2001 taps.
_HALF = 1000


def half_width(octave: int) -> int:
    """Return how many samples to either side the wavelet stays above 0 in double precision."""
    # exp(-x^2 / 2) underflows at x = 38.6.
    return min(_HALF, int(38.6 * 2**octave))


def wavelet(octave: int) -> NDArray[np.float64]:
    """Wavelet centred at half the sampling rate over `2 ** octave`.

    Parameters
    ----------
    octave
        Octaves below half the sampling rate, from 0.

    Returns
    -------
    NDArray[np.float64]
        Odd number of taps, symmetric. Cut where it falls below 1e-17 of its middle.
    """
    half = min(half_width(octave), 9 * 2**octave)
    scaled = np.arange(-half, half + 1) / 2**octave
    return np.asarray(-np.cos(np.pi * scaled) * np.exp(-(scaled**2) / 2))


def filtered(samples: NDArray[np.float64], octave: int) -> NDArray[np.float64]:
    """Convolve a signal with a wavelet, undelayed.

    Parameters
    ----------
    samples
        `[n]`.
    octave
        As for `wavelet`.

    Returns
    -------
    NDArray[np.float64]
        `[n]`.
    """
    return convolve_same(samples, wavelet(octave))
