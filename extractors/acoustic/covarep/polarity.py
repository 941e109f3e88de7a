"""Which way up a recording is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from affect_pipe.extractors.acoustic.covarep.lpc import residual

_ORDER = 18
_PRE_EMPHASIS = 0.97


def polarity(samples: NDArray[np.float64], error: NDArray[np.float64]) -> int:
    """Polarity by residual skewness (RESKEW).

    T. Drugman, "Residual Excitation Skewness for Automatic Speech Polarity Detection", IEEE
    Signal Processing Letters 2013. The LP residual is skewed towards the side of its peaks at
    glottal closure, a rough glottal flow derivative towards the other side. The latter is speech
    filtered by predictors of its pre-emphasised self, which leave the source's tilt in.

    Parameters
    ----------
    samples
        `[n]`, 16 kHz.
    error
        LP residual of order 18, `[n]`.

    Returns
    -------
    int
        1, or -1 if the recording is upside down; 1 for silence.
    """
    emphasised = signal.lfilter([1.0, -_PRE_EMPHASIS], [1.0], samples)
    source = residual(samples, _ORDER, predict_from=emphasised)
    return -1 if _skewness(error) < _skewness(source) else 1


def _skewness(values: NDArray[np.float64]) -> float:
    """Third standardised moment; 0 for a constant."""
    centred = values - values.mean() if len(values) else values
    variance = float(np.mean(centred**2)) if len(values) else 0.0
    return float(np.mean(centred**3)) / variance**1.5 if variance > 0 else 0.0
