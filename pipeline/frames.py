"""Video frames in one streaming decode, sampled by their true presentation times."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from affect_pipe.pipeline.container import (
    MediaLimits,
    StreamDecoder,
    choose_video,
    claimed_end_s,
    clock_start_s,
    cut_off_warning,
    limit_decoder,
    open_container,
)
from affect_pipe.pipeline.errors import MediaError
from affect_pipe.pipeline.interfaces import Frame
from affect_pipe.pipeline.records import Media

Image = npt.NDArray[np.uint8]


# FFmpeg gives the start of the clock in whole microseconds.
_CLOCK_ROUNDING_S = 1e-6


class Orientation(NamedTuple):
    """How a stored picture becomes an upright one: flipped first, then turned."""

    flip_vertically: bool
    quarter_turns: int
    """Counter-clockwise, 0 to 3."""


def iter_frames(
    media: Media,
    rate_hz: float,
    *,
    max_side_px: int | None = None,
    limits: MediaLimits | None = None,
    warn: Callable[[str], None] | None = None,
) -> Iterator[Frame]:
    """Decode a video once, in order, and yield the frames that a rate asks for.

    Yields the first frame at or after each multiple of ``1 / rate_hz`` on the media's clock, each
    frame at most once; where the video has fewer frames than the rate asks for, all of them.
    Damaged packets are passed over. Memory does not grow with length.

    Parameters
    ----------
    media : Media
    rate_hz : float
        Frames wanted per second of video, above 0.
    max_side_px : int, optional
        Frames are made smaller so that their longest side is at most this; never larger.
    limits : MediaLimits, optional
    warn : callable, optional
        Told, as sentences, what could not be decoded; called at the end of the stream.

    Raises
    ------
    ValueError
        If the media has no video or ``rate_hz`` is not positive.
    MediaError
        If the stream runs past the limit on duration, or its pictures past that on size.
    """
    if media.video is None:
        raise ValueError(f"{media.path} has no video: check media.video first")
    if not (math.isfinite(rate_hz) and rate_hz > 0):
        raise ValueError(f"rate_hz must be above 0, got {rate_hz}")
    return _sampled(media, rate_hz, max_side_px, limits or MediaLimits(), warn or _ignore)


def _ignore(warning: str) -> None:
    """Stand in for a listener."""


def _sampled(
    media: Media,
    rate_hz: float,
    max_side_px: int | None,
    limits: MediaLimits,
    warn: Callable[[str], None],
) -> Iterator[Frame]:
    last_s = -math.inf
    with open_container(media.path, limits) as container:
        stream = choose_video(container)
        if stream is None:
            raise MediaError(f"{media.path} no longer has video: it changed while it was read.")
        limit_decoder(stream, limits)
        converter = _Converter(max_side_px, pixel_ratio(stream))
        tolerance_s = _tolerance_s(stream, rate_hz)
        next_index = -math.inf
        decoder = StreamDecoder(container, stream, media.path)
        # AVI stores no presentation times, and FFmpeg's guesses jump where there are B-frames.
        has_pts = container.format.name != "avi"
        for frame, time_s in _timed(decoder, stream, clock_start_s(container), has_pts):
            if time_s > limits.max_duration_s:
                raise MediaError(
                    f"{media.path} runs past the limit of {limits.max_duration_s:g} s: "
                    "cut it into parts or raise max_duration_s."
                )
            # Stamps that jump back, and a preroll before the clock starts, are no new time.
            if time_s <= last_s or time_s < -_CLOCK_ROUNDING_S:
                continue
            last_s = time_s
            if time_s < next_index / rate_hz - tolerance_s:
                continue
            next_index = math.floor((time_s + tolerance_s) * rate_hz) + 1
            yield Frame(max(time_s, 0.0), converter.upright_rgb(frame))
        claimed_s = claimed_end_s(container, stream)
    if decoder.n_damaged:
        warn(f"{media.path.name}: damaged video packets passed over: {decoder.n_damaged}.")
    short = cut_off_warning(media.path, "video", max(last_s, 0.0), claimed_s)
    if short:
        warn(short)


def _timed(
    frames: Iterable[Any], stream: Any, start_s: float, has_pts: bool
) -> Iterator[tuple[Any, float]]:
    """Give each decoded frame its time on the media's clock, guessing where the file has none."""
    step_s = 1.0 / float(stream.average_rate or stream.guessed_rate or 25)
    time_s = -step_s
    delay: int | None = None
    for frame in frames:
        stamp = frame.pts
        if stamp is None or not has_pts:
            # Decoding times tick like presentation times, ahead by the depth of reordering.
            if delay is None and frame.dts is not None:
                delay = frame.dts - (stream.start_time or 0)
            stamp = None if frame.dts is None or delay is None else frame.dts - delay
        if stamp is None or frame.time_base is None:
            time_s += step_s
        else:
            time_s = float(stamp * frame.time_base) - start_s
        yield frame, time_s


def _tolerance_s(stream: Any, rate_hz: float) -> float:
    """Return half a tick of the file's clock: 1/30 s is stored as 0.033 in Matroska.

    Without it, asking for the video's own rate would drop every frame stored a little early.
    """
    tick_s = float(stream.time_base) if stream.time_base else 0.0
    return min(0.5 * tick_s + 1e-6, 0.1 / rate_hz)


def orientation(frame: Any) -> Orientation:
    """Return how to turn an ``av`` video frame upright, from its display matrix."""
    # FFmpeg's angle is right for turned pictures, mirrored or not: it is that of the x axis, which
    # flipping vertically first leaves alone.
    quarter_turns = round(frame.rotation / 90) % 4
    return Orientation(_is_mirrored(frame), quarter_turns)


def _is_mirrored(frame: Any) -> bool:
    try:
        matrix = np.frombuffer(frame.side_data["DISPLAYMATRIX"], dtype=np.int32)
    except (KeyError, ValueError):
        # ValueError: PyAV refuses to list side data when a frame has a kind unknown to it.
        return False
    a, b, c, d = (float(matrix[i]) for i in (0, 1, 3, 4))
    return a * d - b * c < 0


def display_size(frame: Any, pixel_ratio: float) -> tuple[int, int]:
    """Return width and height of an ``av`` video frame as shown: square pixels, upright."""
    width_px, height_px = max(1, round(frame.width * pixel_ratio)), frame.height
    return (height_px, width_px) if orientation(frame).quarter_turns % 2 else (width_px, height_px)


def pixel_ratio(stream: Any) -> float:
    """Return the width of a stored pixel over its height; 1 where the file makes no sense."""
    ratio = float(stream.sample_aspect_ratio or 1.0)
    return ratio if 0.25 <= ratio <= 4.0 else 1.0


class _Converter:
    """Turns the kept frames into upright RGB, scaling while it converts."""

    def __init__(self, max_side_px: int | None, pixel_ratio: float) -> None:
        self._max_side_px = max_side_px
        self._pixel_ratio = pixel_ratio
        # One for all frames keeps swscale's tables; each frame's own would rebuild them.
        self._reformatter = VideoReformatter()
        self._last_turn: tuple[int, Orientation] | None = None

    def upright_rgb(self, frame: Any) -> Image:
        width_px, height_px = max(1, round(frame.width * self._pixel_ratio)), frame.height
        if self._max_side_px is not None and max(width_px, height_px) > self._max_side_px:
            scale = self._max_side_px / max(width_px, height_px)
            width_px = max(1, round(width_px * scale))
            height_px = max(1, round(height_px * scale))
        turn = self._orientation(frame)
        rgb = self._reformatter.reformat(
            frame, width_px, height_px, "rgb24", interpolation="BILINEAR"
        )
        image = np.asarray(rgb.to_ndarray(), np.uint8)
        if turn.flip_vertically:
            image = image[::-1]
        return np.ascontiguousarray(np.rot90(image, turn.quarter_turns))

    def _orientation(self, frame: Any) -> Orientation:
        # Looking at a frame's side data ties it into a reference cycle, which keeps its pixels
        # until the garbage collector runs: hundreds of megabytes. Once a stream is enough.
        if self._last_turn is None or self._last_turn[0] != frame.rotation:
            self._last_turn = (frame.rotation, orientation(frame))
        return self._last_turn[1]
