"""What there is to hear in an utterance, and whether that is enough to describe its voice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from affect_pipe.extractors.acoustic import level
from affect_pipe.pipeline.interfaces import Source
from affect_pipe.pipeline.mapped import letting_go
from affect_pipe.pipeline.records import FloatArray, Utterance
from affect_pipe.pipeline.timebase import slice_audio

# The longest analysis window of eGeMAPS is 60 ms, that of COVAREP 100 ms; both need several.
MIN_UTTERANCE_S = 0.2
# Less detected speech than this inside an utterance is a click or a breath.
MIN_SPEECH_S = 0.1
NO_AUDIO = "no audio track"


@dataclass(frozen=True)
class Heard:
    """One utterance's sound.

    Attributes
    ----------
    samples : float32 [n]
    speech_s : float
        Seconds of detected speech.
    snr_db : float
        NaN where it is absent.
    reason : str or None
        Why its voice cannot be described.
    """

    samples: FloatArray
    speech_s: float
    snr_db: float
    reason: str | None


def hear(source: Source, utterances: Sequence[Utterance]) -> list[Heard]:
    """Look at the sound of each utterance; without an audio track, all are absent."""
    audio = source.audio if utterances else None
    if audio is None:
        return [Heard(np.zeros(0, np.float32), 0.0, np.nan, NO_AUDIO) for _ in utterances]
    activity = source.voice_activity
    background = level.noise_power(audio, activity)
    found = []
    for utterance in letting_go(audio.samples, utterances):
        samples = slice_audio(audio, utterance.start_s, utterance.end_s)
        speech_s = level.overlap_s(utterance.start_s, utterance.end_s, activity)
        # Shouting can escape the detector: words are evidence of speech as well.
        spoken = bool(utterance.words) or speech_s >= MIN_SPEECH_S
        reason = _absence(samples, audio.sample_rate_hz, spoken)
        snr_db = level.snr_db(samples, background) if reason is None else np.nan
        found.append(Heard(samples, speech_s, snr_db, reason))
    return found


def quality_of(heard: Sequence[Heard]) -> dict[str, FloatArray]:
    """Measures of evidence float32 [n_utterances]: ``speech_s`` and ``snr_db``."""
    return {
        "speech_s": np.array([one.speech_s for one in heard], np.float32),
        "snr_db": np.array([one.snr_db for one in heard], np.float32),
    }


def _absence(samples: FloatArray, sample_rate_hz: int, spoken: bool) -> str | None:
    if samples.size < MIN_UTTERANCE_S * sample_rate_hz:
        return f"less than {MIN_UTTERANCE_S} s of audio"
    if level.mean_power(samples) < level.SILENCE_POWER:
        return "silence"
    if not spoken:
        return "no speech detected"
    return None
