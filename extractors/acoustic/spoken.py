"""Which utterances have a voice that can be described, and how good the evidence is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.acoustic import level
from affect_pipe.pipeline.interfaces import Source
from affect_pipe.pipeline.records import FloatArray, Utterance
from affect_pipe.pipeline.timebase import slice_audio

# Less detected speech than this inside an utterance is a click or a breath.
MIN_SPEECH_S = 0.1


@dataclass(frozen=True)
class Spoken:
    """What is known of the voice of each of n utterances.

    Attributes
    ----------
    reasons : tuple of (str or None), length n
        Why there is nothing to describe; None where there is.
    quality : mapping
        ``speech_s`` (seconds of detected speech) and ``snr_db``, float32 [n]; the latter NaN where
        there is nothing to describe.
    """

    reasons: tuple[str | None, ...]
    quality: Mapping[str, FloatArray]

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Where there is a voice: bool [n]."""
        return np.array([reason is None for reason in self.reasons], np.bool_)


def spoken(source: Source, utterances: Sequence[Utterance], min_utterance_s: float) -> Spoken:
    """Look at every utterance's sound.

    Parameters
    ----------
    source : Source
    utterances : sequence of Utterance
    min_utterance_s : float
        Least sound that can be described.
    """
    n, audio = len(utterances), source.audio if utterances else None
    speech_s = np.zeros(n, np.float32)
    snr_db = np.full(n, np.nan, np.float32)
    reasons: list[str | None] = ["no audio track"] * n
    if audio is not None:
        activity = source.voice_activity
        background = level.noise_power(audio, activity)
        for row, utterance in enumerate(utterances):
            samples = slice_audio(audio, utterance.start_s, utterance.end_s)
            speech_s[row] = level.overlap_s(utterance.start_s, utterance.end_s, activity)
            # Shouting can escape the detector: words are evidence of speech as well.
            heard = bool(utterance.words) or float(speech_s[row]) >= MIN_SPEECH_S
            reasons[row] = _absence(samples, audio.sample_rate_hz, min_utterance_s, heard)
            if reasons[row] is None:
                snr_db[row] = level.snr_db(samples, background)
    return Spoken(tuple(reasons), {"speech_s": speech_s, "snr_db": snr_db})


def _absence(
    samples: FloatArray, sample_rate_hz: int, min_utterance_s: float, heard: bool
) -> str | None:
    if samples.size < min_utterance_s * sample_rate_hz:
        return f"less than {min_utterance_s} s of audio"
    if level.mean_power(samples) < level.SILENCE_POWER:
        return "silence"
    if not heard:
        return "no speech detected"
    return None
