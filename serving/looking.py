"""Looking into what was uploaded, in a process of its own: a decoder may die of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from affect_pipe.pipeline.batch.engine import (
    Attempt,
    EngineEvent,
    Failed,
    R,
    RetryPolicy,
    Stop,
    Succeeded,
    Told,
    Work,
)
from affect_pipe.pipeline.batch.local import LocalEngine, Patience
from affect_pipe.pipeline.batch.records import Failure, Item, Seen, Task
from affect_pipe.pipeline.container import MediaLimits

_LOOK_S = 600.0


@dataclass(frozen=True)
class Glance:
    """Opens a file and decodes its first frames: a `pipeline.batch.engine.Work` of `Seen`.

    Attributes
    ----------
    limits : MediaLimits
    """

    limits: MediaLimits

    @contextmanager
    def open(self) -> Iterator[Attempt[Seen]]:
        """Give the function that looks."""
        from affect_pipe.pipeline.media import probe

        def look(item: Item, tell: Callable[[Told], None]) -> Seen:
            media = probe(item.video, limits=self.limits, digest=lambda _: "")
            video = media.video
            size = (video.width_px, video.height_px) if video is not None else (0, 0)
            return Seen(None, media.duration_s, *size)

        yield look


def look_into(path: Path, limits: MediaLimits, stop: Stop) -> Seen | Failure | None:
    """Return what a file is, or why it is no recording; None where the server stops meanwhile.

    Raises
    ------
    AffectPipeError
        If no process can be had.
    """
    return apart(Glance(limits), Item(str(path), path.stem), _LOOK_S, stop)


def apart(work: Work[R], item: Item, seconds: float, stop: Stop) -> R | Failure | None:
    """Do one piece of work in a process of its own; see `look_into`."""
    ends: list[R | Failure] = []

    def take(event: EngineEvent[R]) -> None:
        if isinstance(event, Succeeded):
            ends.append(event.value)
        elif isinstance(event, Failed):
            ends.append(event.failure)

    engine = LocalEngine(1, patience=Patience(seconds, seconds), policy=RetryPolicy(0))
    engine.run(work, [Task(item)], take, stop)
    return ends[0] if ends else None
