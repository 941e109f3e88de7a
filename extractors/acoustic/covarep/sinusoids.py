"""Harmonics of voiced speech from the peaks of a pitch-adapted spectrum.

The frame is three pitch periods under a Blackman window, centred in time zero, so the phase of a
peak is the phase of its sinusoid at the frame's centre (R. J. McAulay and T. F. Quatieri, "Speech
Analysis/Synthesis Based on a Sinusoidal Representation", IEEE Trans. ASSP 34(4), 1986; peak
interpolation: J. O. Smith and X. Serra, "PARSHL", ICMC 1987).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

SAMPLE_RATE_HZ = 16_000
DFT = 4096
BIN_HZ = SAMPLE_RATE_HZ / DFT
# Below this the window of three periods would not fit the DFT. Pitch has 50 Hz as its lowest value
# and 1 Hz for digital silence.
F0_FLOOR_HZ = 50.0
_PERIODS = 3
# Logarithm of the smallest amplitude: digital silence stays finite.
_AMPLITUDE_FLOOR = 1e-300


@dataclass(frozen=True)
class Harmonics:
    """Harmonics of some frames, padded to the longest of them.

    Parameters
    ----------
    f0_hz
        Pitch the peaks were looked for with, `[n_frames]`.
    spacing_hz
        Median distance of neighbouring harmonics, `[n_frames]`.
    count
        Number of harmonics H without the zeroth, `[n_frames]`, int.
    log_amplitude
        Natural logarithm, `[n_frames, H_max + 1]`; column 0 is 0 Hz; past `count` the last value
        goes on.
    phase
        Radians at the frame's centre, `[n_frames, H_max + 1]`; column 0 is 0; 0 past `count`.
    """

    f0_hz: NDArray[np.float64]
    spacing_hz: NDArray[np.float64]
    count: NDArray[np.int64]
    log_amplitude: NDArray[np.float64]
    phase: NDArray[np.float64]


def spectra(
    samples: NDArray[np.float64], time_s: NDArray[np.float64], f0_hz: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """Zero-phase spectra of three-period frames.

    Parameters
    ----------
    samples
        `[n]`, 16 kHz.
    time_s
        Frame centres `[n_frames]`, taken as seconds from the first sample.
    f0_hz
        `[n_frames]`, at least `F0_FLOOR_HZ`.

    Returns
    -------
    NDArray[np.complex128]
        `[n_frames, 2049]`; a unit sinusoid gives a peak of 1/2. Samples outside the recording
        count as zeros.
    """
    half = np.round(_PERIODS * SAMPLE_RATE_HZ / f0_hz / 2).astype(np.int64)
    centre = np.round(time_s * SAMPLE_RATE_HZ).astype(np.int64)
    frames = np.zeros((len(f0_hz), DFT))
    windows: dict[int, NDArray[np.float64]] = {}
    for row, c, h in zip(frames, centre.tolist(), half.tolist(), strict=True):
        if h not in windows:
            window = np.blackman(2 * h + 1)
            windows[h] = window / window.sum()
        first, last = max(c - h, 0), min(c + h + 1, len(samples))
        part = np.zeros(2 * h + 1)
        part[first - c + h : last - c + h] = samples[first:last]
        part *= windows[h]
        row[: h + 1] = part[h:]
        row[DFT - h :] = part[:h]
    spectrum: NDArray[np.complex128] = fft.rfft(frames, axis=1)
    return spectrum


def log_amplitudes(spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Natural logarithm of the amplitudes, finite for zeros too; same shape."""
    result: NDArray[np.float64] = np.log(np.maximum(np.abs(spectrum), _AMPLITUDE_FLOOR))
    return result


def harmonics(
    spectrum: NDArray[np.complex128],
    log_amplitude: NDArray[np.float64],
    f0_hz: NDArray[np.float64],
) -> Harmonics:
    """Spectral peak nearest to every multiple of the pitch.

    Frequency and amplitude come from the parabola through the peak bin and its neighbours on the
    logarithmic scale, the phase from linear interpolation between bins. Without a peak within half
    the pitch, the bin at the multiple itself is read.

    Parameters
    ----------
    spectrum
        `[n_frames, 2049]` from `spectra`.
    log_amplitude
        Its `log_amplitudes`.
    f0_hz
        `[n_frames]`.

    Returns
    -------
    Harmonics
        Up to one pitch short of the Nyquist frequency.
    """
    n_bins = log_amplitude.shape[1]
    count = np.floor(SAMPLE_RATE_HZ / 2 / f0_hz).astype(np.int64) - 1
    order = np.arange(1, int(count.max()) + 1)
    expected = order * f0_hz[:, None]
    inside = order <= count[:, None]
    frequency, level, found = _nearest_peaks(log_amplitude, np.minimum(expected, 8000.0))
    found &= np.abs(frequency - expected) <= 0.5 * f0_hz[:, None]
    nearest_bin = np.minimum(np.round(expected / BIN_HZ).astype(np.int64), n_bins - 1)
    frequency = np.where(found, frequency, expected)
    level = np.where(found, level, np.take_along_axis(log_amplitude, nearest_bin, axis=1))

    levels = np.concatenate([log_amplitude[:, :1], level], axis=1)
    last = np.take_along_axis(levels, count[:, None], axis=1)
    levels = np.where(np.arange(levels.shape[1]) <= count[:, None], levels, last)
    phases = np.zeros(levels.shape)
    phases[:, 1:] = np.where(inside, _phase_at(spectrum, frequency), 0.0)
    return Harmonics(f0_hz, _median_spacing(frequency, inside, count), count, levels, phases)


def _nearest_peaks(
    log_amplitude: NDArray[np.float64], targets_hz: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Frequency and level of the local maximum nearest to each target of the same frame."""
    n_frames = len(log_amplitude)
    middle = log_amplitude[:, 1:-1]
    is_peak = (middle > log_amplitude[:, :-2]) & (middle >= log_amplitude[:, 2:])
    frame, position = np.nonzero(is_peak)
    position += 1
    if not len(frame):
        nothing = np.zeros(targets_hz.shape)
        return nothing, nothing, np.zeros(targets_hz.shape, dtype=bool)
    left = log_amplitude[frame, position - 1]
    top = log_amplitude[frame, position]
    right = log_amplitude[frame, position + 1]
    shift = 0.5 * (left - right) / (left - 2 * top + right)
    frequency = (position + shift) * BIN_HZ
    level = top - 0.25 * (left - right) * shift
    # All frames on one axis, far enough apart that a neighbour in another frame is never within
    # half a pitch of a target.
    apart = 4.0 * SAMPLE_RATE_HZ
    axis = frame * apart + frequency
    wanted = targets_hz + np.arange(n_frames)[:, None] * apart
    after = np.clip(np.searchsorted(axis, wanted), 0, len(axis) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(axis[before] - wanted) <= np.abs(axis[after] - wanted), before, after)
    same = frame[nearest] == np.arange(n_frames)[:, None]
    return frequency[nearest], level[nearest], same


def _phase_at(
    spectrum: NDArray[np.complex128], frequency_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Phase at frequencies between bins, linear over the shorter way round."""
    place = frequency_hz / BIN_HZ
    low = np.clip(np.floor(place).astype(np.int64), 0, spectrum.shape[1] - 2)
    first = np.angle(np.take_along_axis(spectrum, low, axis=1))
    second = np.angle(np.take_along_axis(spectrum, low + 1, axis=1))
    phase: NDArray[np.float64] = first + (place - low) * wrap(second - first)
    return phase


def _median_spacing(
    frequency_hz: NDArray[np.float64], inside: NDArray[np.bool_], count: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Median of the distances from 0 Hz to the first harmonic, to the second, and so on."""
    spacing = np.sort(np.where(inside, np.diff(frequency_hz, axis=1, prepend=0.0), np.inf), axis=1)
    lower = np.take_along_axis(spacing, ((count - 1) // 2)[:, None], axis=1)[:, 0]
    upper = np.take_along_axis(spacing, (count // 2)[:, None], axis=1)[:, 0]
    median: NDArray[np.float64] = 0.5 * (lower + upper)
    return median


def wrap(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles brought into -pi to pi."""
    result: NDArray[np.float64] = (angle + np.pi) % (2 * np.pi) - np.pi
    return result
