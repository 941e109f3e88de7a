"""Audio of a media file as 16 kHz mono, on the media's clock, in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from typing import IO, cast

import numpy as np

from affect_pipe.pipeline.container import (
    MediaLimits,
    StreamDecoder,
    choose_audio,
    claimed_end_s,
    clock_start_s,
    cut_off_warning,
    open_container,
)
from affect_pipe.pipeline.errors import MediaError
from affect_pipe.pipeline.records import Audio, FloatArray, Media
from affect_pipe.pipeline.resample import resampled
from affect_pipe.pipeline.timebase import seconds_to_samples

SAMPLE_RATE_HZ = 16000


def read_audio(
    media: Media,
    *,
    limits: MediaLimits | None = None,
    warn: Callable[[str], None] | None = None,
) -> Audio:
    """Decode the first audio stream to 16 kHz mono float32.

    Channels are averaged. ``Audio.start_s`` keeps the offset of the stream on the media's clock,
    and holes in its time stamps are filled with silence, so sample times stay true throughout.
    Audio longer than ``limits.audio_in_memory_s`` is written to an unlinked temporary file while
    it is decoded and returned as a read-only memory map.

    Parameters
    ----------
    media : Media
    limits : MediaLimits, optional
    warn : callable, optional
        Told, as sentences, what could not be decoded.

    Raises
    ------
    ValueError
        If the media has no audio.
    MediaError
        If the stream runs past the limit on duration.
    """
    if media.audio is None:
        raise ValueError(f"{media.path} has no audio: check media.audio first")
    limits, warn = limits or MediaLimits(), warn or (lambda _: None)
    n_in_memory = seconds_to_samples(limits.audio_in_memory_s, SAMPLE_RATE_HZ)
    start_s: float | None = None
    with (
        closing(_SampleSink(n_in_memory)) as sink,
        open_container(media.path, limits) as container,
    ):
        stream = choose_audio(container)
        if stream is None:
            raise MediaError(f"{media.path} no longer has audio: it changed while it was read.")
        decoder = StreamDecoder(container, stream, media.path)
        clock_s = clock_start_s(container)
        for time_s, channels in resampled(decoder, clock_s, SAMPLE_RATE_HZ, "mono"):
            samples = channels[:, 0]
            if time_s + len(samples) / SAMPLE_RATE_HZ > limits.max_duration_s:
                raise MediaError(
                    f"{media.path} runs past the limit of {limits.max_duration_s:g} s: "
                    "cut it into parts or raise max_duration_s."
                )
            if start_s is None:
                start_s = max(time_s, 0.0)
            n_early = seconds_to_samples(-time_s, SAMPLE_RATE_HZ)
            if n_early > 0:
                # Before the clock starts: no player would sound it.
                samples = samples[n_early:]
                time_s += n_early / SAMPLE_RATE_HZ
            sink.pad_to(seconds_to_samples(time_s - start_s, SAMPLE_RATE_HZ))
            sink.write(samples)
        claimed_s = claimed_end_s(container, stream)
        audio = Audio(sink.finish(), SAMPLE_RATE_HZ, start_s or 0.0)
    if decoder.n_damaged:
        warn(f"{media.path.name}: damaged audio packets passed over: {decoder.n_damaged}.")
    short = cut_off_warning(media.path, "audio", audio.start_s + audio.duration_s, claimed_s)
    if short:
        warn(short)
    return audio


class _SampleSink:
    """Collects samples in memory, or in an unlinked temporary file once there are many."""

    def __init__(self, max_in_memory: int) -> None:
        self._max_in_memory = max_in_memory
        self._pieces: list[FloatArray] = []
        self._file: IO[bytes] | None = None
        self.n_samples = 0

    def write(self, samples: FloatArray) -> None:
        self.n_samples += len(samples)
        if self._file is None and self.n_samples > self._max_in_memory:
            self._file = tempfile.TemporaryFile(prefix="affect-pipe-")  # noqa: SIM115
            for piece in self._pieces:
                self._file.write(piece.tobytes())
            self._pieces.clear()
        if self._file is None:
            self._pieces.append(samples)
        else:
            self._file.write(samples.tobytes())

    def pad_to(self, n_samples: int) -> None:
        """Add silence until ``n_samples`` are there, a second at a time."""
        # A difference of a few samples is rounding between two runs, not a hole.
        while self.n_samples < n_samples:
            n_missing = min(n_samples - self.n_samples, SAMPLE_RATE_HZ)
            self.write(np.zeros(n_missing, np.float32))

    def finish(self) -> FloatArray:
        """Return everything as one read-only array."""
        if self._file is None:
            samples: FloatArray = np.concatenate([np.zeros(0, np.float32), *self._pieces])
            samples.flags.writeable = False
            return samples
        self._file.flush()
        # The map keeps its own handle, so the file lives until the last view of it is gone.
        mapped = np.memmap(self._file, dtype=np.float32, mode="r", shape=(self.n_samples,))
        return cast(FloatArray, mapped)

    def close(self) -> None:
        """Let go of the temporary file; what was mapped stays readable."""
        if self._file is not None:
            self._file.close()
