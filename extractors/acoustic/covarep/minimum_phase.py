"""Minimum phase that belongs to an amplitude, from the real cepstrum.

A. V. Oppenheim and R. W. Schafer, "Discrete-Time Signal Processing", chapter on the relations of
the Hilbert transform: the cepstrum of a minimum-phase sequence is causal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft


def minimum_phase(log_amplitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minimum phase of half spectra.

    Parameters
    ----------
    log_amplitude
        Natural logarithm on a uniform grid from zero to the Nyquist frequency, both included,
        `[..., n]`.

    Returns
    -------
    NDArray[np.float64]
        Radians, not wrapped, same shape.
    """
    n = log_amplitude.shape[-1]
    cepstrum = fft.irfft(log_amplitude, 2 * (n - 1), axis=-1)
    cepstrum[..., 1 : n - 1] *= 2.0
    cepstrum[..., n:] = 0.0
    phase: NDArray[np.float64] = fft.rfft(cepstrum, axis=-1).imag
    return phase
