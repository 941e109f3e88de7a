"""Decoded audio at one rate and layout, each piece with its time on the media's clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from av.audio.resampler import AudioResampler

from affect_pipe.pipeline.records import FloatArray

GAP_S = 0.05
"""Holes in the time stamps longer than this are holes; shorter ones are stamps' rounding."""


def resampled(
    frames: Iterable[Any], clock_s: float, rate_hz: int, layout: str
) -> Iterator[tuple[float, FloatArray]]:
    """Resample decoded audio, piece by piece.

    Pieces follow each other without a gap until the time stamps have one, or the format changes.

    Parameters
    ----------
    frames : iterable of ``av`` audio frames
    clock_s : float
        Time stamp at which the media's clock shows zero.
    rate_hz : int
    layout : {"mono", "stereo"}
        More channels are averaged into these.

    Yields
    ------
    tuple of float and float32 [n_samples, n_channels]
        Time of the first sample, in seconds, which may be below 0; samples in [-1, 1].
    """
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
            start_s = time_s if run is None else max(time_s, expected_s)
            run = _Run(kind, start_s, rate_hz, layout)
        yield from run.push(frame)
    if run is not None:
        yield from run.push(None)


class _Run:
    """A stretch of gapless audio in one format, being resampled."""

    def __init__(self, kind: tuple[Any, ...], start_s: float, rate_hz: int, layout: str) -> None:
        self.kind = kind
        self._start_s = start_s
        self._rate_hz = rate_hz
        self._n_channels = 1 if layout == "mono" else 2
        self._n_in = self._n_out = 0
        # rematrix_maxval 1 averages the channels; FFmpeg's default for float would add them up
        # 3 dB too loud and past full scale.
        self._resampler = AudioResampler("flt", layout, rate_hz, options={"rematrix_maxval": "1.0"})

    @property
    def end_s(self) -> float:
        """Time at which the next frame should start."""
        return self._start_s + self._n_in / float(self.kind[0])

    def push(self, frame: Any | None) -> Iterator[tuple[float, FloatArray]]:
        """Resample one more frame, or what is left with None; yield pieces with their times."""
        self._n_in += 0 if frame is None else frame.samples
        for piece in self._resampler.resample(frame):
            samples = piece.to_ndarray().reshape(-1, self._n_channels).astype(np.float32)
            time_s = self._start_s + self._n_out / self._rate_hz
            self._n_out += len(samples)
            # Float files may hold anything, NaN included.
            yield time_s, np.clip(np.nan_to_num(samples, copy=False), -1.0, 1.0)
