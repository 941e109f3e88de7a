"""Spectrum of the Liljencrants-Fant model of the derivative of the glottal flow.

G. Fant, J. Liljencrants and Q. Lin, "A four-parameter model of glottal flow", STL-QPSR 26(4), 1985;
its single-parameter form: G. Fant, "The LF-model revisited", STL-QPSR 36(2-3), 1995. The spectrum
is the pulse's Fourier integral in closed form (B. Doval, C. d'Alessandro and N. Henrich, "The
spectrum of glottal flow models", Acta Acustica 92, 2006).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RD_MIN = 0.3
RD_MAX = 2.5
_BISECTIONS = 80

_Real = NDArray[np.float64]
_Complex = NDArray[np.complex128]
_Number = NDArray[np.float64] | NDArray[np.complex128]


@dataclass(frozen=True)
class LFPulse:
    """LF pulses of period 1 and excitation 1 (the negative peak), one per entry.

    Parameters
    ----------
    peak
        Instant of the greatest flow, `[n]`, fraction of the period.
    excitation
        Instant of the negative peak, `[n]`.
    return_time
        Effective length of the return phase Ta, `[n]`.
    growth
        Exponent alpha of the open phase, `[n]`, per period.
    decay
        Exponent epsilon of the return phase, `[n]`, per period.
    """

    peak: NDArray[np.float64]
    excitation: NDArray[np.float64]
    return_time: NDArray[np.float64]
    growth: NDArray[np.float64]
    decay: NDArray[np.float64]


def shape_ratios(
    rd: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Ra, Rk and Rg predicted from Rd (Fant 1995, equations 2 to 4), fractions not per cent."""
    ra = (-1.0 + 4.8 * rd) / 100.0
    rk = (22.4 + 11.8 * rd) / 100.0
    rg = rk / (4.0 * (0.11 * rd / (0.5 + 1.2 * rk) - ra))
    return ra, rk, rg


def lf_pulse(rd: NDArray[np.float64]) -> LFPulse:
    """LF pulses of given Rd: the two exponents follow from continuity and from zero net flow.

    Parameters
    ----------
    rd
        `[n]`, each in 0.3-2.5.

    Raises
    ------
    ValueError
        If an Rd is outside that range.
    """
    if rd.size and not (rd.min() >= RD_MIN - 1e-9 and rd.max() <= RD_MAX + 1e-9):
        raise ValueError(f"Rd must lie in {RD_MIN}-{RD_MAX}, got {rd.min()} to {rd.max()}")
    ra, rk, rg = shape_ratios(rd)
    peak = 1.0 / (2.0 * rg)
    excitation = peak * (1.0 + rk)
    closing = 1.0 - excitation
    # The decay also has the root 0; the wanted one is below 1 / Ta and above the function's dip.
    decay = _root(
        lambda e: e * ra - 1.0 + np.exp(-e * closing), np.log(closing / ra) / closing, 1.0 / ra
    )
    return_area = -_return_spectrum(decay, ra, excitation, 0.0 * decay).real
    growth = _root(
        lambda a: return_area - _open_spectrum(a, peak, excitation, 0.0 * a).real,
        np.full(rd.shape, -200.0),
        np.full(rd.shape, 200.0),
    )
    return LFPulse(peak, excitation, ra, growth, decay)


def lf_spectrum(rd: NDArray[np.float64], order: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Fourier coefficients of LF pulses, time zero at the start of the period.

    Parameters
    ----------
    rd
        `[n]`, each in 0.3-2.5.
    order
        Harmonic numbers `[m]`, none of them 0 (that coefficient is 0 by construction).

    Returns
    -------
    NDArray[np.complex128]
        `[n, m]`.
    """
    pulse = lf_pulse(rd)
    s = 2j * np.pi * order[None, :]
    opening = _open_spectrum(
        pulse.growth[:, None], pulse.peak[:, None], pulse.excitation[:, None], s
    )
    closing = _return_spectrum(
        pulse.decay[:, None], pulse.return_time[:, None], pulse.excitation[:, None], s
    )
    return opening + closing


def _open_spectrum(growth: _Real, peak: _Real, excitation: _Real, s: _Number) -> _Complex:
    """Laplace integral of the open phase at s; value -1 at the excitation."""
    rate = np.pi / peak
    scale = -1.0 / np.sin(rate * excitation)
    b = growth - s
    turn = b * np.sin(rate * excitation) - rate * np.cos(rate * excitation)
    at_end = np.exp(-s * excitation) * turn
    at_start = rate * np.exp(-growth * excitation)
    integral: _Complex = (scale * (at_end + at_start) / (b * b + rate * rate)).astype(np.complex128)
    return integral


def _return_spectrum(decay: _Real, return_time: _Real, excitation: _Real, s: _Number) -> _Complex:
    """Laplace integral of the return phase at s; value -1 at the excitation, 0 at the period."""
    closing = 1.0 - excitation
    at_end = np.exp(-decay * closing)
    start = np.exp(-s * excitation)
    zero = s == 0
    safe = np.where(zero, 1.0, s)
    falling = (start - at_end * np.exp(-s)) / (decay + s)
    floor = at_end * np.where(zero, closing, (start - np.exp(-s)) / safe)
    integral: _Complex = (-(falling - floor) / (decay * return_time)).astype(np.complex128)
    return integral


def _root(function: Callable[[_Real], _Real], low: _Real, high: _Real) -> _Real:
    """Root of an array function between `low` (negative there) and `high`, by bisection."""
    low, high = low.copy(), high.copy()
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        below = function(middle) < 0
        low = np.where(below, middle, low)
        high = np.where(below, high, middle)
    return 0.5 * (low + high)
