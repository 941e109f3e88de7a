"""Phase distortion of voiced speech: its mean and its deviation over time (HMPD).

G. Degottex and D. Erro, "A uniform phase representation for the harmonic model in speech synthesis
applications", EURASIP Journal on Audio, Speech, and Music Processing 2014:38. The phase distortion
is what is left of the harmonics' phases without the linear phase of the pulse's position and
without the minimum phase of the amplitudes; a circular mean tells the pulse's shape, a circular
deviation how noisy it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from affect_pipe.extractors.acoustic.covarep.mcep import warped_cepstrum
from affect_pipe.extractors.acoustic.covarep.minimum_phase import minimum_phase
from affect_pipe.extractors.acoustic.covarep.sinusoids import SAMPLE_RATE_HZ, Harmonics

N_BINS = 513
BIN_HZ = SAMPLE_RATE_HZ / 1024
MEAN_FRAMES = 25
DEVIATION_FRAMES = 9
MEAN_COLUMNS = 25
DEVIATION_ORDER = 12
# Frames of a neighbouring block that reach into this one; also the reflection at the ends of a
# recording, three times the longer filter.
MARGIN = 3 * (MEAN_FRAMES - 1)
_SEED = 20140508
_LEAST_DEVIATION = 0.001
# First bins of the 25 bands of the mean, and the end of the last: single bins, then wider ones.
_SINGLE = (0, 1, 2, 3, 4, 5, 6, 7)
_WIDE = (8, 10, 13, 17, 22, 28, 36, 46, 58, 72, 89, 110, 135, 166, 207, 264, 358)
_EDGES = _SINGLE + _WIDE + (512,)
# Exchanges that put the middle of nine values in place 4: Paeth, "Median finding on a 3x3 grid",
# Graphics Gems, 1990.
_MEDIAN_9 = (
    *((1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8)),
    *((0, 3), (5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2)),
)


def harmonic_distortion(harmonics: Harmonics) -> NDArray[np.float64]:
    """Phase distortion at every harmonic, made continuous over the harmonics.

    Parameters
    ----------
    harmonics
        Of `n` frames.

    Returns
    -------
    NDArray[np.float64]
        `[n, H_max]`, radians; column h belongs to harmonic h + 1; column 0 is 0, columns past the
        frame's count repeat the last.
    """
    levels = harmonics.log_amplitude.copy()
    levels[:, 0] = levels[:, 1]
    place = np.arange(N_BINS) * BIN_HZ / harmonics.spacing_hz[:, None]
    # Past the last harmonic the line through the last two goes on.
    log_envelope = _read(levels, place, harmonics.count - 1)
    on_bins = minimum_phase(log_envelope)
    order = np.arange(levels.shape[1])
    rest = harmonics.phase - _read(
        on_bins, order * (harmonics.spacing_hz[:, None] / BIN_HZ), np.full(len(levels), N_BINS - 2)
    )
    rest[:, 0] = 0.0
    distortion = rest[:, 1:] - rest[:, :-1] - rest[:, 1:2]
    distortion = np.unwrap(distortion, axis=1)
    last = np.take_along_axis(distortion, harmonics.count[:, None] - 1, axis=1)
    past = np.arange(distortion.shape[1]) >= harmonics.count[:, None]
    return np.where(past, last, distortion)


def on_frequency_axis(
    distortion: NDArray[np.float64],
    f0_hz: NDArray[np.float64],
    count: NDArray[np.int64],
    first_frame: int,
) -> NDArray[np.complex128]:
    """Put the phase distortion, as unit phasors, on 513 bins up to the Nyquist frequency.

    Zero angle up to the pitch, linear between harmonics, and random past the last harmonic: the
    generator is keyed by a fixed seed and the frame's number, so a frame has the same phases
    whichever block it is in.

    Parameters
    ----------
    distortion
        `[n, H_max]` from `harmonic_distortion`.
    f0_hz
        `[n]`.
    count
        Harmonics of each frame, `[n]`.
    first_frame
        Number of the first frame in its recording.
    """
    place = np.arange(N_BINS) * BIN_HZ / f0_hz[:, None] - 1.0
    angle = _read(distortion, np.maximum(place, 0.0), np.maximum(count - 2, 0))
    n_known = np.minimum((count * f0_hz / BIN_HZ).astype(np.int64) + 1, N_BINS)
    for i, known in enumerate(n_known.tolist()):
        random = np.random.Generator(np.random.Philox(key=[_SEED, first_frame + i]))
        angle[i, known:] = random.uniform(-np.pi, np.pi, N_BINS - known)
    phasors = np.empty(angle.shape, dtype=np.complex128)
    np.cos(angle, out=phasors.real)
    np.sin(angle, out=phasors.imag)
    return phasors


def mean_columns(phasors: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Phase-distortion mean, HMPDM, on 25 bands.

    Parameters
    ----------
    phasors
        `[n, 513]` from `on_frequency_axis`, `MARGIN` frames (or their reflection, `reflect`)
        before and after the wanted ones.

    Returns
    -------
    NDArray[np.float64]
        `[n - 2 MARGIN, 25]`, radians in -pi to pi: circular mean over 25 frames forwards and
        backwards, then over the band's bins, each bin with the same weight.
    """
    smooth = _twice(phasors, MEAN_FRAMES)[MARGIN : len(phasors) - MARGIN]
    size = np.abs(smooth)
    smooth = np.divide(smooth, size, out=np.ones_like(smooth), where=size > 0)
    bands = np.add.reduceat(smooth, _EDGES[:-1], axis=1)
    bands[:, -1] -= smooth[:, _EDGES[-1] :].sum(axis=1)
    return np.angle(bands)


def deviation_columns(phasors: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Phase-distortion deviation, HMPDD: mel-warped cepstrum of its logarithm.

    The slow movement of the angle (median over 9 frames, then a Hann filter forwards and
    backwards) is removed first.

    Parameters
    ----------
    phasors
        As for `mean_columns`.

    Returns
    -------
    NDArray[np.float64]
        `[n - 2 MARGIN, 13]`.
    """
    # 4 frames of median, 2 x 4 of the Hann filter and 2 x 4 of the mean reach into the block.
    near = phasors[MARGIN - 20 : len(phasors) - MARGIN + 20]
    trend = np.empty((len(near) - 8, N_BINS), dtype=np.complex128)
    trend.real = _median_9(near.real)
    trend.imag = _median_9(near.imag)
    taps = np.hanning(DEVIATION_FRAMES)
    kernel = np.convolve(taps, taps) / taps.sum() ** 2
    kernel = kernel[np.flatnonzero(kernel)]
    n = len(trend) - len(kernel) + 1
    slow = sum(weight * trend[k : k + n] for k, weight in enumerate(kernel))
    skipped = (len(near) - n) // 2
    steady = near[skipped : skipped + n] * np.conj(slow)
    size = np.abs(steady)
    steady = np.divide(steady, size, out=np.ones_like(steady), where=size > 0)
    length = np.abs(_twice(steady, DEVIATION_FRAMES))
    surplus = (n - (len(phasors) - 2 * MARGIN)) // 2
    length = length[surplus : n - surplus]
    deviation = np.sqrt(-2.0 * np.log(np.clip(length, 1e-300, 1.0)))
    return warped_cepstrum(np.log(np.maximum(deviation, _LEAST_DEVIATION)), DEVIATION_ORDER)


def reflect(phasors: NDArray[np.complex128], n: int, at_start: bool) -> NDArray[np.complex128]:
    """`n` frames to go before (or after) the first (or last): reflected about that frame's value.

    The odd extension that forward-backward filtering uses. A recording with fewer frames repeats
    its farthest one.

    Parameters
    ----------
    phasors
        `[m, 513]`, the recording's first (or last) frames, at least 1.
    n
        How many.
    at_start
        Whether the frames go before the first.
    """
    distance = np.minimum(np.arange(1, n + 1), len(phasors) - 1)
    if at_start:
        edge, others = phasors[:1], phasors[distance[::-1]]
    else:
        edge, others = phasors[-1:], phasors[len(phasors) - 1 - distance]
    return np.asarray(2.0 * edge - others, dtype=np.complex128)


def _read(
    table: NDArray[np.float64], place: NDArray[np.float64], last: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Row-wise linear interpolation of `table` at fractional columns `place`.

    `last` is each row's last column a segment may start in; its line goes on beyond.
    """
    low = np.minimum(place.astype(np.int64), last[:, None])
    first = np.take_along_axis(table, low, axis=1)
    second = np.take_along_axis(table, np.minimum(low + 1, table.shape[1] - 1), axis=1)
    value: NDArray[np.float64] = first + (place - low) * (second - first)
    return value


def _twice(phasors: NDArray[np.complex128], n_frames: int) -> NDArray[np.complex128]:
    """Mean over `n_frames` (odd) forwards and backwards, same length."""
    smooth = np.empty(phasors.shape, dtype=np.complex128)
    for part, out in ((phasors.real, smooth.real), (phasors.imag, smooth.imag)):
        once = uniform_filter1d(part, n_frames, axis=0, mode="nearest")
        out[:] = uniform_filter1d(once, n_frames, axis=0, mode="nearest")
    return smooth


def _median_9(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take the running median over 9 rows, `[n - 8, ...]`."""
    n = len(values) - 8
    nine = [values[k : k + n] for k in range(9)]
    for i, j in _MEDIAN_9:
        nine[i], nine[j] = np.minimum(nine[i], nine[j]), np.maximum(nine[i], nine[j])
    return nine[4]


def circular_midpoints(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles half-way between neighbouring rows, the shorter way round: `[n - 1, ...]`."""
    phasors = np.exp(1j * angles)
    middle: NDArray[np.float64] = np.angle(phasors[1:] + phasors[:-1])
    return middle
