"""Measures of each glottal pulse: NAQ, QOQ, H1-H2 and PSP."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from affect_pipe.extractors.acoustic.covarep.gci import periods
from affect_pipe.extractors.acoustic.covarep.harmonic_difference import harmonic_difference
from affect_pipe.extractors.acoustic.covarep.parabola import parabolic_parameters

F0_MIN_HZ = 20.0
F0_MAX_HZ = 500.0


@dataclass(frozen=True)
class PulseMeasures:
    """One value per closure instant, each `[n]`, float64.

    Parameters
    ----------
    naq
        Normalised amplitude quotient (Alku, Baeckstroem and Vilkman 2002).
    qoq
        Quasi-open quotient at 50 % of the amplitude (Hacki 1989).
    h1_h2_db
        First less second harmonic of the flow derivative (Hanson 1997), dB.
    psp
        Parabolic spectral parameter (Alku, Strik and Vilkman 1997).

    All are 0 where the pitch lies outside 20-500 Hz.
    """

    naq: NDArray[np.float64]
    qoq: NDArray[np.float64]
    h1_h2_db: NDArray[np.float64]
    psp: NDArray[np.float64]

    def __post_init__(self) -> None:
        shapes = {getattr(self, field.name).shape for field in fields(self)}
        if len(shapes) != 1:
            raise ValueError(f"PulseMeasures needs arrays of one length, got {sorted(shapes)}")


def pulse_measures(
    flow: NDArray[np.float64],
    derivative: NDArray[np.float64],
    instants: NDArray[np.int64],
    sample_rate_hz: int,
) -> PulseMeasures:
    """Measures of the pulse that ends at each closure instant.

    Parameters
    ----------
    flow, derivative
        Glottal flow and its derivative, `[n]`.
    instants
        Closure instants counted from 0, at least 2.
    sample_rate_hz
        Sampling rate.

    Returns
    -------
    PulseMeasures
        As in the original, the first pulse is taken to start with the recording though its
        period is that of the second, so its QOQ may be far above 1; its PSP is 0.
    """
    period = periods(instants)
    starts = np.concatenate([[0], instants[:-1]])
    f0_hz = sample_rate_hz / period
    usable = (f0_hz > F0_MIN_HZ) & (f0_hz < F0_MAX_HZ)
    naq, qoq = np.zeros(len(instants)), np.zeros(len(instants))
    for k in np.flatnonzero(usable).tolist():
        part = slice(starts[k], instants[k] + 1)
        naq[k], qoq[k] = _quotients(flow[part], derivative[part], int(period[k]))
    with_start = usable.copy()
    with_start[0] = False
    return PulseMeasures(
        naq=naq,
        qoq=qoq,
        h1_h2_db=harmonic_difference(derivative, instants, period, usable, sample_rate_hz),
        psp=parabolic_parameters(flow, instants, period, with_start),
    )


def _quotients(
    flow: NDArray[np.float64], derivative: NDArray[np.float64], period: int
) -> tuple[float, float]:
    """NAQ and QOQ of one pulse, `flow` from closure to closure."""
    # The line between the two closures is taken away: what drifts is not the pulse.
    level = flow - np.linspace(flow[0], flow[-1], len(flow))
    top = int(np.argmax(level))
    steepest = float(np.abs(derivative).max())
    naq = float(level[top]) / steepest / period if steepest > 0 else 0.0
    below = level <= 0.5 * level[top]
    before = np.flatnonzero(below[:top])
    after = np.flatnonzero(below[top:])
    opening = int(before[-1]) if len(before) else 0
    closing = top + int(after[0]) if len(after) else len(level) - 1
    return naq, (closing - opening) / period
