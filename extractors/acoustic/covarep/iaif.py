"""Glottal flow by iterative adaptive inverse filtering around each closure instant.

P. Alku, "Glottal wave analysis with pitch synchronous iterative adaptive inverse filtering",
Speech Communication 1992.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from affect_pipe.extractors.acoustic.covarep.gci import periods
from affect_pipe.extractors.acoustic.covarep.lpc import inverse_filter, lpc

TRACT_ORDER = 20
GLOTTIS_ORDER = 8
LEAK = 0.99
_TAPS = 301
_STOP_HZ, _PASS_HZ = 40.0, 70.0
# Frames of one block are padded to the longest of them.
_SAMPLES_PER_BLOCK = 1 << 17
# A pause longer than this between two instants gets no frame of its own: one frame of several
# minutes would need gigabytes, and its flow means nothing.
MAX_PERIOD_S = 10.0


def glottal_flow(
    samples: NDArray[np.float64], instants: NDArray[np.int64], sample_rate_hz: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Glottal flow and its derivative, frame by frame added up.

    A frame reaches one period to either side of its instant (period: the distance to the instant
    before) under a Hann window.

    Parameters
    ----------
    samples
        `[n]`, polarity +1.
    instants
        Closure instants counted from 0, at least 2.
    sample_rate_hz
        Sampling rate.

    Returns
    -------
    tuple[NDArray[np.float64], NDArray[np.float64]]
        Flow and flow derivative, each `[n]`; 0 where no frame reaches.
    """
    flow, derivative = np.zeros(len(samples)), np.zeros(len(samples))
    period = periods(instants)
    # The original's frames stand one sample before the instants.
    first = np.maximum(instants - 1 - period, 0)
    stop = np.minimum(instants - 1 + period, len(samples) - 1) + 1
    longest = round(2 * MAX_PERIOD_S * sample_rate_hz)
    long_enough = (stop - first > TRACT_ORDER + 4) & (stop - first <= longest)
    first, stop = first[long_enough], stop[long_enough]
    for block in _alike(stop - first):
        lengths = (stop - first)[block]
        column = np.arange(int(lengths.max()))
        inside = column < lengths[:, None]
        window = np.where(
            inside, 0.5 - 0.5 * np.cos(2 * np.pi * column / (lengths[:, None] - 1)), 0.0
        )
        place = np.minimum(first[block][:, None] + column, len(samples) - 1)
        block_flow, block_derivative = inverse_filtered(
            samples[place] * window, window, inside, sample_rate_hz
        )
        for k, start in enumerate(first[block].tolist()):
            n = int(lengths[k])
            flow[start : start + n] += block_flow[k, :n]
            derivative[start : start + n] += block_derivative[k, :n]
    return flow, derivative


def inverse_filtered(
    frames: NDArray[np.float64],
    window: NDArray[np.float64],
    inside: NDArray[np.bool_],
    sample_rate_hz: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """IAIF of frames of several lengths, padded with zeros at their ends.

    Parameters
    ----------
    frames
        Windowed speech `[n_frames, n]`.
    window
        The windows again, `[n_frames, n]`, 0 in the padding.
    inside
        Which samples belong to the frame, `[n_frames, n]`.
    sample_rate_hz
        Sampling rate.

    Returns
    -------
    tuple[NDArray[np.float64], NDArray[np.float64]]
        Flow and derivative `[n_frames, n]`; the padding holds what the filters ring on.
    """
    # The high-pass has a linear phase: its delay is taken out by reading from the middle on.
    clean = _high_passed(frames, sample_rate_hz) * inside
    # A ramp from -x[0] to x[0] before the frame keeps the filters from starting with a jump.
    ramp = np.linspace(-clean[:, 0], clean[:, 0], TRACT_ORDER + 1, axis=1)
    led = np.concatenate([ramp, clean], axis=1)
    skip = ramp.shape[1]

    def excitation(filters: NDArray[np.float64], integrate: bool) -> NDArray[np.float64]:
        out = inverse_filter(led, filters)
        if integrate:
            out = signal.lfilter([1.0], [1.0, -LEAK], out, axis=1)
        return out[:, skip:]

    without_tilt = excitation(lpc(clean * window, 1), integrate=False)
    first_flow = excitation(lpc(without_tilt * window, TRACT_ORDER), integrate=True)
    without_glottis = excitation(lpc(first_flow * window, GLOTTIS_ORDER), integrate=True)
    derivative = inverse_filter(led, lpc(without_glottis * window, TRACT_ORDER))
    flow = signal.lfilter([1.0], [1.0, -LEAK], derivative, axis=1)
    return flow[:, skip:], derivative[:, skip:]


def _high_passed(frames: NDArray[np.float64], sample_rate_hz: int) -> NDArray[np.float64]:
    """Frames without what lies below 40 Hz, undelayed."""
    n = frames.shape[1]
    size = fft.next_fast_len(n + _TAPS - 1, real=True)
    response = fft.rfft(_high_pass(sample_rate_hz), size)
    middle = _TAPS // 2
    filtered = fft.irfft(fft.rfft(frames, size, axis=1) * response, size, axis=1)
    return np.asarray(filtered[:, middle : middle + n])


@cache
def _high_pass(sample_rate_hz: int) -> NDArray[np.float64]:
    """Least-squares linear-phase FIR high-pass."""
    bands = [0.0, _STOP_HZ, _PASS_HZ, sample_rate_hz / 2]
    taps = signal.firls(_TAPS, bands, [0.0, 0.0, 1.0, 1.0], fs=sample_rate_hz)
    # The solver's last digits depend on its threads and on the processor.
    return np.asarray(np.round(taps, 10))


def _alike(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Give the indices of frames of similar length, block by block."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        while (
            stop < len(order)
            and (stop + 1 - start) * lengths[order[stop]] <= _SAMPLES_PER_BLOCK
            # Padding beyond half again the shortest costs more than it saves.
            and 2 * lengths[order[stop]] <= 3 * lengths[order[start]]
        ):
            stop += 1
        yield order[start:stop]
        start = stop
