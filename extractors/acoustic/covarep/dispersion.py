"""MDQ: how far the wavelets' maxima stray from the glottal closure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from affect_pipe.extractors.acoustic.covarep.gci import periods
from affect_pipe.extractors.acoustic.covarep.wavelets import filtered

# 2000, 1000, 500, 250 and 125 Hz at 16 kHz.
_OCTAVES = (2, 3, 4, 5, 6)
_SEARCH = 0.2


def maxima_dispersion(
    error: NDArray[np.float64], instants: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Maxima dispersion quotient at each closure instant.

    J. Kane and C. Gobl, "Wavelet Maxima Dispersion for Breathy to Tense Voice Discrimination",
    IEEE TASLP 2013, on the LP residual.

    Parameters
    ----------
    error
        LP residual `[n]`, 16 kHz.
    instants
        Closure instants counted from 0, at least 2.

    Returns
    -------
    NDArray[np.float64]
        Mean distance over the wavelets as a share of the period, `[n_instants]`; 0 where the
        search would leave the recording.
    """
    period = periods(instants)
    reach = np.floor(_SEARCH * period + 0.5).astype(np.int64)
    inside = np.flatnonzero((instants - reach >= 0) & (instants + reach < len(error)))
    total = np.zeros(len(instants))
    for octave in _OCTAVES:
        swing = filtered(error, octave)
        for k in inside.tolist():
            a, r = int(instants[k]), int(reach[k])
            # Measured from one sample before the middle, as the original does.
            total[k] += abs(int(np.argmax(swing[a - r : a + r + 1])) - r + 1)
    return total / len(_OCTAVES) / period
