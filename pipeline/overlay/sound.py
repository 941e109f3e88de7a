"""The sound of a video for its overlay: in its own quality, from time 0 on, without a hole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from affect_pipe.pipeline.container import (
    MediaLimits,
    StreamDecoder,
    choose_audio,
    clock_start_s,
    open_container,
)
from affect_pipe.pipeline.errors import MediaError
from affect_pipe.pipeline.overlay.movie import AudioKind
from affect_pipe.pipeline.records import FloatArray
from affect_pipe.pipeline.resample import resampled
from affect_pipe.pipeline.timebase import seconds_to_samples


def sound(path: Path, kind: AudioKind, limits: MediaLimits) -> Iterator[FloatArray]:
    """Decode the audio of a file in pieces that follow each other from time 0 on.

    Holes, and the time before the audio starts, are silent; what comes before the clock starts is
    left out. Memory does not grow with length.

    Yields
    ------
    float32 [n_samples, n_channels]
        At most about a second.

    Raises
    ------
    MediaError
        If the audio runs past the limit on duration.
    """
    n_channels = 1 if kind.layout == "mono" else 2
    n_done = 0
    with open_container(path, limits) as container:
        stream = choose_audio(container)
        if stream is None:
            return
        clock_s = clock_start_s(container)
        decoder = StreamDecoder(container, stream, path)
        for time_s, samples in resampled(decoder, clock_s, kind.rate_hz, kind.layout):
            if time_s + len(samples) / kind.rate_hz > limits.max_duration_s:
                raise MediaError(
                    f"{path} runs past the limit of {limits.max_duration_s:g} s: "
                    "cut it into parts or raise max_duration_s."
                )
            n_early = min(max(seconds_to_samples(-time_s, kind.rate_hz), 0), len(samples))
            start = seconds_to_samples(time_s, kind.rate_hz)
            while n_done < start:
                silence = np.zeros((min(start - n_done, kind.rate_hz), n_channels), np.float32)
                n_done += len(silence)
                yield silence
            n_done += len(samples) - n_early
            if n_early < len(samples):
                yield samples[n_early:]
