"""Which columns of which features a person can read, and what they are called.

The names of action units are those of the Facial Action Coding System (Ekman and Friesen 1978),
those of the voice follow eGeMAPS (Eyben et al. 2016) and COVAREP (Degottex et al. 2014).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from affect_pipe.pipeline.action_unit_names import ACTION_UNIT_NAMES
from affect_pipe.pipeline.results.report.data import Measure

# By the name without statistic and smoothing, in lower case: what it is, and its unit.
_KNOWN = {
    **{au.lower(): (f"{au} {name}", "") for au, name in ACTION_UNIT_NAMES.items()},
    "f0semitonefrom27.5hz": ("pitch", "semitones over 27.5 Hz"),
    "loudness": ("loudness", "sone"),
    "jitterlocal": ("jitter", ""),
    "shimmerlocaldb": ("shimmer", "dB"),
    "hnrdbacf": ("harmonics to noise", "dB"),
    "alpharatio": ("alpha ratio", "dB"),
    "hammarbergindex": ("Hammarberg index", "dB"),
    "spectralflux": ("spectral flux", ""),
    "f1frequency": ("first formant", "Hz"),
    "f0": ("pitch", "Hz"),
    "naq": ("normalised amplitude quotient", ""),
    "qoq": ("quasi-open quotient", ""),
    "h1h2": ("first to second harmonic", "dB"),
    "psp": ("parabolic spectral parameter", ""),
    "mdq": ("maxima dispersion quotient", ""),
    "peakslope": ("peak slope", ""),
    "rd": ("Rd of the glottal model", ""),
    "creak": ("creak", ""),
}
_SMOOTHED = re.compile(r"_sma3(nz)?")
_MEAN = re.compile(r"_a?mean$")


def readable(columns: Sequence[str], *, means: bool) -> list[tuple[int, Measure]]:
    """Return the columns that a person can read, with their places.

    Parameters
    ----------
    columns : sequence of str
    means : bool
        Whether ``columns`` are of utterances, of whose statistics the means are wanted; otherwise
        they are of single frames.
    """
    found: dict[str, tuple[int, Measure]] = {}
    for place, column in enumerate(columns):
        stem = _SMOOTHED.sub("", _MEAN.sub("", column)).lower()
        # Of voiced frames (eGeMAPS): the frames' columns make no difference.
        known = _KNOWN.get(stem) or (_KNOWN.get(stem.removesuffix("v")) if means else None)
        if known is not None:
            name = known[0].split(" ")[0] if stem.startswith("au") else known[0]
            found.setdefault(name, (place, Measure(name, *known)))
    return list(found.values())


def zero_is_absent(column: str) -> bool:
    """Whether a zero in a frame says that nothing was there: pitch where there is no voice."""
    return column.endswith("_sma3nz")
