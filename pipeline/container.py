"""Opening a media file for decoding, without letting it reach anything else.

FFmpeg follows references: a playlist, a concat script or a subtitle index named ``talk.mp4`` would
make it open other files or hosts. Here it reads through a file object that is already open, may use
only the demuxers of ordinary recordings, and every request to open anything else is refused.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error
import av.stream
from pydantic import BaseModel, ConfigDict, Field

from affect_pipe.pipeline.errors import MediaError, UsageError

DEMUXERS = (
    *("mov", "mp4", "m4a", "3gp", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "asf"),
    *("wav", "w64", "aiff", "caf", "mp3", "aac", "flac", "ogg", "mxf", "nut", "dv", "ivf"),
    *("h264", "hevc", "m4v", "mpegvideo", "amr", "au", "ac3", "eac3"),
)
"""Recordings only. No playlists (hls, dash), scripts (concat), pictures, subtitles or devices."""

# Headers are a little wrong in many good recordings.
_CUT_OFF_S = 1.0
_BUFFER_BYTES = 1 << 18
# A whole television multiplex has fewer. Each costs half a megabyte before a picture is decoded.
_MAX_STREAMS = 200
_TOO_MANY_STREAMS = (
    f"this file has more than {_MAX_STREAMS} streams of sound, pictures and subtitles (or memory "
    "is very short): give a recording of somebody talking, or copy the streams that matter out of "
    "this one."
)

# Beginnings of files that people pass by mistake and FFmpeg would name unhelpfully.
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
_SCRIPTS = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD")


class MediaLimits(BaseModel):
    """Bounds on what a media file, or its transcript, may ask of this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_bytes: int = Field(default=64 * 1024**3, gt=0, description="Largest file.")
    max_duration_s: float = Field(default=12 * 3600.0, gt=0, description="Longest recording.")
    # The square of it must fit FFmpeg's 32-bit count of pixels.
    max_side_px: int = Field(
        default=8192, gt=0, le=32767, description="Longest side of a picture, as stored."
    )
    audio_in_memory_s: float = Field(
        default=300.0,
        ge=0,
        description="Audio longer than this is kept in an unlinked temporary file and "
        "memory-mapped.",
    )
    # Brisk speech has five; captions in two languages at once have twice that.
    max_words_per_s: float = Field(
        default=30.0, gt=0, description="Densest subtitles, over the length of the media."
    )


@contextmanager
def open_container(path: Path, limits: MediaLimits) -> Iterator[Any]:
    """Open ``path`` as an ``av`` input container that can read nothing but this file.

    Raises
    ------
    UsageError
        If there is no such file, it is a folder or a device, or it may not be read.
    MediaError
        If it is empty, larger than the limit or not a recording.
    """
    with _open_file(path, limits) as file:
        head = file.read(16)
        file.seek(0)
        try:
            container = av.open(
                file,
                "r",
                options={"max_pixels": str(limits.max_side_px**2)},
                container_options={
                    "format_whitelist": ",".join(DEMUXERS),
                    "protocol_whitelist": "file",
                    "max_streams": str(_MAX_STREAMS),
                },
                metadata_errors="replace",
                buffer_size=_BUFFER_BYTES,
                io_open=_refuse_other_files,
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            # FFmpeg says of a stream too many that there is no memory for it.
            crowded = isinstance(error, MemoryError)
            why = _TOO_MANY_STREAMS if crowded else _why_unreadable(head)
            raise MediaError(f"{path}: {why}") from error
        with container:
            yield container


def _open_file(path: Path, limits: MediaLimits) -> BinaryIO:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UsageError(f"{path} is a folder, not a media file: name the files in it.")
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path} is not a regular file: name a video or audio file.")
        if status.st_size == 0:
            raise MediaError(f"{path} is empty (0 bytes): a video or audio file is expected.")
        if status.st_size > limits.max_bytes:
            raise MediaError(
                f"{path} has {status.st_size} bytes, more than the limit of {limits.max_bytes}: "
                "cut it into parts or raise max_bytes."
            )
        # Opened by descriptor: the object then has no file name, from which FFmpeg could guess a
        # format or resolve a relative reference.
        return open(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb")
    except FileNotFoundError as error:
        raise UsageError(_why_absent(path)) from error
    except PermissionError as error:
        raise UsageError(f"{path} may not be read: check its permissions.") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be opened ({error}): check the file name.") from error


def _why_absent(path: Path) -> str:
    # As a path, "https://host" has lost a slash; a single letter is a drive of Windows.
    address = re.fullmatch(r"([A-Za-z][\w+.-]+):/+(.*)", str(path), re.DOTALL)
    if address is not None:
        return (
            f"{address[1]}://{address[2]} is an address, not a file: download the video first and "
            "name the file."
        )
    return f"{path} does not exist: check the name of the media file."


def _refuse_other_files(url: str, flags: int, options: dict[str, str]) -> BinaryIO:
    raise PermissionError(f"a media file asked for another one: {url}")


def _why_unreadable(head: bytes) -> str:
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    if webp or head.startswith(_PICTURES):
        return "this is a still picture, not a video: give a recording of somebody talking."
    if head.startswith(_SCRIPTS):
        return (
            "this is a playlist or script that names other files, not a recording: "
            "give the recording itself."
        )
    if head[4:8] in (b"ftyp", b"mdat", b"moov", b"wide", b"free"):
        return (
            "this MP4 or MOV file cannot be opened, most likely because it is cut off before its "
            "index (moov): copy or download it again."
        )
    return (
        "this is not a video or audio file that can be read, whatever its name says: "
        "give MP4, MOV, MKV, WebM, AVI, WAV, MP3, FLAC, OGG or a like recording."
    )


def choose_audio(container: Any) -> Any | None:
    """Return the first audio stream that can be decoded, or None."""
    return next((s for s in container.streams.audio if s.codec_context is not None), None)


def choose_video(container: Any) -> Any | None:
    """Return the first video stream that can be decoded and is no cover picture, or None."""
    pictures = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    return next(
        (
            s
            for s in container.streams.video
            if s.codec_context is not None and not s.disposition & pictures
        ),
        None,
    )


def clock_start_s(container: Any) -> float:
    """Return what the container calls the time at which a player's clock shows zero.

    MPEG-TS recordings start anywhere; players and recognisers count from the first stream's start.
    Subtracting this keeps the offset between audio and video and matches a subtitle's clock.
    """
    start = container.start_time
    return 0.0 if start is None else start / 1e6


def claimed_end_s(container: Any, stream: Any) -> float | None:
    """Return when the file's header says a stream ends, on the media's clock; None if it does not.

    A recording that decodes to much less is cut off or damaged.
    """
    if stream.duration and stream.time_base:
        end = (stream.start_time or 0) + stream.duration
        return float(end * stream.time_base) - clock_start_s(container)
    if container.duration and len(container.streams) == 1:
        return float(container.duration / 1e6)
    # Matroska keeps it as a tag, "00:01:02.500000000", counted from the start of the clock.
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag is None:
        return None
    hours, minutes, seconds = (float(part) for part in tag.groups())
    return hours * 3600 + minutes * 60 + seconds


def cut_off_warning(path: Path, what: str, end_s: float, claimed_s: float | None) -> str | None:
    """Return a sentence if a stream ended well before its header says, else None."""
    if claimed_s is None or end_s >= claimed_s - _CUT_OFF_S:
        return None
    return (
        f"{path.name}: the {what} ends at {end_s:.1f} s though the file says {claimed_s:.1f} s: "
        "it is cut off or damaged, and what decodes is used."
    )


def limit_decoder(stream: Any, limits: MediaLimits) -> None:
    """Set a decoder to refuse pictures beyond the limits and to use the cores there are."""
    stream.codec_context.options = {"max_pixels": str(limits.max_side_px**2)}
    stream.thread_type = "AUTO"


class StreamDecoder:
    """Decodes one stream in order, going past damage.

    Attributes
    ----------
    n_damaged : int
        Damaged packets met so far.
    """

    def __init__(self, container: Any, stream: Any, path: Path) -> None:
        self._container, self._stream, self._path = container, stream, path
        self.n_damaged = 0

    def __iter__(self) -> Iterator[Any]:
        """Yield ``av`` frames, to be asked for once."""
        for packet in self.packets():
            yield from self._decode(packet)

    def packets(self) -> Iterator[Any]:
        """Yield the stream's packets; the last one is empty and drains the decoder."""
        n_failures = 0
        while n_failures < _MAX_READ_ERRORS:
            try:
                for packet in self._container.demux(self._stream):
                    n_failures = 0
                    yield packet
                return
            except IndexError:
                # At the end, PyAV 18 trips over streams that turned up after opening, which
                # damaged MPEG-TS has. Ours came before them and is drained by then.
                return
            except av.error.FFmpegError:
                # The demuxer can often find the next packet after it met garbage.
                self.n_damaged += 1
                n_failures += 1
            except OSError as error:
                raise MediaError(f"{self._path} stopped being readable: {error}") from error

    def _decode(self, packet: Any) -> Sequence[Any]:
        try:
            frames: Sequence[Any] = packet.decode()
        except av.error.EOFError:
            return ()
        except av.error.FFmpegError:
            self.n_damaged += 1
            return ()
        return frames


_MAX_READ_ERRORS = 50
