"""The 35 columns in which CMU-MOSEI describes faces, filled from py-feat as far as it goes.

CMU-MOSEI's visual features are of FACET 4.2 (Emotient, later iMotions): ten emotions and states and
twenty action units as *evidence*, the odds in base-10 logarithms that an expert would code the
expression as present, then glasses, sex and three angles of the head. Their order is that of the
corpus's own column list.

FACET is gone and was never open: these are the numbers of another recogniser under FACET's names.
A probability p becomes evidence log10(p / (1 - p)), held within four powers of ten. What py-feat
does not have is 0, which as evidence says neither yes nor no.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from affect_pipe.extractors.visual.action_units import AU_NAMES
from affect_pipe.extractors.visual.measures import POSE_NAMES
from affect_pipe.extractors.visual.pyfeat_columns import EMOTION_NAMES
from affect_pipe.pipeline.records import FloatArray

_STATES = {
    "Anger": "anger",
    "Contempt": None,
    "Disgust": "disgust",
    "Joy": "happiness",
    "Fear": "fear",
    "Baseline": "neutral",
    "Sadness": "sadness",
    "Surprise": "surprise",
    "Confusion": None,
    "Frustration": None,
}
_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 18, 20, 23, 24, 25, 26, 28, 43)
_ANGLES = {"Pitch": "pitch_deg", "Yaw": "yaw_deg", "Roll": "roll_deg"}
_TRAITS = ("Has_Glasses", "Is_Male")

# What of py-feat it is made of.
GROUPS = ("au", "emotion", "pose")
FACET_COLUMNS = (*_STATES, *(f"AU{unit}" for unit in _UNITS), *_TRAITS, *_ANGLES)
FACET_UNITS = (*(["log10 odds"] * (len(_STATES) + len(_UNITS) + len(_TRAITS))), *(["degrees"] * 3))

# Each column by the group and column it is taken from.
_FROM: Mapping[str, tuple[str, int]] = {
    **{name: ("emotion", EMOTION_NAMES.index(own)) for name, own in _STATES.items() if own},
    **{
        f"AU{unit}": ("au", AU_NAMES.index(f"AU{unit:02d}"))
        for unit in _UNITS
        if f"AU{unit:02d}" in AU_NAMES
    },
    **{name: ("pose", POSE_NAMES.index(own)) for name, own in _ANGLES.items()},
}
ABSENT = tuple(name for name in FACET_COLUMNS if name not in _FROM)

# Evidence of more than four powers of ten is beyond what a recogniser can know.
LEAST_PROBABILITY = 1e-4

MISMATCH = (
    "pyfeat in the layout facet35 gives py-feat's numbers under the names of FACET 4.2: another "
    f"recogniser on another scale, without {', '.join(ABSENT[:-1])} and {ABSENT[-1]} (zero); "
    "what a model trained on FACET makes of them is not known."
)


def evidence(probabilities: FloatArray) -> FloatArray:
    """Base-10 logarithm of the odds, in [-4, 4], of probabilities in [0, 1]."""
    p = np.clip(probabilities.astype(np.float64), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return np.asarray(np.log10(p / (1 - p)), np.float32)


def facet_rows(groups: Mapping[str, FloatArray]) -> FloatArray:
    """Frames in CMU-MOSEI's columns: float32 [n, 35].

    Parameters
    ----------
    groups : mapping
        ``au`` [n, 20] and ``emotion`` [n, 7] as probabilities, ``pose`` [n, 3] in degrees.
    """
    rows = np.zeros((len(groups["pose"]), len(FACET_COLUMNS)), np.float32)
    for column, name in enumerate(FACET_COLUMNS):
        if name in _FROM:
            group, own = _FROM[name]
            values = groups[group][:, own]
            rows[:, column] = values if group == "pose" else evidence(values)
    return rows
