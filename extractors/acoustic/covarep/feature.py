"""The `covarep` feature: the 74 measures of COVAREP every 10 ms, and their means an utterance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.acoustic import level
from affect_pipe.extractors.acoustic.covarep.columns import COLUMNS, INDEX, NAMES
from affect_pipe.extractors.acoustic.covarep.grid import row_times_s
from affect_pipe.extractors.acoustic.evidence import hear, quality_of
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.interfaces import Arrays, FrameStage, Source
from affect_pipe.pipeline.optional import backend_version
from affect_pipe.pipeline.records import (
    Audio,
    FeatureBlock,
    FeatureSpec,
    StageSpec,
    Utterance,
)

Matrix = npt.NDArray[np.float64]
Rows = Literal["all", "voiced"]

VERSION = "1"
# One frame of peakSlope, the measure that needs least: nothing can be measured of less.
MIN_SAMPLES = 640
# What the files call by no unit at all.
_NO_UNIT = ("1", "0 or 1")
UNITS = tuple("" if column.unit in _NO_UNIT else column.unit for column in COLUMNS)


# What is said of an utterance's rows [n, 74].
FUNCTIONALS: Mapping[str, Callable[[Matrix], Matrix]] = {
    "mean": lambda rows: np.asarray(rows.mean(axis=0)),
    "std": lambda rows: np.asarray(rows.std(axis=0)),
}


class CovarepFrames:
    """The pass over the whole sound: its pitch range and pulse statistics are those of a file."""

    def spec(self) -> StageSpec:
        """Return what decides the output."""
        return StageSpec(
            stage="covarep",
            extractor="covarep",
            version=VERSION,
            backend=backend_version("scipy"),
        )

    def analyse(self, audio: Audio) -> Arrays:
        """Measure a recording.

        Returns
        -------
        mapping
            ``time_s`` float64 [n_rows], counted from the first sample: 0.005, 0.015 and so on;
            ``values`` float64 [n_rows, 74].
        """
        if len(audio.samples) < MIN_SAMPLES:
            time_s = row_times_s(len(audio.samples))
            return {"time_s": time_s, "values": np.zeros((len(time_s), len(NAMES)))}
        # Its many passes are imported where they are wanted: a list of features needs none.
        from affect_pipe.extractors.acoustic.covarep.analysis import analyse

        matrix = analyse(audio.samples.astype(np.float64), audio.sample_rate_hz)
        return {"time_s": matrix.time_s, "values": matrix.values}


class Covarep:
    """Voice measures of COVAREP (Degottex et al. 2014), 74 of them, computed from their papers.

    Parameters
    ----------
    rows : {"all", "voiced"}
        Which rows the mean of an utterance is taken over: all, as the papers that use these
        features do, or those where the voice is heard (``VUV`` is 1).
    functionals : subset of {"mean", "std"}
        ``mean`` alone, the default, is the papers' vector of 74 columns under COVAREP's names;
        with ``std``, the standard deviation over the rows, columns are named ``F0_mean`` and so
        on, first all means.
    speech_level_db : float, optional
        The recording is taken as if its active speech level were this many dB relative to full
        scale. It moves ``MCEP_0``, the logarithm of the amplitude, alone; rows of frames are
        never moved.

    Raises
    ------
    UsageError
        If a setting is none of these.
    """

    name = "covarep"
    version = VERSION

    def __init__(
        self,
        rows: Rows = "all",
        functionals: Sequence[str] = ("mean",),
        speech_level_db: float | None = None,
    ) -> None:
        if rows not in ("all", "voiced"):
            raise UsageError(f"covarep: rows must be 'all' or 'voiced', got {quoted(rows)}.")
        unknown = isinstance(functionals, str) or set(functionals) - set(FUNCTIONALS)
        if unknown or not functionals:
            raise UsageError(
                f"covarep: functionals {list(functionals)} must be some of "
                f"{', '.join(FUNCTIONALS)}."
            )
        self._rows = rows
        self._functionals = tuple(name for name in FUNCTIONALS if name in functionals)
        self._speech_level_db = None if speech_level_db is None else float(speech_level_db)

    def spec(self) -> FeatureSpec:
        """Return the contract: the 74 columns by the names COVAREP gives them."""
        return FeatureSpec(
            name=self.name,
            modality="acoustic",
            dim=len(NAMES) * len(self._functionals),
            columns=self._columns,
            version=self.version,
            settings={
                "rows": self._rows,
                "functionals": list(self._functionals),
                "speech_level_db": self._speech_level_db,
            },
            backend=backend_version("scipy"),
        )

    @property
    def _columns(self) -> tuple[str, ...]:
        if self._functionals == ("mean",):
            return NAMES
        return tuple(f"{name}_{kind}" for kind in self._functionals for name in NAMES)

    def units(self) -> tuple[str, ...]:
        """Return the units of the measures; functionals have that of what they are taken of."""
        return UNITS * len(self._functionals)

    def frame_stage(self) -> FrameStage | None:
        """Return None: the voice needs no frames."""
        return None

    def extract(self, source: Source, utterances: Sequence[Utterance]) -> FeatureBlock:
        """Return the functionals over each utterance's rows.

        Returns
        -------
        FeatureBlock
            float32 [n_utterances, 74 or 148]; quality ``speech_s`` (seconds of detected speech) and
            ``snr_db``. Absent where there is no audio track, silence, no detected speech, less
            than 0.2 s of signal, or no voiced row where only these count.
        """
        heard = hear(source, utterances)
        values = np.zeros((len(heard), len(self._columns)), np.float32)
        reasons = [one.reason for one in heard]
        if None in reasons:
            time_s, frames = _frames(source)
            frames = self._at_level(frames, source)
            for row, utterance in enumerate(utterances):
                if reasons[row] is None:
                    first, last = np.searchsorted(time_s, [utterance.start_s, utterance.end_s])
                    chosen = frames[first:last]
                    if self._rows == "voiced":
                        chosen = chosen[chosen[:, INDEX["VUV"]] > 0]
                    if len(chosen):
                        values[row] = np.concatenate(
                            [FUNCTIONALS[kind](chosen) for kind in self._functionals]
                        )
                    else:
                        reasons[row] = (
                            "no voiced frame" if last > first else "the sound is too short"
                        )
        present = np.array([reason is None for reason in reasons], np.bool_)
        return FeatureBlock(self.spec(), values, present, tuple(reasons), quality_of(heard))

    def _at_level(self, frames: Matrix, source: Source) -> Matrix:
        audio = source.audio
        if audio is None or self._speech_level_db is None:
            return frames
        gain = level.gain_to(self._speech_level_db, audio, source.voice_activity)
        moved = frames.copy()
        moved[:, INDEX["MCEP_0"]] += math.log(gain)
        return moved

    def frame_table(self, source: Source, utterances: Sequence[Utterance]) -> FrameTable:
        """Return the rows of the whole file; the utterances are not looked at."""
        time_s, frames = _frames(source)
        return FrameTable(
            spec=self.spec(), columns=NAMES, units=UNITS, time_s=time_s, values=frames
        )


def _frames(source: Source) -> tuple[Matrix, Matrix]:
    """Return times [n] on the clock of the media and measures [n, 74]; no rows without sound."""
    arrays, audio = source.sound(CovarepFrames()), source.audio
    if not arrays or audio is None:
        return np.zeros(0), np.zeros((0, len(NAMES)))
    return audio.start_s + arrays["time_s"], arrays["values"]
