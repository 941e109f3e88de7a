"""What every column of every feature means, checked against the columns there are.

Units and names come from the extractors. The descriptions of egemaps follow Eyben et al. 2016,
section 3 and its tables; the others follow the docstrings of the code that computes them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from affect_pipe.extractors.notes import NOTES
from affect_pipe.extractors.registry import build


@dataclass(frozen=True)
class Row:
    """Columns that are described together.

    Attributes
    ----------
    names : tuple of str
        In the order of the feature.
    unit, text : str
    """

    names: tuple[str, ...]
    unit: str
    text: str


@dataclass(frozen=True)
class Group:
    """A table of columns.

    Attributes
    ----------
    title : str
    rows : tuple of Row
    """

    title: str
    rows: tuple[Row, ...]


_LOW_LEVEL = {
    "F0semitoneFrom27.5Hz": "pitch (logarithm of the fundamental frequency)",
    "loudness": "loudness, estimated from an auditory spectrum",
    "spectralFlux": "change of the spectrum from one frame to the next",
    "jitterLocal": "jitter: how lengths of neighbouring pitch periods deviate",
    "shimmerLocaldB": "shimmer: how peak amplitudes of neighbouring pitch periods differ",
    "HNRdBACF": "harmonics-to-noise ratio, from the autocorrelation",
    "logRelF0-H1-H2": "level of the first harmonic less that of the second",
    "logRelF0-H1-A3": "level of the first harmonic less that of the strongest one near F3",
    "alphaRatio": "alpha ratio: energy from 50 to 1000 Hz against that from 1 to 5 kHz",
    "hammarbergIndex": "Hammarberg index: highest peak from 0 to 2 kHz against that from 2 to "
    "5 kHz",
    "slope0-500": "slope of the spectrum from 0 to 500 Hz",
    "slope500-1500": "slope of the spectrum from 500 to 1500 Hz",
    **{f"mfcc{k}": f"mel-frequency cepstral coefficient {k}" for k in range(1, 5)},
    **{f"F{k}frequency": f"centre frequency of formant {k}" for k in (1, 2, 3)},
    **{f"F{k}bandwidth": f"bandwidth of formant {k}" for k in (1, 2, 3)},
    **{
        f"F{k}amplitudeLogRelF0": f"level of the harmonic at formant {k} against that of the pitch"
        for k in (1, 2, 3)
    },
}
_FUNCTIONALS = {
    "amean": "mean",
    "stddevNorm": "coefficient of variation (standard deviation over mean)",
    "percentile20.0": "20th percentile",
    "percentile50.0": "median",
    "percentile80.0": "80th percentile",
    "pctlrange0-2": "range from the 20th to the 80th percentile",
    "meanRisingSlope": "mean slope of the rising parts",
    "stddevRisingSlope": "standard deviation of the slopes of the rising parts",
    "meanFallingSlope": "mean slope of the falling parts",
    "stddevFallingSlope": "standard deviation of the slopes of the falling parts",
}
_WHOLE = {
    "loudnessPeaksPerSec": "peaks of loudness per second",
    "VoicedSegmentsPerSec": "continuous voiced stretches per second",
    "MeanVoicedSegmentLengthSec": "mean length of voiced stretches",
    "StddevVoicedSegmentLengthSec": "standard deviation of the lengths of voiced stretches",
    "MeanUnvoicedSegmentLength": "mean length of unvoiced stretches (pauses among them)",
    "StddevUnvoicedSegmentLength": "standard deviation of the lengths of unvoiced stretches",
    "equivalentSoundLevel_dBp": "equivalent sound level: mean energy, as a level",
}
_VOICE = {
    "F0": "pitch, by summation of residual harmonics",
    "VUV": "1 where the voice is heard, 0 where not",
    "NAQ": "normalised amplitude quotient of the glottal pulse",
    "QOQ": "quasi-open quotient of the glottal pulse, at 50 % of its amplitude",
    "H1H2": "first less second harmonic of the glottal flow derivative",
    "PSP": "parabolic spectral parameter of the glottal flow",
    "MDQ": "maxima dispersion quotient: tense to breathy voice",
    "peakSlope": "slope of wavelet peaks over octaves",
    "Rd": "shape of the glottal pulse, 0.3 (pressed) to 2.5 (lax)",
    "Rd_conf": "confidence of `Rd`, 0 to 1",
    "creak": "degree of creak, 0 to 1; another detector than the original's, not comparable "
    "with it",
}
# What geometry hardly sees; see `affect_pipe.extractors.visual.action_units`.
_WEAK = ("AU06", "AU14", "AU23", "AU24", "AU28")
_POSE = {
    "yaw_deg": "head turned sideways",
    "pitch_deg": "head raised or lowered",
    "roll_deg": "head tilted",
}
_STATISTICS = "mean, standard deviation and maximum over the frames that show the speaking face"


def groups_of(feature: str) -> tuple[Group, ...]:
    """Return the described columns of a feature.

    Raises
    ------
    LookupError
        If nobody has described the feature, or not all of its columns.
    """
    if feature not in _DESCRIBED:
        raise LookupError(f"the columns of {feature} are not described in {__file__}")
    return _DESCRIBED[feature]()


def _described(groups: Sequence[Group], wanted: Sequence[str]) -> tuple[Group, ...]:
    told = [name for group in groups for row in group.rows for name in row.names]
    if sorted(told) != sorted(wanted):
        wrong = sorted(set(told) ^ set(wanted))
        raise LookupError(f"columns described and columns there are differ: {wrong[:5]}")
    return tuple(groups)


def _egemaps() -> tuple[Group, ...]:
    extractor = build("egemaps")
    columns, units = extractor.spec().columns, extractor.units()  # type: ignore[attr-defined]
    rows = tuple(
        Row((name,), unit, _egemaps_text(name)) for name, unit in zip(columns, units, strict=True)
    )
    told = _described([Group("Functionals of an utterance", rows)], columns)
    return (*told, _descriptors())


def _descriptors() -> Group:
    """Return what the functionals are taken of, by openSMILE's names."""
    import opensmile

    from affect_pipe.extractors.acoustic.egemaps_units import unit_of

    names = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.LowLevelDescriptors,
    ).feature_names
    known = {name.lower(): text for name, text in _LOW_LEVEL.items()}
    rows = tuple(Row((name,), unit_of(name), known[name.split("_")[0].lower()]) for name in names)
    return Group("Frame level, every 10 ms", rows)


def _egemaps_text(column: str) -> str:
    if column in _WHOLE:
        return _WHOLE[column]
    descriptor, smoothing, functional = column.split("_")
    where = {"sma3nz": ", voiced frames", "sma3": ""}[smoothing]
    # V and UV: over the voiced or the unvoiced frames.
    plain = re.sub(r"(?<=[a-z0-9])U?V(?=0|5|$)", "", descriptor)
    if descriptor != plain and "UV" in descriptor:
        where = ", unvoiced frames"
    elif descriptor != plain:
        where = ", voiced frames"
    return f"{_FUNCTIONALS[functional]} of: {_LOW_LEVEL[plain]}{where}"


def _covarep() -> tuple[Group, ...]:
    from affect_pipe.extractors.acoustic.covarep.columns import COLUMNS

    rows = [Row((c.name,), c.unit, _VOICE[c.name]) for c in COLUMNS if c.name in _VOICE]
    for start, text in (
        ("MCEP", "mel-warped cepstrum of the true envelope; coefficient 0 is the level"),
        ("HMPDM", "mean of the phase distortion on 25 bands, an angle: the shape of the pulse"),
        ("HMPDD", "cepstrum of the deviation of the phase distortion: how noisy the pulse is"),
    ):
        own = [c for c in COLUMNS if c.name.startswith(f"{start}_")]
        rows.append(Row(tuple(c.name for c in own), own[0].unit, text))
    told = [Group("Means of an utterance, and the measures of a frame", tuple(rows))]
    return _described(told, build("covarep").spec().columns)


def _action_units() -> dict[str, str]:
    """Return what each unit is, by the docstrings of the functions that measure them."""
    from affect_pipe.extractors.visual import action_units

    found = {}
    for name, function in inspect.getmembers(action_units, inspect.isfunction):
        unit = re.match(r"(AU\d\d): (.*)", " ".join((function.__doc__ or "").split()))
        if unit:
            found[unit[1]] = f"{name.replace('_', ' ')}: {unit[2].rstrip('.')}"
    return found


def _functionals(base: str, kinds: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{base}_{kind}" for kind in kinds)


def _facemesh() -> tuple[Group, ...]:
    from affect_pipe.extractors.visual.action_units import AU_NAMES
    from affect_pipe.extractors.visual.functionals import BLINK_COLUMN, STATISTICS

    spec, units = build("facemesh").spec(), _action_units()
    bases = dict.fromkeys(name.rpartition("_")[0] for name in spec.columns)
    shape = [base for base in bases if base.startswith("shape_")]
    doubts = {"AU11": ": always 0", **dict.fromkeys(_WEAK, "; weak")}
    rows = [
        Row(_functionals(unit, STATISTICS), "0 to 1", units[unit] + doubts.get(unit, ""))
        for unit in AU_NAMES
    ]
    rows += [Row(_functionals(base, STATISTICS), "deg", text) for base, text in _POSE.items()]
    rows += [
        Row(_functionals(f"eye_open_{side}", STATISTICS), "", f"height over width, {side} eye")
        for side in ("right", "left")
    ]
    rows.append(
        Row(
            tuple(name for base in shape for name in _functionals(base, STATISTICS)),
            "standard deviations",
            f"{len(shape)} coefficients of the learned shape basis, the whole face; single ones "
            "have no name",
        )
    )
    rows.append(Row((BLINK_COLUMN,), "1/s", "blinks per second"))
    title = (
        f"An utterance: {_STATISTICS}. Action units are estimates from landmarks: 0 is what "
        "neutral faces show, 1 what the strongest show, of FER-2013's"
    )
    return _described([Group(title, tuple(rows))], spec.columns)


def _pyfeat() -> tuple[Group, ...]:
    from affect_pipe.extractors.visual import pyfeat_columns as own
    from affect_pipe.extractors.visual.facet import ABSENT, FACET_COLUMNS, FACET_UNITS
    from affect_pipe.extractors.visual.functionals import STATISTICS

    text = {
        "au": "action unit {}, by the detector's network or trees",
        "emotion": "probability of {}, which sum to 1: a prediction of the label",
        "pose": "head: {}",
        "gaze": "gaze: {}, relative to the head",
    }
    rows = [
        Row(
            _functionals(name, STATISTICS),
            own.UNITS[group],
            text[group].format(name.removeprefix("gaze_").removesuffix("_deg")),
        )
        for group in own.USUAL_GROUPS
        for name in own.COLUMNS[group]
    ]
    told = _described(
        [Group(f"An utterance: {_STATISTICS}", tuple(rows))],
        own.vector_columns(own.USUAL_GROUPS, STATISTICS),
    )
    only_v2 = Group(
        "Groups on request, detector `v2` only",
        (
            Row(own.AFFECT_NAMES, "-1 to 1", "valence and arousal: a prediction of the label"),
            Row(own.BLENDSHAPE_NAMES, "0 to 1", "coefficients of ARKit's face rig"),
        ),
    )
    facet = Group(
        "Layout `facet35`: CMU-MOSEI's FACET columns, filled from py-feat",
        tuple(
            Row((name,), unit, "absent: always 0" if name in ABSENT else "from py-feat, see there")
            for name, unit in zip(FACET_COLUMNS, FACET_UNITS, strict=True)
        ),
    )
    return (*told, only_v2, facet)


def _network(feature: str, text: str, digits: int = 3) -> Callable[[], tuple[Group, ...]]:
    """Columns that are numbered: what single ones mean is not known, and they have no unit."""

    def groups() -> tuple[Group, ...]:
        names = tuple(f"{feature}_{k:0{digits}d}" for k in range(NOTES[feature].dim))
        row = Row(names, "", f"{text}; what single ones mean is not known")
        return (Group("An utterance, with the default settings", (row,)),)

    return groups


_DESCRIBED: Mapping[str, Callable[[], tuple[Group, ...]]] = {
    "egemaps": _egemaps,
    "covarep": _covarep,
    "facemesh": _facemesh,
    "pyfeat": _pyfeat,
    "glove": _network("glove", "mean of the word vectors; as many columns as the table has"),
    "bert": _network("bert", "coordinates of the encoder's vector; as many as the encoder has"),
    "minilm": _network("minilm", "coordinates of the sentence vector, which has length 1"),
    "vggish": _network("vggish", "coordinates of the embedding, mean over patches"),
    "deepspectrum": _network("deepspectrum", "activations of layer fc2, mean over patches", 4),
    "vggface": _network("vggface", "activations of the last convolution, mean over pictures"),
    "xception": _network("xception", "activations before the classes, mean over frames", 4),
}
