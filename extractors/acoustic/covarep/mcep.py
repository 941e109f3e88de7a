"""Mel-warped cepstrum of spectral envelopes.

Mel scale: D. O'Shaughnessy, "Speech Communication", 1987 (2595 log10(1 + f/700)), stretched so that
the Nyquist frequency stays where it is.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from affect_pipe.extractors.acoustic.covarep.sinusoids import SAMPLE_RATE_HZ

HOP = 160
FIRST_ROW = 80
_KNEE_HZ = 700.0


@lru_cache(maxsize=8)
def warping_matrix(n_bins: int, order: int) -> NDArray[np.float64]:
    """Linear map from a half spectrum to its mel-warped cepstrum.

    Parameters
    ----------
    n_bins
        Bins of the spectrum, zero and Nyquist frequency included.
    order
        Highest coefficient.

    Returns
    -------
    NDArray[np.float64]
        `[n_bins, order + 1]`; coefficient 0 counts once, the others double, so that the spectrum
        at warped angle w is about `sum c[k] cos(k w)`.
    """
    nyquist = SAMPLE_RATE_HZ / 2
    uniform = np.linspace(0.0, nyquist, n_bins)
    warped = np.log1p(uniform / _KNEE_HZ) * (nyquist / np.log1p(nyquist / _KNEE_HZ))
    place = np.interp(uniform, warped, np.arange(n_bins))
    low = np.minimum(place.astype(np.int64), n_bins - 2)
    share = (place - low)[:, None]
    # Cosine transform of type I of the warped spectrum, and each warped bin's two sources.
    cosine = np.cos(np.pi / (n_bins - 1) * np.outer(np.arange(n_bins), np.arange(order + 1)))
    cosine[1:-1] *= 2.0
    cosine[:, 1:] *= 2.0
    cosine /= 2 * (n_bins - 1)
    matrix = np.zeros((n_bins, order + 1))
    np.add.at(matrix, low, (1.0 - share) * cosine)
    np.add.at(matrix, low + 1, share * cosine)
    return matrix


def warped_cepstrum(log_spectrum: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Mel-warped cepstrum of half log spectra `[n, n_bins]`: `[n, order + 1]`."""
    matrix = warping_matrix(log_spectrum.shape[1], order)
    # einsum, not a BLAS product: the digits do not depend on the number of threads.
    result: NDArray[np.float64] = np.einsum("nb,bk->nk", log_spectrum, matrix)
    return result


@lru_cache(maxsize=8)
def _cepstral_matrix(n_coefficients: int, n_bins: int, order: int) -> NDArray[np.float64]:
    """From cepstrum to warped cepstrum: `[n_coefficients, order + 1]`."""
    basis = np.zeros((n_coefficients, n_bins))
    basis[np.arange(n_coefficients), np.arange(n_coefficients)] = 1.0
    return warped_cepstrum(fft.dct(basis, 1, axis=1), order)


def warp_cepstra(cepstra: NDArray[np.float64], n_bins: int, order: int) -> NDArray[np.float64]:
    """Mel-warped cepstra of envelopes given by their cepstra (see `true_envelope`).

    Parameters
    ----------
    cepstra
        `[n, n_coefficients]`.
    n_bins
        Resolution of the half spectrum on which the axis is warped.
    order
        Highest warped coefficient.

    Returns
    -------
    NDArray[np.float64]
        `[n, order + 1]`, natural logarithm of amplitude.
    """
    n = cepstra.shape[1]
    # One matrix serves all blocks: sizes rounded up.
    matrix = _cepstral_matrix(-(-n // 256) * 256, n_bins, order)
    result: NDArray[np.float64] = np.einsum("nc,ck->nk", cepstra, matrix[:n])
    return result


def stretch_to_rows(mcep: NDArray[np.float64], n_samples: int, n_rows: int) -> NDArray[np.float64]:
    """Frames put on the rows as COVAREP does: spread evenly from the first sample to the last.

    The frames in truth start 50 ms into the recording and end 50 ms before its end; the rows near
    both ends are up to 50 ms out of step with the other columns.

    Parameters
    ----------
    mcep
        `[n_frames, n_columns]`.
    n_samples
        Length of the recording at 16 kHz.
    n_rows
        Rows, one per 10 ms from 5 ms.

    Returns
    -------
    NDArray[np.float64]
        `[n_rows, n_columns]`, linearly interpolated; zeros where there is no frame at all.
    """
    if not len(mcep):
        return np.zeros((n_rows, mcep.shape[1]))
    frame_sample = np.linspace(1.0, n_samples, len(mcep))
    row_sample = FIRST_ROW + HOP * np.arange(n_rows)
    columns = [np.interp(row_sample, frame_sample, column) for column in mcep.T]
    return np.stack(columns, axis=1)
