"""H1-H2: how far the first harmonic of the voice source stands above the second."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from affect_pipe.extractors.acoustic.covarep.lpc import blocks

_FRAMES_PER_BLOCK = 32
_FEWEST_PEAKS = 5
# Peaks are sought this far up first, in harmonics; enough to find two and count five.
_NEAR = 12


def harmonic_difference(
    derivative: NDArray[np.float64],
    instants: NDArray[np.int64],
    period: NDArray[np.int64],
    usable: NDArray[np.bool_],
    sample_rate_hz: int,
) -> NDArray[np.float64]:
    """Level of the first less the second harmonic of the flow derivative (Hanson 1997).

    Three periods around each instant under a Hamming window, on a 1 Hz grid. A harmonic is the
    spectral peak nearest its frequency among those without a higher one within half the pitch.

    Parameters
    ----------
    derivative
        Glottal flow derivative `[n]`.
    instants, period
        Closure instants counted from 0 and their periods, `[n_instants]`.
    usable
        Which instants to measure, `[n_instants]`.
    sample_rate_hz
        Sampling rate.

    Returns
    -------
    NDArray[np.float64]
        dB, `[n_instants]`; 0 where unusable, where the window leaves the recording, where fewer
        than five peaks are found, and where one peak is nearest both harmonics.
    """
    out = np.zeros(len(instants))
    half = np.floor(1.5 * period + 0.5).astype(np.int64)
    fits = usable & (instants - half >= 0) & (instants + half < len(derivative))
    chosen = np.flatnonzero(fits)
    for block in blocks(len(chosen), _FRAMES_PER_BLOCK):
        which = chosen[block]
        frames = np.zeros((len(which), int(2 * half[which].max()) + 1))
        for row, k in enumerate(which.tolist()):
            n = int(2 * half[k]) + 1
            start = int(instants[k] - half[k])
            frames[row, :n] = derivative[start : start + n] * np.hamming(n)
        spectra = fft.rfft(frames, sample_rate_hz, axis=1)
        power = spectra.real**2 + spectra.imag**2
        for row, k in enumerate(which.tolist()):
            out[k] = _difference(power[row], sample_rate_hz / int(period[k]))
    return out


def _difference(power: NDArray[np.float64], f0_hz: float) -> float:
    """First less second harmonic in dB from a power spectrum with 1 Hz bins."""
    # The few lowest harmonics settle the matter as a rule; the last half pitch of a cut spectrum
    # is left out, since a higher peak may lie just beyond.
    cut = int(_NEAR * f0_hz)
    peaks = isolated_peaks(power[:cut], 0.5 * f0_hz)
    peaks = peaks[peaks < cut - 0.5 * f0_hz - 1]
    if len(peaks) < _FEWEST_PEAKS or peaks[-1] < 4 * f0_hz:
        peaks = isolated_peaks(power, 0.5 * f0_hz)
    if len(peaks) < _FEWEST_PEAKS:
        return 0.0
    first, second = (peaks[np.argmin(np.abs(peaks - k * f0_hz))] for k in (1, 2))
    return float(10.0 * np.log10(power[first] / power[second]))


def isolated_peaks(values: NDArray[np.float64], distance: float) -> NDArray[np.int64]:
    """Local maxima with no higher local maximum closer than `distance`.

    Parameters
    ----------
    values
        `[n]`.
    distance
        In samples.

    Returns
    -------
    NDArray[np.int64]
        Their places, rising. Unlike greedy pruning, a peak hidden by a higher one still hides
        others.
    """
    slope = np.diff(values)
    peaks = np.flatnonzero((slope[:-1] > 0) & (slope[1:] <= 0)) + 1
    height = values[peaks]
    hidden = np.zeros(len(peaks), bool)
    for apart in range(1, len(peaks)):
        close = peaks[apart:] - peaks[:-apart] < distance
        if not close.any():
            break
        hidden[:-apart] |= close & (height[apart:] > height[:-apart])
        hidden[apart:] |= close & (height[:-apart] > height[apart:])
    return peaks[~hidden]
