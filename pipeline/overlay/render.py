"""From a result to its overlay: one decode of the video, frame by frame, into an MP4."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from affect_pipe.pipeline.container import MediaLimits
from affect_pipe.pipeline.errors import MediaError
from affect_pipe.pipeline.interfaces import Frame
from affect_pipe.pipeline.media import iter_frames
from affect_pipe.pipeline.overlay.faces import FaceTracks
from affect_pipe.pipeline.overlay.layout import MAX_SIDE_PX
from affect_pipe.pipeline.overlay.movie import Movie, audio_kind, write_movie
from affect_pipe.pipeline.overlay.scene import Scene
from affect_pipe.pipeline.overlay.sound import sound
from affect_pipe.pipeline.records import FloatArray, Media, VideoResult
from affect_pipe.pipeline.results.writing import nameless_result

# Every frame there is: no recording has more.
_ALL_FRAMES_HZ = 1000.0
# Sound goes ahead of the pictures by this much, so that neither waits for the other in memory.
_AHEAD_S = 0.5
_STEP = 0.01

Tell = Callable[[float], None]
Warn = Callable[[str], None]


def write_overlay(
    result: VideoResult,
    tracks: FaceTracks,
    path: str | Path,
    *,
    limits: MediaLimits | None = None,
    progress: Tell = lambda fraction: None,
    warn: Warn = lambda warning: None,
) -> None:
    """Draw a result into its video.

    Every frame keeps its presentation time, the sound is encoded anew in its own quality. Memory
    does not grow with length.

    Parameters
    ----------
    result : VideoResult
        Of a file with video.
    tracks : FaceTracks
    path : str or Path
        The MP4 to write; it appears when it is whole.
    limits : MediaLimits, optional
    progress : callable
        Told how much is done, in [0, 1].
    warn : callable
        Told, in sentences, what could not be decoded or written.

    Raises
    ------
    ValueError
        If the file has no video.
    MediaError
        If no frame can be decoded, or the file breaks a limit.
    ResultError
        If the MP4 cannot be written.
    MissingDependencyError
        If a library or a font is not there; see `fonts.check_drawing`.
    """
    media, limits = result.media, limits or MediaLimits()
    if media.video is None:
        raise ValueError(f"{media.path} has no video: check media.video first")
    frames = iter_frames(media, _ALL_FRAMES_HZ, max_side_px=MAX_SIDE_PX, limits=limits, warn=warn)
    first = next(frames, None)
    if first is None:
        raise MediaError(f"{media.path}: none of its pictures can be decoded.")
    height, width = first.image.shape[:2]
    scene = Scene(result, tracks, width, height)
    kind, pieces = None, _silent()
    if media.audio is not None:
        kind = audio_kind(media.audio.sample_rate_hz, media.audio.n_channels)
        pieces = sound(media.path, kind, limits)
    rate_hz = media.video.average_rate_hz
    with (
        nameless_result(path) as file,
        write_movie(file, scene.layout.size, rate_hz, kind) as movie,
    ):
        _fill(movie, scene, itertools.chain([first], frames), pieces, media, progress)
    if scene.missing:
        warn(
            f"no font on this machine has {scene.missing[:20]!r}: the overlay shows question marks "
            "instead; install a font of that script (Debian: fonts-noto-core)."
        )


def _silent() -> Iterator[FloatArray]:
    return iter(())


def _fill(
    movie: Movie,
    scene: Scene,
    frames: Iterator[Frame],
    pieces: Iterator[FloatArray],
    media: Media,
    progress: Tell,
) -> None:
    told = 0.0
    for frame in frames:
        for samples in _until(movie, pieces, frame.time_s + _AHEAD_S):
            movie.samples(samples)
        movie.picture(scene.draw(frame.image, frame.time_s), frame.time_s)
        fraction = min(frame.time_s / max(media.duration_s, 1e-6), 1.0)
        if fraction >= told + _STEP:
            told = fraction
            progress(fraction)
    for samples in pieces:
        movie.samples(samples)


def _until(movie: Movie, pieces: Iterator[FloatArray], time_s: float) -> Iterator[FloatArray]:
    """Take pieces until there is sound up to a time."""
    while movie.audio_s < time_s:
        piece = next(pieces, None)
        if piece is None:
            return
        yield piece
