"""PSP: the shape of the glottal flow's spectrum near 0 Hz as one number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from affect_pipe.extractors.acoustic.covarep.lpc import blocks

_FFT = 2048
_FIRST_FIT = 3
_MAX_ERROR = 0.01
_FRAMES_PER_BLOCK = 128


def parabolic_parameters(
    flow: NDArray[np.float64],
    instants: NDArray[np.int64],
    period: NDArray[np.int64],
    usable: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Parabolic spectral parameter of each glottal cycle.

    P. Alku, H. Strik and E. Vilkman, "Parabolic spectral parameter: a new method for
    quantification of the glottal flow", Speech Communication 1997. One cycle of flow, scaled to
    0-1, is set against a constant flow of unit area and the same period.

    Parameters
    ----------
    flow
        Glottal flow `[n]`.
    instants, period
        Closure instants counted from 0 and their periods, `[n_instants]`.
    usable
        Which instants to measure, `[n_instants]`; the cycle reaches back one period.

    Returns
    -------
    NDArray[np.float64]
        `[n_instants]`; 0 where unusable or where the flow does not move.
    """
    out = np.zeros(len(instants))
    chosen = np.flatnonzero(usable)
    widths = np.unique(period[chosen])
    fullest = {
        int(width): value for width, value in zip(widths, _constant_flows(widths), strict=True)
    }
    for block in blocks(len(chosen), _FRAMES_PER_BLOCK):
        which = chosen[block]
        cycles = np.zeros((len(which), int(period[which].max()) + 1))
        for row, k in enumerate(which.tolist()):
            cycle = flow[instants[k] - period[k] : instants[k] + 1]
            span = np.ptp(cycle)
            if span > 0:
                cycles[row, : len(cycle)] = (cycle - cycle.min()) / span
        opening = curvature(_levels(cycles))
        out[which] = [
            value / fullest[int(period[k])] for value, k in zip(opening, which, strict=True)
        ]
    return out


def curvature(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Second-order coefficient of the first parabola that misses the spectrum by over 1 %.

    A parabola `a k^2 + b` is fitted to the first 3, 4, 5 ... bins, and the error is the sum of
    squares it leaves over that of the levels.

    Parameters
    ----------
    levels
        Spectra in dB, `[n, n_bins]`.

    Returns
    -------
    NDArray[np.float64]
        `a`, `[n]`, dB per squared bin.
    """
    count = np.arange(1.0, levels.shape[1] + 1)
    square = np.arange(levels.shape[1], dtype=np.float64) ** 2
    s2, s4 = np.cumsum(square), np.cumsum(square**2)
    sx, sxx = np.cumsum(levels, axis=1), np.cumsum(levels**2, axis=1)
    sxk = np.cumsum(levels * square, axis=1)
    use = slice(_FIRST_FIT - 1, None)
    count, s2, s4 = count[use], s2[use], s4[use]
    sx, sxx, sxk = sx[:, use], sxx[:, use], sxk[:, use]
    a = (count * sxk - sx * s2) / (count * s4 - s2**2)
    b = (sx - a * s2) / count
    left = sxx - 2 * a * sxk - 2 * b * sx + a**2 * s4 + 2 * a * b * s2 + count * b**2
    over = left >= _MAX_ERROR * sxx
    over[:, -1] = True
    return np.asarray(np.take_along_axis(a, over.argmax(axis=1)[:, None], axis=1)[:, 0])


def _constant_flows(widths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Coefficient for a constant flow of unit area over each width, `[n_widths]`."""
    flows = np.zeros((len(widths), int(widths.max(initial=1))))
    for row, width in enumerate(widths.tolist()):
        flows[row, :width] = 1.0 / width
    return curvature(_levels(flows))


def _levels(cycles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Amplitude spectra in dB, `[n, 1024]`."""
    amplitude = np.abs(fft.rfft(cycles, _FFT, axis=1)[:, : _FFT // 2])
    return np.asarray(20.0 * np.log10(np.maximum(amplitude, 1e-12)))
