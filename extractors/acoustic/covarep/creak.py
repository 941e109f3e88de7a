"""Creaky voice from its glottal pulses, without a trained network.

C. T. Ishi, K.-I. Sakakibara, H. Ishiguro and N. Hagita, "A Method for Automatic Detection of Vocal
Fry", IEEE Trans. Audio, Speech and Language Processing 16(1), 2008. Creak is a row of separate
pulses: the power contour of very short frames has prominent peaks, the signal around a peak does
not repeat itself at once, as modal voice does (low intra-frame periodicity), and yet resembles the
signal around the next peak (high inter-pulse similarity).

COVAREP's own creak column is the posterior of a network whose weights may not be used here
(T. Drugman, J. Kane and C. Gobl, 2014); this one is not comparable with it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from affect_pipe.extractors.acoustic.covarep.srh import SAMPLE_RATE_HZ, Pitch

# Band of the paper; very short frames of 4 ms every 2 ms.
_BAND_HZ = (100.0, 1500.0)
_POWER_FRAME = 64
_POWER_HOP = 32
# A peak rises over and falls below its neighbourhood of 10 ms by 7 dB.
_PROMINENCE_DB = 7.0
_NEIGHBOURHOOD = 5
# Periodicity: autocorrelation over 32 ms up to a lag of 15 ms, creak below 0.5.
_PERIODICITY_FRAME = 512
_MAX_LAG = 240
_MIN_LAG = 32
_MAX_PERIODICITY = 0.5
# Similarity: correlation of 10 ms around two pulses at most 100 ms apart, creak above 0.5.
_PULSE_FRAME = 160
_PULSE_SHIFT = 48
_MAX_INTERVAL = 1600
_MIN_SIMILARITY = 0.5
_POWER_FLOOR = 1e-10
# Long recordings go through in parts that overlap by a second: ten times the longest interval.
_FRAMES_PER_BLOCK = 6000
_MARGIN = 16_000


def creak(samples: NDArray[np.float64], pitch: Pitch) -> NDArray[np.float64]:
    """Degree of creak on the frames of a pitch track.

    Parameters
    ----------
    samples
        `[n]`, float64, 16 kHz.
    pitch
        Gives the frames; its values are not used.

    Returns
    -------
    NDArray[np.float64]
        `[n_frames]`, 0-1: the similarity of the two creaky pulses around the frame, 0 where there
        are none.
    """
    degree = np.zeros(len(pitch.time_s))
    sections = signal.butter(4, _BAND_HZ, "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    for start in range(0, len(degree), _FRAMES_PER_BLOCK):
        stop = min(start + _FRAMES_PER_BLOCK, len(degree))
        centres = np.round(pitch.time_s[start:stop] * SAMPLE_RATE_HZ).astype(np.int64)
        first = max(int(centres[0]) - _MARGIN, 0)
        band = signal.sosfiltfilt(sections, samples[first : int(centres[-1]) + _MARGIN])
        degree[start:stop] = _degree(band, centres - first)
    return degree


def _degree(band: NDArray[np.float64], centres: NDArray[np.int64]) -> NDArray[np.float64]:
    """Similarity of the creaky pulses around each of the ascending `centres`, 0 without any."""
    degree = np.zeros(len(centres))
    pulses = _pulses(band)
    pulses = pulses[_periodicity(band, pulses) < _MAX_PERIODICITY]
    for before, after in zip(pulses[:-1].tolist(), pulses[1:].tolist(), strict=True):
        if after - before > _MAX_INTERVAL:
            continue
        similarity = _similarity(band, before, after)
        if similarity >= _MIN_SIMILARITY:
            low, high = np.searchsorted(centres, (before, after + 1))
            degree[low:high] = np.maximum(degree[low:high], similarity)
    return degree


def _pulses(band: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find the samples where the power contour has a prominent peak, ascending."""
    n_frames = (len(band) - _POWER_FRAME) // _POWER_HOP + 1
    total = np.concatenate([[0.0], np.cumsum(band**2)])
    starts = np.arange(n_frames) * _POWER_HOP
    energy = np.maximum(total[starts + _POWER_FRAME] - total[starts], 0.0)
    level = 10.0 * np.log10(energy / _POWER_FRAME + _POWER_FLOOR)
    padded = np.pad(level, _NEIGHBOURHOOD, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _NEIGHBOURHOOD + 1)
    lowest_before = windows[:n_frames].min(axis=1)
    lowest_after = windows[_NEIGHBOURHOOD:].min(axis=1)
    prominence = level - np.maximum(lowest_before, lowest_after)
    peaks = signal.argrelmax(level)[0]
    peaks = peaks[prominence[peaks] >= _PROMINENCE_DB]
    return np.asarray(peaks * _POWER_HOP + _POWER_FRAME // 2, dtype=np.int64)


def _periodicity(band: NDArray[np.float64], pulses: NDArray[np.int64]) -> NDArray[np.float64]:
    """Highest autocorrelation peak of the frame around each pulse, `[n_pulses]`, -1 to 1.

    Corrected for the shrinking overlap, as the paper's normalisation by the window.
    """
    result = np.zeros(len(pulses))
    lags = np.arange(_MAX_LAG + 1)
    overlap = 1.0 - lags / _PERIODICITY_FRAME
    half = _PERIODICITY_FRAME // 2
    padded = np.pad(band, half)
    for start in range(0, len(pulses), 1024):
        some = pulses[start : start + 1024]
        frames = padded[some[:, None] + np.arange(_PERIODICITY_FRAME)]
        power = np.abs(fft.rfft(frames, 2 * _PERIODICITY_FRAME, axis=1)) ** 2
        lagged = fft.irfft(power, axis=1)[:, : _MAX_LAG + 1]
        energy = lagged[:, :1]
        normal = np.divide(lagged, energy, out=np.zeros_like(lagged), where=energy > 0) / overlap
        middle = normal[:, _MIN_LAG:-1]
        peak = (middle > normal[:, _MIN_LAG - 1 : -2]) & (middle >= normal[:, _MIN_LAG + 1 :])
        result[start : start + 1024] = np.where(peak, middle, 0.0).max(axis=1)
    return result


def _similarity(band: NDArray[np.float64], before: int, after: int) -> float:
    """Highest normalised correlation of the pulses' surroundings over small shifts."""
    half = _PULSE_FRAME // 2
    reach = half + _PULSE_SHIFT
    if before < half or after < reach or after + reach > len(band):
        return 0.0
    pulse = band[before - half : before + half]
    around = np.lib.stride_tricks.sliding_window_view(
        band[after - reach : after + reach], _PULSE_FRAME
    )
    products = np.einsum("sn,n->s", around, pulse)
    energies = np.einsum("sn,sn->s", around, around) * float(np.sum(pulse * pulse))
    normal = np.divide(products, np.sqrt(energies), out=np.zeros(len(products)), where=energies > 0)
    return float(np.clip(normal.max(), 0.0, 1.0))
