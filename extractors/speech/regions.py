"""Stretches of speech to hand to a recogniser: bridged pauses, bounded lengths, 16-bit samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from affect_pipe.pipeline.mapped import let_go
from affect_pipe.pipeline.records import Audio, Interval
from affect_pipe.pipeline.timebase import slice_audio

_FRAME_S = 0.02


def speech_regions(
    voice_activity: Sequence[Interval],
    audio: Audio,
    *,
    bridge_s: float = 0.5,
    pad_s: float = 0.1,
    max_s: float = 30.0,
) -> Iterator[Interval]:
    """Yield disjoint stretches of speech that no recogniser chokes on.

    Parameters
    ----------
    voice_activity : sequence of Interval
        Where somebody speaks, in order, disjoint.
    audio : Audio
        Decides where to cut what is too long: at its quietest moment.
    bridge_s : float
        Shorter pauses are bridged.
    pad_s : float
        Silence added at both ends, at most half of what there is.
    max_s : float
        Longest stretch.
    """
    end_of_audio_s = audio.start_s + audio.duration_s
    joined: list[Interval] = []
    for interval in voice_activity:
        if joined and interval.start_s - joined[-1].end_s < bridge_s:
            joined[-1] = Interval(joined[-1].start_s, interval.end_s)
        else:
            joined.append(interval)
    for i, interval in enumerate(joined):
        before_s = joined[i - 1].end_s if i else max(0.0, audio.start_s - pad_s)
        after_s = joined[i + 1].start_s if i + 1 < len(joined) else end_of_audio_s + pad_s
        start_s = max(interval.start_s - pad_s, (before_s + interval.start_s) / 2)
        end_s = min(interval.end_s + pad_s, (interval.end_s + after_s) / 2, end_of_audio_s)
        while end_s - start_s > max_s:
            cut_s = _quietest(audio, start_s + max_s / 2, start_s + max_s)
            yield Interval(start_s, cut_s)
            start_s = cut_s
        if end_s > start_s:
            yield Interval(start_s, end_s)


def _quietest(audio: Audio, first_s: float, last_s: float) -> float:
    """Middle of the quietest 20 ms in ``[first_s, last_s)``."""
    samples = slice_audio(audio, first_s, last_s)
    length = round(_FRAME_S * audio.sample_rate_hz)
    frames = samples[: len(samples) // length * length].reshape(-1, length)
    if len(frames) == 0:
        return last_s
    quietest = int(np.argmin(np.square(frames).mean(axis=1)))
    return first_s + (quietest + 0.5) * _FRAME_S


def pcm16(audio: Audio, interval: Interval) -> bytes:
    """Return the samples of an interval as 16-bit little-endian integers."""
    samples = slice_audio(audio, interval.start_s, interval.end_s)
    data = (np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
    let_go(samples)
    return data
