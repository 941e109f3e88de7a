"""Spectral envelope that follows the peaks: the True Envelope.

A. Roebel and X. Rodet, "Efficient Spectral Envelope Estimation and its Application to Pitch
Shifting and Envelope Preservation", DAFx 2005. A cepstrally smoothed envelope is raised, again and
again, by the smoothed part of the spectrum that stands out above it, until no part stands out by
more than the tolerance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from affect_pipe.extractors.acoustic.covarep.sinusoids import BIN_HZ, SAMPLE_RATE_HZ

TOLERANCE_DB = 2.0
_ITERATIONS = 200
# A Hamming lifter of 1.2 times the order is about as smooth as a rectangular one of the order.
_HAMMING_ORDER = 1.2
_MIRROR = 0.45


def envelope_order(f0_hz: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cepstral order that resolves harmonics of each pitch: half the period in samples."""
    order: NDArray[np.int64] = np.round(0.5 * SAMPLE_RATE_HZ / f0_hz).astype(np.int64)
    return order


def fill_below_pitch(
    log_amplitude: NDArray[np.float64], f0_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Spectra raised, below about half the pitch, to the mirror image of what lies above.

    The envelope then passes from the first harmonic to 0 Hz on one level, instead of falling into
    the gap that a recording has there; COVAREP's reference values show such a level. The place of
    the mirror, 0.45 of the pitch, is the one that comes closest to them.

    Parameters
    ----------
    log_amplitude
        `[n_frames, 2049]`.
    f0_hz
        `[n_frames]`.
    """
    mirror = (_MIRROR * np.round(f0_hz / BIN_HZ)).astype(np.int64)[:, None]
    reach = int(mirror.max())
    index = np.arange(reach)[None, :]
    filled = log_amplitude.copy()
    image = np.take_along_axis(
        log_amplitude, np.where(index < mirror, 2 * mirror - index, index), axis=1
    )
    np.maximum(filled[:, :reach], image, out=filled[:, :reach])
    return filled


def true_envelope(
    log_amplitude: NDArray[np.float64], order: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Cepstra of the true envelopes of half spectra.

    Parameters
    ----------
    log_amplitude
        Natural logarithm, zero to Nyquist frequency, `[n_frames, n_bins]`.
    order
        Cepstral order of each frame, `[n_frames]`, see `envelope_order`.

    Returns
    -------
    NDArray[np.float64]
        `[n_frames, n_coefficients]`; the envelope at angle w is `c[0] + 2 sum c[k] cos(k w)`, see
        `envelope`. It lies at most 2 dB under any point of the spectrum, unless 200 iterations do
        not suffice.
    """
    n_frames, n_bins = log_amplitude.shape
    width = np.minimum(np.round(_HAMMING_ORDER * order).astype(np.int64), n_bins - 1)
    n_kept = int(width.max()) + 1
    k = np.arange(n_kept)
    lifter = np.where(
        k <= width[:, None],
        0.54 + 0.46 * np.cos(np.pi * k / np.maximum(width[:, None], 1)),
        0.0,
    )
    tolerance = TOLERANCE_DB * np.log(10.0) / 20.0
    cepstra = lifter * _cepstrum(log_amplitude, n_kept)
    active = np.arange(n_frames)
    target = log_amplitude
    for _ in range(_ITERATIONS - 1):
        above = target - envelope(cepstra[active], n_bins)
        out = above.max(axis=1) > tolerance
        if not out.all():
            active, target, above = active[out], target[out], above[out]
        if not active.size:
            break
        np.maximum(above, 0.0, out=above)
        cepstra[active] += lifter[active] * _cepstrum(above, n_kept)
    return cepstra


def envelope(cepstra: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    """Log amplitude `[n_frames, n_bins]` of cepstra, on a uniform grid from zero to Nyquist."""
    padded = np.zeros((len(cepstra), n_bins))
    padded[:, : cepstra.shape[1]] = cepstra
    result: NDArray[np.float64] = fft.dct(padded, 1, axis=1, overwrite_x=True)
    return result


def _cepstrum(log_amplitude: NDArray[np.float64], n_kept: int) -> NDArray[np.float64]:
    """First coefficients of the real cepstrum of half spectra (a cosine transform of type I)."""
    scale = 1.0 / (2 * (log_amplitude.shape[1] - 1))
    result: NDArray[np.float64] = fft.dct(log_amplitude, 1, axis=1)[:, :n_kept] * scale
    return result
