"""A small MP4 of a recording that every browser plays (H.264 and AAC), to be put into a page."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from affect_pipe.pipeline.container import DEMUXERS
from affect_pipe.pipeline.errors import MediaError
from affect_pipe.pipeline.ffmpeg import ffmpeg_binary
from affect_pipe.pipeline.records import Media

LINES = 360
# With these, a minute takes at most about 2.4 MB.
VIDEO_RATE = "256k"
AUDIO_RATE = "48k"
# A machine on which it takes longer than this many times the recording has other troubles.
_SLOWEST = 20.0
_LEAST_S = 120.0


def make_preview(media: Media) -> bytes:
    """Return an MP4 file of ``media``, at most `LINES` high, sound in mono.

    The same FFmpeg makes the same bytes of the same file.

    Raises
    ------
    MissingDependencyError
        If there is no ffmpeg.
    MediaError
        If ffmpeg cannot make it.
    """
    with tempfile.TemporaryDirectory(prefix="affect-pipe-") as folder:
        path = Path(folder) / "preview.mp4"
        command = [ffmpeg_binary(), *_arguments(media, path)]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=_LEAST_S + _SLOWEST * media.duration_s,
            )
        except subprocess.TimeoutExpired as error:
            raise MediaError(
                f"a preview of {media.path} took too long: link to the video with --video link."
            ) from error
        if done.returncode != 0 or not path.is_file():
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise MediaError(
                f"ffmpeg cannot make a preview of {media.path} "
                f"({said[-1] if said else 'without a word'}): link to it with --video link."
            )
        return path.read_bytes()


def _arguments(media: Media, path: Path) -> list[str]:
    # The demuxers and the protocol of `container.open_container`: no file may pull in another.
    read = ["-protocol_whitelist", "file", "-format_whitelist", ",".join(DEMUXERS)]
    picture = ["-map", "0:V:0", "-vf", _scaled(), "-pix_fmt", "yuv420p", "-c:v", "libx264"]
    picture += ["-preset", "veryfast", "-crf", "30", "-maxrate", VIDEO_RATE, "-bufsize", "1M"]
    # Key frames every two seconds, so that a click on an utterance shows at once.
    picture += ["-force_key_frames", "expr:gte(t,n_forced*2)", "-threads", "1"]
    sound = ["-map", "0:a:0", "-c:a", "aac", "-b:a", AUDIO_RATE, "-ac", "1"]
    return [
        *("-nostdin", "-hide_banner", "-loglevel", "error", "-y"),
        *(*read, "-i", f"file:{media.path.absolute()}"),
        *(picture if media.video is not None else ()),
        *(sound if media.audio is not None else ()),
        *("-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact"),
        *("-flags:v", "+bitexact", "-flags:a", "+bitexact", "-movflags", "+faststart"),
        *("-f", "mp4", str(path)),
    ]


def _scaled() -> str:
    # Even sides, which yuv420p needs; never larger than it is.
    return f"scale=w=-2:h='trunc(min({LINES},ih)/2)*2',fps=25,setsar=1"
