"""Writing an MP4 that plays everywhere: H.264 of 4:2:0 colours and AAC, the index in front."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from affect_pipe.pipeline.records import FloatArray

Image = npt.NDArray[np.uint8]

# Presentation times of every usual frame rate are whole numbers of these, NTSC's among them.
_TICKS_HZ = 90_000
# Fixed, so that the bytes do not depend on how many cores there are.
_THREADS = 4
# Macroblock-tree rate control reads memory that was never written where there is AVX-512: with it
# the bytes of one video differ from run to run. Without it they do not depend on the processor.
_VIDEO_OPTIONS = {"preset": "veryfast", "crf": "22", "x264-params": "no-mbtree=1"}
_AUDIO_BITS_PER_CHANNEL = 64_000
# Sampling rates that AAC knows and players like.
_AUDIO_RATES_HZ = (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
# ITU-R BT.709, in the numbers of H.273.
_BT709 = 1


class AudioKind(NamedTuple):
    """The audio of a movie: samples a second, ``mono`` or ``stereo``."""

    rate_hz: int
    layout: str


def audio_kind(rate_hz: int, n_channels: int) -> AudioKind:
    """Return the nearest kind that AAC offers."""
    layout = "mono" if n_channels == 1 else "stereo"
    return AudioKind(rate_hz if rate_hz in _AUDIO_RATES_HZ else 48000, layout)


class Movie:
    """An MP4 being written. The same pictures and samples give the same bytes.

    Use `write_movie`.
    """

    def __init__(
        self, container: Any, size: tuple[int, int], rate_hz: float, audio: AudioKind | None
    ) -> None:
        self._container = container
        self._video = container.add_stream("libx264", rate=_usual_rate(rate_hz))
        context = self._video.codec_context
        context.width, context.height = size
        context.pix_fmt = "yuv420p"
        context.time_base = self._video.time_base = Fraction(1, _TICKS_HZ)
        context.thread_count = _THREADS
        context.options = _VIDEO_OPTIONS
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = ColorRange.MPEG
        self._reformatter = VideoReformatter()
        self._step = round(_TICKS_HZ / max(rate_hz, 1.0))
        self._waiting: Any = None
        self._audio_kind = audio
        self._n_samples = 0
        if audio is not None:
            self._audio = container.add_stream("aac", rate=audio.rate_hz, layout=audio.layout)
            n_channels = 1 if audio.layout == "mono" else 2
            self._audio.codec_context.bit_rate = _AUDIO_BITS_PER_CHANNEL * n_channels

    def picture(self, image: Image, time_s: float) -> None:
        """Add a picture, uint8 [height, width, 3], to be shown from ``time_s`` on."""
        frame = self._reformatter.reformat(
            av.VideoFrame.from_ndarray(image, format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        frame.pts = round(time_s * _TICKS_HZ)
        frame.time_base = Fraction(1, _TICKS_HZ)
        self._encode_waiting(frame.pts)
        self._waiting = frame

    def _encode_waiting(self, next_pts: int | None) -> None:
        """Encode the picture before, whose length is known now."""
        frame = self._waiting
        if frame is None:
            return
        if next_pts is not None:
            self._step = max(next_pts - frame.pts, 1)
        frame.duration = self._step
        self._container.mux(self._video.encode(frame))

    def samples(self, samples: FloatArray) -> None:
        """Add audio, float32 [n_samples, n_channels] in [-1, 1], after what was added before."""
        assert self._audio_kind is not None
        planes = np.ascontiguousarray(samples.T)
        frame = av.AudioFrame.from_ndarray(planes, "fltp", self._audio_kind.layout)
        frame.sample_rate = self._audio_kind.rate_hz
        frame.pts, frame.time_base = self._n_samples, Fraction(1, self._audio_kind.rate_hz)
        self._n_samples += len(samples)
        self._container.mux(self._audio.encode(frame))

    @property
    def audio_s(self) -> float:
        """Seconds of audio added so far."""
        return self._n_samples / self._audio_kind.rate_hz if self._audio_kind is not None else 0.0

    def finish(self) -> None:
        """Encode what is left."""
        self._encode_waiting(None)
        self._container.mux(self._video.encode(None))
        if self._audio_kind is not None:
            self._container.mux(self._audio.encode(None))


@contextmanager
def write_movie(
    path: Path, size: tuple[int, int], rate_hz: float, audio: AudioKind | None
) -> Iterator[Movie]:
    """Write an MP4 file; it is complete when the block ends well.

    Parameters
    ----------
    path : Path
        An empty file, which may be read too.
    size : tuple of int
        Width and height in pixels, even.
    rate_hz : float
        Usual pictures a second; every picture has its own time.
    audio : AudioKind, optional
        None for a silent film.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
    try:
        movie = Movie(container, size, rate_hz, audio)
        yield movie
        movie.finish()
        container.close()
    except BaseException:
        with suppress(av.error.FFmpegError, OSError, ValueError):
            container.close()
        raise


def _usual_rate(rate_hz: float) -> Fraction:
    """Return a rate the encoder may plan with; times come with the pictures."""
    return Fraction(min(max(rate_hz, 1.0), 240.0)).limit_denominator(1001)
