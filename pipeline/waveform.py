"""Audio of a media file as 16 kHz mono, on the media's clock, in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import IO, Any, cast

import numpy as np
from av.audio.resampler import AudioResampler

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
from affect_pipe.pipeline.timebase import seconds_to_samples

SAMPLE_RATE_HZ = 16000
GAP_S = 0.05
"""Holes in the time stamps longer than this become silence; shorter ones are stamps' rounding."""


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
        for time_s, samples in _chunks(decoder, clock_start_s(container)):
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


class _Run:
    """A stretch of gapless audio in one format, being resampled."""

    def __init__(self, kind: tuple[Any, ...], start_s: float) -> None:
        self.kind = kind
        self._start_s = start_s
        self._n_in = self._n_out = 0
        # rematrix_maxval 1 averages the channels; FFmpeg's default for float would add them up
        # 3 dB too loud and past full scale.
        self._resampler = AudioResampler(
            "flt", "mono", SAMPLE_RATE_HZ, options={"rematrix_maxval": "1.0"}
        )

    @property
    def end_s(self) -> float:
        """Time at which the next frame should start."""
        return self._start_s + self._n_in / float(self.kind[0])

    def push(self, frame: Any | None) -> Iterator[tuple[float, FloatArray]]:
        """Resample one more frame, or what is left with None; yield pieces with their times."""
        self._n_in += 0 if frame is None else frame.samples
        for piece in self._resampler.resample(frame):
            samples = piece.to_ndarray().reshape(-1).astype(np.float32)
            time_s = self._start_s + self._n_out / SAMPLE_RATE_HZ
            self._n_out += len(samples)
            # Float files may hold anything, NaN included.
            yield time_s, np.clip(np.nan_to_num(samples, copy=False), -1.0, 1.0)


def _chunks(frames: Iterable[Any], clock_s: float) -> Iterator[tuple[float, FloatArray]]:
    """Yield the audio at 16 kHz in pieces, each with its time on the media's clock."""
    run: _Run | None = None
    for frame in frames:
        if frame.samples == 0:
            continue
        kind = (frame.sample_rate, frame.format.name, frame.layout.name)
        expected_s = 0.0 if run is None else run.end_s
        time_s = expected_s if frame.time is None else frame.time - clock_s
        # Stamps that jump back are not followed: their audio is appended where it came.
        if run is None or kind != run.kind or time_s - expected_s > GAP_S:
            if run is not None:
                yield from run.push(None)
            run = _Run(kind, time_s if run is None else max(time_s, expected_s))
        yield from run.push(frame)
    if run is not None:
        yield from run.push(None)


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
