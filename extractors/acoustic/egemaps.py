"""eGeMAPSv02 of each utterance's voice and of its moments, through openSMILE."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from affect_pipe.extractors.acoustic import level
from affect_pipe.extractors.acoustic.egemaps_units import unit_of
from affect_pipe.extractors.acoustic.evidence import hear, quality_of
from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.interfaces import FrameStage, Source
from affect_pipe.pipeline.mapped import let_go
from affect_pipe.pipeline.optional import backend_version, require
from affect_pipe.pipeline.records import FeatureBlock, FeatureSpec, FloatArray, Utterance

# openSMILE's frames of the low-level descriptors: every 10 ms, for 20 ms. Pitch, jitter, shimmer
# and harmonics look at 60 ms from the same start.
FRAME_STEP_S = 0.01
FRAME_S = 0.02
LONGEST_FRAME_S = 0.06


class EGeMAPS:
    """Extended Geneva Minimalistic Acoustic Parameter Set (Eyben et al. 2016), 88 functionals.

    At frame level its 25 low-level descriptors.

    Parameters
    ----------
    speech_level_db : float or None
        The recording is scaled as a whole so that its active speech level is this many dB
        relative to full scale before anything is measured (-26 is the level ITU-T P.56 codec
        tests use). Loudness then tells how loud an utterance is within its recording, not how
        close the microphone was. None measures the recording as it is.

    Raises
    ------
    UsageError
        If the level is not from -100 to 0 dB.

    Notes
    -----
    The computation is openSMILE's, whose licence allows research use only.
    """

    name = "egemaps"
    version = "1"

    def __init__(self, speech_level_db: float | None = -26.0) -> None:
        self._speech_level_db = level.check_level("egemaps", speech_level_db)

    @cached_property
    def _smile(self) -> Any:
        return self._opensmile("Functionals")

    @cached_property
    def _smile_frames(self) -> Any:
        return self._opensmile("LowLevelDescriptors")

    @staticmethod
    def _opensmile(level_name: str) -> Any:
        opensmile = require("opensmile", feature="the egemaps feature")
        return opensmile.Smile(
            feature_set=opensmile.FeatureSet.eGeMAPSv02,
            feature_level=getattr(opensmile.FeatureLevel, level_name),
        )

    def spec(self) -> FeatureSpec:
        """Return the contract: 88 columns, named as openSMILE names them."""
        columns = tuple(self._smile.feature_names)
        return FeatureSpec(
            name=self.name,
            modality="acoustic",
            dim=len(columns),
            columns=columns,
            version=self.version,
            settings={"speech_level_db": self._speech_level_db},
            model_id="opensmile/eGeMAPSv02",
            backend=backend_version("opensmile"),
        )

    def units(self) -> tuple[str, ...]:
        """Return the units of the functionals."""
        return tuple(map(unit_of, self._smile.feature_names))

    def frame_stage(self) -> FrameStage | None:
        """Return None: the voice needs no frames."""
        return None

    def extract(self, source: Source, utterances: Sequence[Utterance]) -> FeatureBlock:
        """Describe the voice of each utterance.

        Returns
        -------
        FeatureBlock
            float32 [n_utterances, 88]; quality ``speech_s`` (seconds of detected speech) and
            ``snr_db``. Absent where there is no audio track, silence, no detected speech, or less
            than 0.2 s of signal.
        """
        spec, heard = self.spec(), hear(source, utterances)
        values = np.zeros((len(heard), spec.dim), dtype=np.float32)
        reasons = [one.reason for one in heard]
        quality = quality_of(heard)
        gain, audio = self._gain(source), source.audio
        for row, one in enumerate(heard):
            if one.reason is None and audio is not None:
                vector = self._functionals(one.samples * gain, audio.sample_rate_hz)
                let_go(audio.samples)
                if np.isfinite(vector).all():
                    values[row] = vector
                else:
                    reasons[row] = "openSMILE found no finite functionals"
        present = np.array([reason is None for reason in reasons], dtype=bool)
        return FeatureBlock(spec, values, present, tuple(reasons), quality)

    def frame_table(self, source: Source, utterances: Sequence[Utterance]) -> FrameTable:
        """Describe every 10 ms of the whole file; the utterances are not looked at.

        Returns
        -------
        FrameTable
            float32 [n_frames, 25]: a row from ``time_s`` to ``end_s``, 20 ms, smoothed by openSMILE
            over three rows. Pitch, jitter, shimmer, harmonics and formants are of the 60 ms that
            begin at ``time_s``. No rows where there are less than 60 ms of sound.
        """
        columns = tuple(self._smile_frames.feature_names)
        audio = source.audio
        values, start_s = np.zeros((0, len(columns)), np.float32), 0.0
        if audio is not None and audio.duration_s >= LONGEST_FRAME_S:
            samples = audio.samples * self._gain(source)
            frame = self._smile_frames.process_signal(samples, audio.sample_rate_hz)
            values, start_s = frame.to_numpy(dtype=np.float32), audio.start_s
        # Not the index openSMILE gives: its last row ends where the file does.
        time_s = start_s + np.arange(len(values)) * FRAME_STEP_S
        return FrameTable(
            spec=self.spec(),
            columns=columns,
            units=tuple(map(unit_of, columns)),
            time_s=time_s,
            values=values,
            end_s=time_s + FRAME_S,
        )

    def _gain(self, source: Source) -> np.float32:
        audio = source.audio
        if audio is None:
            return np.float32(1.0)
        return np.float32(level.gain_to(self._speech_level_db, audio, source.voice_activity))

    def _functionals(self, samples: FloatArray, sample_rate_hz: int) -> FloatArray:
        frame = self._smile.process_signal(samples, sample_rate_hz)
        return np.asarray(frame.to_numpy(dtype=np.float32)[0])
