"""What a report is made of, whether its numbers come from a run or from a result file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.records import FloatArray, Interval, Modality

PlayerKind = Literal["embed", "link", "none"]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Player:
    """How the page plays the recording.

    Attributes
    ----------
    kind : {"embed", "link", "none"}
    source : str
        An URL relative to the page for ``link``; empty otherwise.
    preview : bytes
        The MP4 file for ``embed``; empty otherwise.
    note : str
        What a viewer should know of it, as a sentence; empty where there is nothing to say.
    """

    kind: PlayerKind = "none"
    source: str = ""
    preview: bytes = field(default=b"", repr=False)
    note: str = ""


@dataclass(frozen=True)
class Measure:
    """One thing measured of voice or face: its name in the features, what it is, its unit."""

    name: str
    label: str
    unit: str


@dataclass(frozen=True)
class Values:
    """Measures of each utterance.

    Attributes
    ----------
    values : float32 [n_utterances, len(measures)]
        NaN where the modality is absent.
    """

    modality: Modality
    feature: str
    measures: tuple[Measure, ...]
    values: FloatArray


@dataclass(frozen=True)
class Traces:
    """Measures over time, on a grid of ``step_s`` seconds from 0.

    Attributes
    ----------
    values : float32 [n_steps, len(measures)]
        Means over each step; NaN where nothing was measured.
    """

    modality: Modality
    feature: str
    measures: tuple[Measure, ...]
    step_s: float
    values: FloatArray


@dataclass(frozen=True)
class Signals:
    """What the recording itself shows, besides the published result.

    Attributes
    ----------
    waveform : uint8 [n], optional
        Peak of each of ``waveform_step_s`` seconds, of 255.
    speech : tuple of Interval, optional
        Where somebody speaks.
    faces : uint8 [n], optional
        How many faces are in view in each of ``faces_step_s`` seconds.
    values, traces : tuples
    missing : mapping
        Why something is not there, as a sentence: keys ``waveform``, ``values``, ``traces``.
    """

    waveform: Bytes | None = None
    waveform_step_s: float = 0.0
    speech: tuple[Interval, ...] | None = None
    faces: Bytes | None = None
    faces_step_s: float = 0.0
    values: tuple[Values, ...] = ()
    traces: tuple[Traces, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportData:
    """Everything that one page shows.

    Attributes
    ----------
    result : mapping
        In the published shape, ``affect-pipe-1.schema.json``.
    signals : Signals
    player : Player
    version : str
        Of affect-pipe that makes the page.
    """

    result: Mapping[str, Any]
    signals: Signals = field(default_factory=Signals)
    player: Player = field(default_factory=Player)
    version: str = ""
