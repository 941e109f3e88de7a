"""Speech level and signal-to-noise ratio of a recording, from where speech was found in it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.mapped import letting_go
from affect_pipe.pipeline.records import Audio, FloatArray, Interval
from affect_pipe.pipeline.timebase import slice_audio

# Below this mean power (-80 dB re full scale) a stretch is digital silence, not quiet speech.
SILENCE_POWER = 1e-8
# Non-speech shorter than this in all is too little to estimate a noise floor from.
_MIN_NOISE_S = 0.3
_FRAME_S = 0.025
# Samples that are squared at once.
_AT_ONCE = 8192


def mean_power(samples: FloatArray) -> float:
    """Mean square of ``samples`` (float32 [n], full scale 1); 0 when empty."""
    # An hour of silence is too much to hold as squares at once. In these parts it is what NumPy
    # makes of the whole, to the last digit.
    energy = 0.0
    for first in range(0, samples.size, _AT_ONCE):
        energy += float(np.sum(np.square(samples[first : first + _AT_ONCE], dtype=np.float64)))
    return energy / samples.size if samples.size else 0.0


def active_speech_level_db(audio: Audio, voice_activity: Sequence[Interval]) -> float | None:
    """Level of the speech in a recording, in dB relative to full scale.

    The mean power over the voice-active time only, as the active speech level of ITU-T P.56 is,
    with the activity taken from a voice activity detector.

    Returns
    -------
    float or None
        None when there is no audible speech.
    """
    energy, n_samples = 0.0, 0
    for interval in letting_go(audio.samples, voice_activity):
        samples = slice_audio(audio, interval.start_s, interval.end_s)
        energy += mean_power(samples) * samples.size
        n_samples += samples.size
    if n_samples == 0 or energy / n_samples < SILENCE_POWER:
        return None
    return 10.0 * math.log10(energy / n_samples)


def check_level(feature: str, wanted_db: float | None) -> float | None:
    """Return the level a feature is asked to bring speech to, or refuse it.

    Parameters
    ----------
    feature : str
        Its name, for the message.
    wanted_db : float or None
        In dB relative to full scale.

    Raises
    ------
    UsageError
        If it is no level that speech can have.
    """
    if wanted_db is None:
        return None
    if not -100.0 <= wanted_db <= 0.0:
        raise UsageError(
            f"{feature}: speech_level_db must be from -100 to 0, or null to leave the recording "
            f"as it is, got {quoted(wanted_db)}."
        )
    return float(wanted_db)


def gain_to(wanted_db: float | None, audio: Audio, voice_activity: Sequence[Interval]) -> float:
    """Return the factor that brings a recording's speech to a level.

    Parameters
    ----------
    wanted_db : float or None
        Of `active_speech_level_db`; None leaves the recording as it is.

    Returns
    -------
    float
        1 where nothing is wanted, or there is no audible speech.
    """
    if wanted_db is None:
        return 1.0
    measured_db = active_speech_level_db(audio, voice_activity)
    return 1.0 if measured_db is None else float(10.0 ** ((wanted_db - measured_db) / 20.0))


def overlap_s(start_s: float, end_s: float, voice_activity: Sequence[Interval]) -> float:
    """Seconds of ``[start_s, end_s)`` in which somebody speaks."""
    return sum(
        max(0.0, min(end_s, interval.end_s) - max(start_s, interval.start_s))
        for interval in voice_activity
    )


def noise_power(audio: Audio, voice_activity: Sequence[Interval]) -> float:
    """Mean power of the background.

    Measured where nobody speaks; in a recording without such a stretch, the fifth percentile of
    25 ms frame powers, which falls into the gaps between words.
    """
    edges = [audio.start_s]
    for interval in voice_activity:
        edges += [interval.start_s, interval.end_s]
    edges.append(audio.start_s + audio.duration_s)
    gaps = [slice_audio(audio, a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]
    n_samples = sum(gap.size for gap in gaps)
    if n_samples >= _MIN_NOISE_S * audio.sample_rate_hz:
        powers = (mean_power(gap) * gap.size for gap in letting_go(audio.samples, gaps))
        return sum(powers) / n_samples
    frame = int(_FRAME_S * audio.sample_rate_hz)
    n_frames = audio.samples.size // frame
    if n_frames == 0:
        return 0.0
    frames = audio.samples[: n_frames * frame].reshape(n_frames, frame)
    return float(np.percentile(np.einsum("ij,ij->i", frames, frames) / frame, 5))


def snr_db(samples: FloatArray, background_power: float) -> float:
    """Signal-to-noise ratio of a stretch of speech in dB, bounded to [-20, 80].

    Parameters
    ----------
    samples : float32 [n]
        Speech with the background in it.
    background_power : float
        From `noise_power`.
    """
    speech = max(mean_power(samples) - background_power, 0.0)
    if speech <= 0.0:
        return -20.0
    return float(np.clip(10.0 * math.log10(speech / max(background_power, 1e-12)), -20.0, 80.0))
