"""What a run tells while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Event:
    """One step of one stage of one video.

    Attributes
    ----------
    media : Path
        The video.
    stage : str
        ``probe``, ``speech``, ``voice-activity``, ``face-tracks``, ``features-text``...
    state : {"started", "progress", "computed", "cached", "failed"}
        ``cached`` means the stage's result was found, not computed.
    fraction : float
        How far the stage is, in [0, 1].
    seconds : float
        Wall time the stage has taken so far.
    """

    media: Path
    stage: str
    state: Literal["started", "progress", "computed", "cached", "failed"]
    fraction: float = 0.0
    seconds: float = 0.0


Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listen to nothing."""
