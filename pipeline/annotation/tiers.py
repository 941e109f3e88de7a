"""Tiers of annotations with times, whatever tool they come from."""

from __future__ import annotations

from dataclasses import dataclass

from affect_pipe.pipeline.errors import AffectPipeError

# Far above what anybody annotates by hand: an hour in syllables is about 20 thousand.
MAX_ANNOTATIONS = 1_000_000
MAX_SECONDS = 1e7


class AnnotationError(AffectPipeError):
    """An annotation file cannot be read."""


@dataclass(frozen=True)
class Annotation:
    """One annotation: ``[start_s, end_s)`` and its value, without blanks around it.

    Attributes
    ----------
    name : str
        Its own name within the file.
    parent : str or None
        The annotation of another tier that it belongs to.
    """

    start_s: float
    end_s: float
    value: str
    name: str
    parent: str | None = None


@dataclass(frozen=True)
class Tier:
    """One tier, its annotations in order of time.

    Attributes
    ----------
    participant : str or None
        Who is annotated, where the file says so.
    parent : str or None
        Name of the tier this one is under.
    """

    name: str
    annotations: tuple[Annotation, ...]
    participant: str | None = None
    parent: str | None = None

    def __repr__(self) -> str:
        return f"Tier({self.name!r}, {len(self.annotations)} annotations)"


@dataclass(frozen=True)
class AnnotationFile:
    """The tiers of one file, in its order, and the names of the media it is about."""

    tiers: tuple[Tier, ...]
    media: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def clock(start_s: float, end_s: float) -> str:
    """Return a stretch of time as messages name it: ``0:07.470-0:08.064``."""
    return "-".join(_clock(time_s) for time_s in (start_s, end_s))


def _clock(time_s: float) -> str:
    minutes, milliseconds = divmod(round(time_s * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"
