"""One pass over a video's frames: in this thread, or in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from affect_pipe.pipeline.interfaces import Arrays, Frame, FrameStage
from affect_pipe.pipeline.media import MediaLimits, iter_frames
from affect_pipe.pipeline.records import Media

# A hundred steps are enough to draw; more would only cost.
_STEP = 0.01


class Stopped(Exception):  # noqa: N818 - a signal between branches, not an error
    """Another branch of the run failed; this one stops where it is."""


class Watch(Protocol):
    """Whoever waits for a pass."""

    def progress(self, fraction: float) -> None:
        """Hear how far the pass is, in [0, 1]."""

    def warn(self, message: str) -> None:
        """Hear, in one sentence, what could not be decoded."""

    def stopped(self) -> bool:
        """Say whether the pass should give up; asked at every frame."""


class FramePass(Protocol):
    """A place where passes over frames run."""

    def __call__(
        self, stage: FrameStage, media: Media, limits: MediaLimits, watch: Watch
    ) -> Arrays:
        """Run one stage over the frames of a video that has video.

        Raises
        ------
        AffectPipeError
            If the file cannot be decoded or the stage cannot run.
        Stopped
            If the watch said so.
        """


def in_this_thread(stage: FrameStage, media: Media, limits: MediaLimits, watch: Watch) -> Arrays:
    """Run the pass where it is called; see `FramePass`."""
    return stage.analyse(_watched(stage, media, limits, watch), media)


def _watched(stage: FrameStage, media: Media, limits: MediaLimits, watch: Watch) -> Iterator[Frame]:
    """Frames at the stage's rate, with progress told and the stop signal obeyed."""
    told = 0.0
    for frame in iter_frames(media, stage.rate_hz, limits=limits, warn=watch.warn):
        if watch.stopped():
            raise Stopped
        fraction = min(frame.time_s / max(media.duration_s, 1e-6), 1.0)
        if fraction - told >= _STEP:
            told = fraction
            watch.progress(fraction)
        yield frame
