"""eGeMAPSv02 functionals of each utterance's voice, through openSMILE."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from affect_pipe.extractors.acoustic import level
from affect_pipe.pipeline.interfaces import FrameStage, Source
from affect_pipe.pipeline.optional import backend_version, require
from affect_pipe.pipeline.records import (
    Audio,
    FeatureBlock,
    FeatureSpec,
    FloatArray,
    Interval,
    Utterance,
)
from affect_pipe.pipeline.timebase import slice_audio

# The longest analysis window of eGeMAPS is 60 ms; the F0 functionals need several of them.
MIN_UTTERANCE_S = 0.2
# Less detected speech than this inside an utterance is a click or a breath.
MIN_SPEECH_S = 0.1


class EGeMAPS:
    """Extended Geneva Minimalistic Acoustic Parameter Set (Eyben et al. 2016), 88 functionals.

    Parameters
    ----------
    speech_level_db : float
        The recording is scaled as a whole so that its active speech level is this many dB
        relative to full scale before anything is measured (-26 is the level ITU-T P.56 codec
        tests use). Loudness then tells how loud an utterance is within its recording, not how
        close the microphone was.

    Notes
    -----
    The computation is openSMILE's, whose licence allows research use only.
    """

    name = "egemaps"
    version = "1"

    def __init__(self, speech_level_db: float = -26.0) -> None:
        self._speech_level_db = float(speech_level_db)

    @cached_property
    def _smile(self) -> Any:
        opensmile = require("opensmile", feature="the egemaps feature")
        return opensmile.Smile(
            feature_set=opensmile.FeatureSet.eGeMAPSv02,
            feature_level=opensmile.FeatureLevel.Functionals,
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
        spec, audio = self.spec(), source.audio
        n = len(utterances)
        values = np.zeros((n, spec.dim), dtype=np.float32)
        speech_s = np.zeros(n, dtype=np.float32)
        snr = np.full(n, np.nan, dtype=np.float32)
        reasons: list[str | None] = ["no audio track"] * n
        if audio is not None and n:
            activity = source.voice_activity
            background = level.noise_power(audio, activity)
            gain = self._gain(audio, activity)
            for row, utterance in enumerate(utterances):
                samples = slice_audio(audio, utterance.start_s, utterance.end_s)
                speech_s[row] = level.overlap_s(utterance.start_s, utterance.end_s, activity)
                # Shouting can escape the detector: words are evidence of speech as well.
                spoken = bool(utterance.words) or float(speech_s[row]) >= MIN_SPEECH_S
                reasons[row] = self._absence(samples, audio.sample_rate_hz, spoken)
                if reasons[row] is None:
                    snr[row] = level.snr_db(samples, background)
                    vector = self._functionals(samples * gain, audio.sample_rate_hz)
                    if np.isfinite(vector).all():
                        values[row] = vector
                    else:
                        reasons[row] = "openSMILE found no finite functionals"
        present = np.array([reason is None for reason in reasons], dtype=bool)
        quality = {"speech_s": speech_s, "snr_db": snr}
        return FeatureBlock(spec, values, present, tuple(reasons), quality)

    def _gain(self, audio: Audio, activity: Sequence[Interval]) -> np.float32:
        measured_db = level.active_speech_level_db(audio, activity)
        if measured_db is None:
            return np.float32(1.0)
        return np.float32(10.0 ** ((self._speech_level_db - measured_db) / 20.0))

    @staticmethod
    def _absence(samples: FloatArray, sample_rate_hz: int, spoken: bool) -> str | None:
        if samples.size < MIN_UTTERANCE_S * sample_rate_hz:
            return f"less than {MIN_UTTERANCE_S} s of audio"
        if level.mean_power(samples) < level.SILENCE_POWER:
            return "silence"
        if not spoken:
            return "no speech detected"
        return None

    def _functionals(self, samples: FloatArray, sample_rate_hz: int) -> FloatArray:
        frame = self._smile.process_signal(samples, sample_rate_hz)
        return np.asarray(frame.to_numpy(dtype=np.float32)[0])
