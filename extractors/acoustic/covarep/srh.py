"""Pitch and voicing by the summation of residual harmonics (SRH).

T. Drugman and A. Alwan, "Joint Robust Voicing Detection and Pitch Estimation Based on Residual
Harmonics", Interspeech 2011.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from affect_pipe.extractors.acoustic.covarep.lpc import blocks, residual

SAMPLE_RATE_HZ = 16_000
HOP = 160
# 100 ms less two samples: the frame centre then falls on a multiple of 10 ms, 1-based.
FRAME = 1598
F0_MIN_HZ = 50
F0_MAX_HZ = 500
_HARMONICS = 5
_LPC_ORDER = 12
# Strength above which a frame may take part in the speaker's median pitch.
_STRONG = 0.1
_THRESHOLD = 0.07
_THRESHOLD_SPREAD = 0.085
_SPREAD = 0.05
_FRAMES_PER_BLOCK = 64
# Five minutes of sums (120 MB) are kept for the second search; longer recordings make them anew.
_FRAMES_KEPT = 30_000

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pitch:
    """Pitch track, one frame every 10 ms.

    Parameters
    ----------
    time_s
        Frame centres `[n_frames]`, float64, multiples of 10 ms from 50 ms.
    f0_hz
        `[n_frames]`, float64, whole numbers in 50-500; the best candidate in unvoiced frames too,
        and 1 where there is none (digital silence).
    strength
        SRH value of that candidate, `[n_frames]`, float64.
    voiced
        `[n_frames]`, bool.
    """

    time_s: NDArray[np.float64]
    f0_hz: NDArray[np.float64]
    strength: NDArray[np.float64]
    voiced: NDArray[np.bool_]

    def __post_init__(self) -> None:
        shapes = {a.shape for a in (self.time_s, self.f0_hz, self.strength, self.voiced)}
        if len(shapes) != 1 or self.time_s.ndim != 1:
            raise ValueError(f"Pitch needs four arrays of one length, got {sorted(shapes)}")

    def median_hz(self) -> float | None:
        """Median over voiced frames strictly inside 50-500 Hz; None where there are none."""
        inside = self.voiced & (self.f0_hz > F0_MIN_HZ) & (self.f0_hz < F0_MAX_HZ)
        return float(np.median(self.f0_hz[inside])) if inside.any() else None


def pitch(samples: NDArray[np.float64], sample_rate_hz: int) -> Pitch:
    """SRH pitch track of a recording.

    The residual's spectrum on a 1 Hz grid is summed over five harmonics, less the places half-way
    between them. The search runs a second time between half and twice the median pitch of the
    clearly voiced frames of the first.

    Parameters
    ----------
    samples
        `[n]`, float64, polarity irrelevant.
    sample_rate_hz
        Must be 16000.

    Returns
    -------
    Pitch
        One frame per 160 samples as long as 1598 samples fit; none for shorter recordings.

    Raises
    ------
    ValueError
        If the rate is not 16 kHz.
    """
    if sample_rate_hz != SAMPLE_RATE_HZ:
        raise ValueError(
            f"COVAREP measures need audio at {SAMPLE_RATE_HZ} Hz, got {sample_rate_hz}"
        )
    n_frames = max(0, (len(samples) - FRAME) // HOP + 1)
    time_s = (np.arange(n_frames) * HOP + FRAME // 2 + 1) / SAMPLE_RATE_HZ
    error = residual(samples, _LPC_ORDER)
    kept = list(harmonic_sums(error, n_frames)) if n_frames <= _FRAMES_KEPT else None

    def best(low: int, high: int) -> tuple[Array, Array, bool]:
        return _best(kept if kept is not None else harmonic_sums(error, n_frames), low, high)

    f0_hz, strength, silent = best(F0_MIN_HZ, F0_MAX_HZ)
    strong = strength > _STRONG
    if strong.any():
        median = float(np.median(f0_hz[strong]))
        low = max(F0_MIN_HZ, _round(0.5 * median))
        high = min(F0_MAX_HZ, _round(2.0 * median))
        f0_hz, strength, silent = best(low, high)
    spread = np.std(strength, ddof=1) if n_frames > 1 else 0.0
    # The spread of a recording with digital silence in it is undefined in the original (0/0), and
    # the lower threshold holds.
    threshold = _THRESHOLD_SPREAD if spread > _SPREAD and not silent else _THRESHOLD
    return Pitch(time_s, f0_hz, strength, strength > threshold)


def harmonic_sums(error: NDArray[np.float64], n_frames: int) -> Iterator[NDArray[np.float64]]:
    """SRH of every frame at every whole frequency up to 500 Hz (equation 1 of the paper).

    Parameters
    ----------
    error
        LP residual `[n]`, 16 kHz.
    n_frames
        Number of frames, every 160 samples from the start.

    Yields
    ------
    NDArray[np.float64]
        `[n, 501]` for the next n frames, column f for f Hz; NaN rows where the residual is all
        zero.
    """
    window = np.blackman(FRAME)
    f0 = np.arange(F0_MAX_HZ + 1)
    # A spectrum indexed from 1 is read at index f for f Hz: candidates sit 1 Hz below their name,
    # as do their harmonics.
    plus = [np.maximum(k * f0 - 1, 0) for k in range(1, _HARMONICS + 1)]
    minus = [np.maximum(((2 * k - 1) * f0 + 1) // 2 - 1, 0) for k in range(2, _HARMONICS + 1)]
    for block in blocks(n_frames, _FRAMES_PER_BLOCK):
        starts = np.arange(block.start, block.stop) * HOP
        frames = error[starts[:, None] + np.arange(FRAME)] * window
        frames -= frames.mean(axis=1, keepdims=True)
        half = fft.rfft(frames, SAMPLE_RATE_HZ, axis=1)
        # Parseval: the energy of all bins below half the rate, without squaring them all.
        energy = 0.5 * SAMPLE_RATE_HZ * np.einsum("mn,mn->m", frames, frames)
        energy += 0.5 * (half[:, 0].real ** 2 - half[:, -1].real ** 2)
        energy = np.maximum(energy, 0.0)[:, None]
        used = half[:, : _HARMONICS * F0_MAX_HZ]
        used = used.real**2 + used.imag**2
        spectrum = np.sqrt(
            np.divide(used, energy, out=np.full(used.shape, np.nan), where=energy > 0)
        )
        total = spectrum[:, plus[0]]
        for above, between in zip(plus[1:], minus, strict=True):
            total += spectrum[:, above] - spectrum[:, between]
        yield total


def _best(sums: Iterable[Array], low: int, high: int) -> tuple[Array, Array, bool]:
    """Find the best candidate in `[low, high]` Hz of each frame and its value.

    1 Hz and 0 where no candidate is above 0. Lastly whether any frame is digital silence.
    """
    f0_hz, strength, silent = [np.zeros(0)], [np.zeros(0)], False
    for block in sums:
        part = block[:, low : high + 1]
        silent = silent or bool(np.isnan(part).any())
        part = np.nan_to_num(part, nan=-np.inf)
        value = part.max(axis=1)
        found = value > 0
        f0_hz.append(np.where(found, part.argmax(axis=1) + low, 1).astype(np.float64))
        strength.append(np.where(found, value, 0.0))
    return np.concatenate(f0_hz), np.concatenate(strength), silent


def _round(value: float) -> int:
    """Nearest whole number, halves upwards."""
    return int(np.floor(value + 0.5))
