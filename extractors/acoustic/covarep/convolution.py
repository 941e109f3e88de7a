"""Undelayed convolution of a long signal with a few taps, a stretch at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from affect_pipe.extractors.acoustic.covarep.lpc import blocks

_BLOCK = 1 << 15


def convolve_same(samples: NDArray[np.float64], taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convolve with an odd number of taps, the middle one at lag 0.

    Beyond the result, memory does not grow with the signal.

    Parameters
    ----------
    samples
        `[n]`.
    taps
        `[2 * half + 1]`.

    Returns
    -------
    NDArray[np.float64]
        `[n]`; the signal counts as 0 outside.
    """
    half = len(taps) // 2
    n = len(samples)
    length = min(_BLOCK, n) + 2 * half
    # The first and last `half` of a block wrap around and are dropped.
    size = fft.next_fast_len(length, real=True)
    response = fft.rfft(taps, size)
    out = np.empty(n)
    for block in blocks(n, _BLOCK):
        first, last = block.start - half, block.stop + half
        part = np.zeros(size)
        part[max(0, -first) : min(last, n) - first] = samples[max(first, 0) : min(last, n)]
        filtered = fft.irfft(fft.rfft(part) * response, size)
        out[block] = filtered[2 * half : 2 * half + block.stop - block.start]
    return out
