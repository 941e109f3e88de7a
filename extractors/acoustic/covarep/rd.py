"""Shape of the glottal pulse (Rd) by phase minimisation, MSPD2.

G. Degottex, A. Roebel and X. Rodet, "Phase Minimization for Glottal Model Estimation", IEEE Trans.
Audio, Speech and Language Processing 19(5), 2011: the glottal model whose removal, together with
the minimum-phase rest of the spectrum, leaves the phases of the harmonics closest to those of an
impulse. The error is the mean square of the anti-difference of their second phase difference,
which knows neither the pulse's position nor its delay.

The model enters with the phase of the time-reversed pulse, as the reference values show it does in
COVAREP, and as in COVAREP the search is a local one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from affect_pipe.extractors.acoustic.covarep.bounded_minimum import bounded_minimum
from affect_pipe.extractors.acoustic.covarep.lf_model import RD_MAX, RD_MIN, lf_spectrum
from affect_pipe.extractors.acoustic.covarep.minimum_phase import minimum_phase
from affect_pipe.extractors.acoustic.covarep.sinusoids import (
    F0_FLOOR_HZ,
    SAMPLE_RATE_HZ,
    Harmonics,
    wrap,
)

# Phase distortions compared, of harmonics 2 to 8.
N_DISTORTIONS = 7
_TOLERANCE = 0.01
_ITERATIONS = 32
_STEP = 0.01
_MAX_HARMONICS = int(SAMPLE_RATE_HZ / 2 / F0_FLOOR_HZ)


@dataclass(frozen=True)
class GlottalShape:
    """Rd of some frames.

    Parameters
    ----------
    rd
        `[n_frames]`, 0.3 (pressed) to 2.5 (lax).
    confidence
        1 less the root mean square phase error over pi, `[n_frames]`, 0-1.
    """

    rd: NDArray[np.float64]
    confidence: NDArray[np.float64]


def glottal_shape(harmonics: Harmonics) -> GlottalShape:
    """Rd and its confidence from the harmonics of each frame.

    Parameters
    ----------
    harmonics
        At least 8 harmonics in each frame (pitch below 890 Hz).

    Returns
    -------
    GlottalShape
        One entry per frame.
    """
    n_frames = len(harmonics.count)
    measured = np.empty((n_frames, N_DISTORTIONS))
    counts, group = np.unique(harmonics.count, return_inverse=True)
    tables = np.empty((len(counts), len(_rd_grid()), N_DISTORTIONS))
    for i, count in enumerate(counts.tolist()):
        rows = np.flatnonzero(group == i)
        # The paper's minimum phase is taken on the harmonics themselves, 0 Hz as loud as the first.
        levels = harmonics.log_amplitude[rows, : count + 1].copy()
        levels[:, 0] = levels[:, 1]
        phases = harmonics.phase[rows, : count + 1] - minimum_phase(levels)
        measured[rows] = phase_distortion(phases)[:, :N_DISTORTIONS]
        tables[i] = _model_distortions(count)

    def error(rows: NDArray[np.int64], rd: NDArray[np.float64]) -> NDArray[np.float64]:
        place = (rd - RD_MIN) / _STEP
        low = np.clip(place.astype(np.int64), 0, tables.shape[1] - 2)
        share = (place - low)[:, None]
        of = group[rows]
        model = tables[of, low] * (1.0 - share) + tables[of, low + 1] * share
        mean: NDArray[np.float64] = np.mean(wrap(measured[rows] - model) ** 2, axis=1)
        return mean

    rd, least = bounded_minimum(error, n_frames, RD_MIN, RD_MAX, _TOLERANCE, _ITERATIONS)
    return GlottalShape(rd, 1.0 - np.sqrt(least) / np.pi)


def phase_distortion(phase: NDArray[np.float64]) -> NDArray[np.float64]:
    """Difference of neighbouring harmonics' phases less the first harmonic's, `[..., H - 1]`.

    Free of the position of the analysis instant, which adds a multiple of the harmonic number.

    Parameters
    ----------
    phase
        Harmonics 0 to H, radians, `[..., H + 1]`.
    """
    result: NDArray[np.float64] = phase[..., 2:] - phase[..., 1:-1] - phase[..., 1:2]
    return result


def _rd_grid() -> NDArray[np.float64]:
    return np.linspace(RD_MIN, RD_MAX, round((RD_MAX - RD_MIN) / _STEP) + 1)


@lru_cache(maxsize=1)
def _model_spectra() -> NDArray[np.complex128]:
    return lf_spectrum(_rd_grid(), np.arange(1.0, _MAX_HARMONICS + 1))


@lru_cache(maxsize=_MAX_HARMONICS)
def _model_distortions(count: int) -> NDArray[np.float64]:
    """Phase distortion of the LF pulse less its minimum phase, on the grid of Rd; continuous."""
    spectra = _model_spectra()[:, :count]
    levels = np.log(np.abs(spectra))
    rest = -minimum_phase(np.concatenate([levels[:, :1], levels], axis=1))
    rest[:, 1:] -= np.angle(spectra)
    return np.unwrap(phase_distortion(rest)[:, :N_DISTORTIONS], axis=0)
