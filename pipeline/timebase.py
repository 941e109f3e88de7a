"""Seconds to samples and frames: the only place that rounds."""

from __future__ import annotations

from affect_pipe.pipeline.records import Audio, FloatArray


def seconds_to_samples(time_s: float, sample_rate_hz: int) -> int:
    """Index of the sample nearest to ``time_s`` on a clock that starts at sample 0."""
    return round(time_s * sample_rate_hz)


def samples_to_seconds(n_samples: int, sample_rate_hz: int) -> float:
    """Time of sample ``n_samples`` on a clock that starts at sample 0."""
    return n_samples / sample_rate_hz


def slice_audio(audio: Audio, start_s: float, end_s: float) -> FloatArray:
    """Return the samples of ``[start_s, end_s)`` on the media's clock, clipped to what exists.

    Returns
    -------
    float32 [n_samples]
        A view, possibly empty.
    """
    first = seconds_to_samples(start_s - audio.start_s, audio.sample_rate_hz)
    last = seconds_to_samples(end_s - audio.start_s, audio.sample_rate_hz)
    return audio.samples[max(first, 0) : max(last, 0)]
