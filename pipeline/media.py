"""What a media file is: its streams, true size and length, and the digest that identifies it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from affect_pipe.pipeline.container import (
    MediaLimits,
    StreamDecoder,
    choose_audio,
    choose_video,
    clock_start_s,
    limit_decoder,
    open_container,
)
from affect_pipe.pipeline.errors import MediaError
from affect_pipe.pipeline.fingerprint import digest_file
from affect_pipe.pipeline.frames import display_size, iter_frames, orientation, pixel_ratio
from affect_pipe.pipeline.records import AudioInfo, Media, VideoInfo
from affect_pipe.pipeline.waveform import read_audio

__all__ = ["MediaLimits", "iter_frames", "probe", "read_audio"]

# Formats without an index: FFmpeg guesses their length from the bit rate of the first seconds.
_GUESSED_LENGTH = frozenset({"mp3", "aac", "amr", "ac3", "eac3", "h264", "hevc", "m4v"})
_AUDIO_RATES_HZ = (1000, 768_000)


def probe(
    path: str | Path,
    *,
    limits: MediaLimits | None = None,
    digest: Callable[[Path], str] | None = None,
) -> Media:
    """Look into a media file and decode the first frame of each stream it will be asked for.

    Parameters
    ----------
    path : str or Path
    limits : MediaLimits, optional
    digest : callable, optional
        From a path to the blake2b digest of the file's bytes; the place for a memo.

    Raises
    ------
    UsageError
        If there is no such file, it is a folder, or it may not be read.
    MediaError
        If it is empty, not a recording, has neither audio nor video that decodes, or breaks a
        limit.
    """
    path, limits = Path(path), limits or MediaLimits()
    # A decoder reads ahead, so each look starts from the beginning of the file.
    with open_container(path, limits) as container:
        audio = _audio_info(path, container)
    with open_container(path, limits) as container:
        video = _video_info(path, container, limits)
    if audio is None and video is None:
        raise MediaError(
            f"{path} has neither audio nor video that can be decoded: give a recording."
        )
    with open_container(path, limits) as container:
        name = container.format.name
        duration_s = _duration_s(path, container, name)
    if duration_s > limits.max_duration_s:
        raise MediaError(
            f"{path} lasts {duration_s:.0f} s, more than the limit of {limits.max_duration_s:g} "
            "s: cut it into parts or raise max_duration_s."
        )
    return Media(path, (digest or digest_file)(path), name, duration_s, audio, video)


def _first_frame(path: Path, container: Any, stream: Any) -> Any | None:
    return next(iter(StreamDecoder(container, stream, path)), None)


def _audio_info(path: Path, container: Any) -> AudioInfo | None:
    stream = choose_audio(container)
    if stream is None:
        return None
    frame = _first_frame(path, container, stream)
    if frame is None:
        return None
    low, high = _AUDIO_RATES_HZ
    if not low <= frame.sample_rate <= high:
        raise MediaError(
            f"{path} claims {frame.sample_rate} audio samples a second, outside {low} to {high}: "
            "it is damaged or not a recording."
        )
    return AudioInfo(
        stream.codec_context.codec.canonical_name, frame.sample_rate, frame.layout.nb_channels
    )


def _video_info(path: Path, container: Any, limits: MediaLimits) -> VideoInfo | None:
    stream = choose_video(container)
    if stream is None:
        return None
    side_px = max(stream.codec_context.width, stream.codec_context.height)
    if side_px > limits.max_side_px:
        raise MediaError(
            f"{path} has pictures of {stream.codec_context.width} x {stream.codec_context.height} "
            f"pixels, larger than the limit of {limits.max_side_px}: make it smaller or raise "
            "max_side_px."
        )
    limit_decoder(stream, limits)
    frame = _first_frame(path, container, stream)
    if frame is None:
        return None
    width_px, height_px = display_size(frame, pixel_ratio(stream))
    return VideoInfo(
        codec=stream.codec_context.codec.canonical_name,
        width_px=width_px,
        height_px=height_px,
        average_rate_hz=float(stream.average_rate or stream.guessed_rate or 0.0),
        rotation_deg=orientation(frame).quarter_turns * 90,
    )


def _duration_s(path: Path, container: Any, format_name: str) -> float:
    """End of the longest stream, counted from the start of the first."""
    if container.duration and format_name not in _GUESSED_LENGTH:
        return float(container.duration / 1e6)
    start_s, end_s = clock_start_s(container), 0.0
    streams = [s for s in (choose_audio(container), choose_video(container)) if s is not None]
    for packet in StreamDecoder(container, streams, path).packets():
        if packet.pts is not None:
            end = packet.pts + (packet.duration or 0)
            end_s = max(end_s, float(end * packet.time_base) - start_s)
    return end_s if math.isfinite(end_s) else 0.0
