"""What the columns of eGeMAPS are measured in, by their names (Eyben et al. 2016, section 3)."""

from __future__ import annotations

# Low-level descriptors by how their names begin; ratios, flux, loudness and cepstra have no unit.
_DESCRIPTORS = (
    ("F0semitone", "semitone from 27.5 Hz"),
    ("shimmerLocaldB", "dB"),
    ("HNRdBACF", "dB"),
    ("logRelF0", "dB"),
    ("alphaRatio", "dB"),
    ("hammarbergIndex", "dB"),
    ("slope", "dB/Hz"),
)
_FORMANTS = (
    ("frequency", "Hz"),
    ("bandwidth", "Hz"),
    ("amplitudeLogRelF0", "dB"),
)
# Functionals that stand alone.
_WHOLE = {
    "loudnessPeaksPerSec": "1/s",
    "VoicedSegmentsPerSec": "1/s",
    "MeanVoicedSegmentLengthSec": "s",
    "StddevVoicedSegmentLengthSec": "s",
    "MeanUnvoicedSegmentLength": "s",
    "StddevUnvoicedSegmentLength": "s",
    "equivalentSoundLevel_dBp": "dB",
}


def unit_of(column: str) -> str:
    """Return the unit of a descriptor or a functional; empty where it has none."""
    if column in _WHOLE:
        return _WHOLE[column]
    # A coefficient of variation: the standard deviation over the mean.
    if column.endswith("_stddevNorm"):
        return ""
    unit = next((unit for start, unit in _DESCRIPTORS if column.startswith(start)), "")
    if column[:1] == "F" and column[1:2] in "123":
        unit = next((u for part, u in _FORMANTS if column[2:].startswith(part)), "")
    if column.endswith("Slope"):
        # Of the descriptor over time. That of what has no unit is a rate all the same.
        return f"{'semitone' if unit.startswith('semitone') else unit or '1'}/s"
    if column.endswith("_pctlrange0-2") and unit.startswith("semitone"):
        return "semitone"
    return unit
