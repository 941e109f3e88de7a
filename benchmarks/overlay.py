"""What an overlay costs beside encoding the video anew, and what it holds in memory.

python benchmarks/overlay.py [--seconds 15 60] [--height 720]

Each length is drawn in a process of its own. The plain transcode decodes the same pictures and
sound and encodes them with the same settings, with nothing drawn; both in turn, in one run.
Seconds are of all cores together, so that what else the machine does hardly moves the ratio.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import srt
from media_maker import make_talking_video

from affect_pipe.pipeline.action_unit_names import ACTION_UNIT_NAMES
from affect_pipe.pipeline.container import MediaLimits
from affect_pipe.pipeline.media import iter_frames, probe
from affect_pipe.pipeline.overlay.faces import FaceTracks
from affect_pipe.pipeline.overlay.movie import audio_kind, write_movie
from affect_pipe.pipeline.overlay.render import write_overlay
from affect_pipe.pipeline.overlay.sound import sound
from affect_pipe.pipeline.records import (
    EmotionPrediction,
    Media,
    ModelInfo,
    Prediction,
    Transcript,
    Utterance,
    UtterancePrediction,
    VideoFeatures,
    VideoResult,
)

LOOKS_HZ = 10


def result_of(media: Media, subtitles: Path) -> VideoResult:
    """Return a result with something to draw in every utterance."""
    cues = srt.parse(subtitles.read_text(encoding="utf-8"))
    utterances = tuple(
        Utterance(k, cue.start.total_seconds(), cue.end.total_seconds(), cue.content)
        for k, cue in enumerate(cues)
    )
    model = ModelInfo("starter", "00", "cim", "none")
    emotions = {n: EmotionPrediction(0.5, True, 1.0) for n in model.outputs.emotions or ()}
    judged = UtterancePrediction("positive", {"positive": 0.8}, 1.5, emotions)
    return VideoResult(
        media=media,
        transcript=Transcript((), "srt"),
        features=VideoFeatures(utterances, {}),
        prediction=Prediction((judged,) * len(utterances)),
        model=model,
    )


def tracks_of(duration_s: float) -> FaceTracks:
    """Return one face in the middle whose action units move."""
    times = np.arange(0, duration_s, 1 / LOOKS_HZ)
    n = len(times)
    box = np.tile(np.array([0.4, 0.3, 0.6, 0.7], np.float32), (n, 1))
    units = np.random.default_rng(0).random((n, len(ACTION_UNIT_NAMES))).astype(np.float32)
    return FaceTracks(times, times, np.zeros(n, np.int32), box, units, tuple(ACTION_UNIT_NAMES))


def transcode(media: Media, path: Path) -> None:
    """Encode a video anew with the overlay's settings, with nothing drawn."""
    assert media.video is not None
    assert media.audio is not None
    kind = audio_kind(media.audio.sample_rate_hz, media.audio.n_channels)
    pieces = sound(media.path, kind, MediaLimits())
    path.touch()
    size = media.video.width_px, media.video.height_px
    with write_movie(path, size, media.video.average_rate_hz, kind) as movie:
        for frame in iter_frames(media, 1000.0):
            while movie.audio_s < frame.time_s + 0.5 and (piece := next(pieces, None)) is not None:
                movie.samples(piece)
            movie.picture(frame.image, frame.time_s)
        for piece in pieces:
            movie.samples(piece)


def measure(seconds: float, height_px: int) -> str:
    """Return a row of the table; to be run in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        made = make_talking_video(Path(folder) / "talking.mp4", seconds, height_px=height_px)
        media = probe(made[0])
        result, tracks = result_of(media, made[1]), tracks_of(media.duration_s)
        start_s = time.process_time()
        transcode(media, Path(folder) / "plain.mp4")
        plain_s = time.process_time() - start_s
        plain_mb = peak_mb()
        start_s = time.process_time()
        write_overlay(result, tracks, Path(folder) / "drawn.mp4")
        drawn_s = time.process_time() - start_s
        sizes = [(Path(folder) / f"{name}.mp4").stat().st_size / 1e6 for name in ("plain", "drawn")]
    return (
        f"{media.duration_s:8.0f}  {plain_s:11.1f}  {drawn_s:11.1f}  {drawn_s / plain_s:5.2f}  "
        f"{plain_mb:7.0f}  {peak_mb():8.0f}  {sizes[0]:7.1f}  {sizes[1]:8.1f}"
    )


def peak_mb() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, nargs="+", default=[15.0, 60.0])
    arguments.add_argument("--height", type=int, default=720, help="of the picture, in pixels")
    chosen = arguments.parse_args()
    print(
        " video s  plain CPU s  drawn CPU s  ratio  peak MB  drawn MB  file MB  drawn MB",
        flush=True,
    )
    context = multiprocessing.get_context("spawn")
    for seconds in chosen.seconds:
        with context.Pool(1) as pool:
            print(pool.apply(measure, (seconds, chosen.height)), flush=True)


if __name__ == "__main__":
    main()
