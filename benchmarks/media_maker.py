"""A talking video of any length for the benchmarks: the sample in a loop, like a webcam."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import ffmpeg
import srt

from affect_pipe.pipeline.ffmpeg import ffmpeg_binary
from affect_pipe.pipeline.media import probe

SAMPLE = Path(__file__).parents[1] / "samples" / "talking.mp4"
HEIGHT_PX, RATE_HZ = 720, 30


def make_talking_video(
    path: Path,
    seconds: float,
    *,
    height_px: int = HEIGHT_PX,
    bit_rate: str = "2M",
    preset: str = "veryfast",
) -> tuple[Path, Path]:
    """Write a 16:9, 30 frames/s H.264 and AAC video and its subtitles beside it.

    The sample stands in the middle over a blurred copy of itself, with a little noise, so that the
    stream costs about what a webcam's does to decode. One round is encoded and copied end to end,
    so that half an hour is made as fast as a minute.

    Returns
    -------
    tuple of (Path, Path)
        The video and the .srt file.
    """
    with tempfile.TemporaryDirectory() as folder:
        one_round = Path(folder) / "round.mkv"
        _encode_round(one_round, height_px, bit_rate, preset)
        period_s = probe(one_round).duration_s
        looped = ffmpeg.input(str(one_round), stream_loop=-1)
        copied = ffmpeg.output(
            looped,
            f"file:{path}",
            t=seconds,
            vcodec="copy",
            acodec="aac",
            audio_bitrate="96k",
            loglevel="error",
        )
        copied.run(cmd=ffmpeg_binary(), overwrite_output=True)
    subtitles = path.with_suffix(".srt")
    cues = _repeated(SAMPLE.with_suffix(".srt"), period_s, seconds)
    subtitles.write_text(srt.compose(cues), encoding="utf-8")
    return path, subtitles


def _encode_round(path: Path, height_px: int, bit_rate: str, preset: str) -> None:
    width_px = height_px * 16 // 9
    sample = ffmpeg.input(str(SAMPLE))
    copies = sample.video.filter("fps", RATE_HZ).split()
    # Blurred small: at full size the blur would cost more than the encoder.
    behind = copies[0].filter("scale", width_px // 8, width_px // 8).filter("boxblur", 4)
    behind = behind.filter("scale", width_px, width_px).filter("crop", width_px, height_px)
    picture = behind.overlay(
        copies[1].filter("scale", height_px, height_px), x=(width_px - height_px) // 2, y=0
    )
    picture = picture.filter("noise", alls=3, allf="t", all_seed=1)
    output = ffmpeg.output(
        picture,
        sample.audio,
        str(path),
        vcodec="libx264",
        preset=preset,
        video_bitrate=bit_rate,
        pix_fmt="yuv420p",
        # Each round of a coded sound would begin with its encoder's delay.
        acodec="pcm_s16le",
        ar=44100,
        loglevel="error",
    )
    output.run(cmd=ffmpeg_binary(), overwrite_output=True)


def _repeated(path: Path, period_s: float, seconds: float) -> list[srt.Subtitle]:
    """Repeat the sample's subtitles for as long as the whole of one fits."""
    once = list(srt.parse(path.read_text(encoding="utf-8")))
    cues = []
    for round_ in range(int(seconds / period_s) + 1):
        shift = timedelta(seconds=round_ * period_s)
        cues += [
            srt.Subtitle(0, cue.start + shift, cue.end + shift, cue.content)
            for cue in once
            if (cue.end + shift).total_seconds() <= seconds
        ]
    return [srt.Subtitle(i, c.start, c.end, c.content) for i, c in enumerate(cues, start=1)]
