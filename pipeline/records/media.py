"""A media file, what it holds, and its decoded sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affect_pipe.pipeline.records.arrays import FloatArray
from affect_pipe.pipeline.records.intervals import check_interval


@dataclass(frozen=True)
class AudioInfo:
    """The audio stream a media file offers (the first one)."""

    codec: str
    sample_rate_hz: int
    n_channels: int


@dataclass(frozen=True)
class VideoInfo:
    """The video stream a media file offers (the first one that is not a cover picture).

    ``width_px`` and ``height_px`` are as displayed, after the rotation metadata is applied.
    """

    codec: str
    width_px: int
    height_px: int
    average_rate_hz: float
    rotation_deg: int = 0


@dataclass(frozen=True)
class Media:
    """One probed media file.

    Attributes
    ----------
    path : Path
        The file that was named.
    digest : str
        blake2b hex digest of the file's bytes: the identity every cache key builds on.
    container : str
        Short name of the container format, as FFmpeg names it.
    duration_s : float
        End of the longest stream, in seconds.
    audio, video : optional
        None when the file has no such stream.
    """

    path: Path
    digest: str
    container: str
    duration_s: float
    audio: AudioInfo | None
    video: VideoInfo | None

    def __post_init__(self) -> None:
        check_interval(f"Media({self.path})", 0.0, self.duration_s)


@dataclass(frozen=True)
class Audio:
    """Decoded speech-band audio of one media file.

    Attributes
    ----------
    samples : float32 [n_samples]
        Mono, nominally in [-1, 1]; may be a read-only memory map.
    sample_rate_hz : int
        16000 everywhere in this package.
    start_s : float
        Presentation time of sample 0.
    """

    samples: FloatArray
    sample_rate_hz: int = 16000
    start_s: float = 0.0

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise ValueError(
                f"Audio needs float32 [n_samples], got {self.samples.dtype} {self.samples.shape}"
            )

    def __repr__(self) -> str:
        return f"Audio(samples={self.samples.shape}, {self.sample_rate_hz} Hz)"

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate_hz
