"""What a batch speaks of: items, attempts at them, what came of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

FailureKind = Literal["refused", "error", "crash", "timeout", "memory"]
"""Why an attempt came to nothing.

``refused``: the file, its words or the settings are at fault, told in one sentence. ``error``:
something else went wrong in the worker. ``crash``: the worker died. ``timeout``: it took too long
and was killed. ``memory``: it alone took more than the budget.
"""
LimitName = Literal["memory", "timeout", "stage-timeout"]
"""What a video was given of what can be given more of: the option that says how much."""
FAILURE_KINDS: tuple[FailureKind, ...] = ("refused", "error", "crash", "timeout", "memory")


@dataclass(frozen=True)
class Item:
    """One video of a batch.

    Attributes
    ----------
    video : str
        Path or URL of the media file, as it is opened.
    target : str
        What the names of its results begin with, below the result folder: a relative path with
        forward slashes and without a suffix. It names the item in the ledger; no two share one.
    transcript, diarisation : Path, optional
        Where a list names them; else those beside the video are used.
    language : str, optional
        Where a list names it.
    transcript_url, diarisation_url : str, optional
        Where a list names them by URL; workers get them as paths.
    """

    video: str
    target: str
    transcript: Path | None = None
    diarisation: Path | None = None
    language: str | None = None
    transcript_url: str | None = None
    diarisation_url: str | None = None

    def __post_init__(self) -> None:
        target = PurePosixPath(self.target)
        if target.is_absolute() or ".." in target.parts or not target.name:
            raise ValueError(f"target {self.target!r} is no relative path below the results")


@dataclass(frozen=True)
class Seen:
    """What a look at a video found, before any work on it.

    Attributes
    ----------
    identity : str or None
        Digest of everything that decides its result: bytes of the media, its transcript and
        diarisation, settings, checkpoint. None where nobody had to know yet.
    duration_s : float
    width_px, height_px : int
        Zero without pictures.
    in_cache : bool
        Whether its words and faces are in the cache, as far as can be told without reading it.
    """

    identity: str | None
    duration_s: float = 0.0
    width_px: int = 0
    height_px: int = 0
    in_cache: bool = False


@dataclass(frozen=True)
class Product:
    """What came of one video.

    Attributes
    ----------
    identity : str
        As `Seen.identity`.
    results : mapping of str to str
        Name below the result folder of each file that was written, and the digest of its bytes.
    duration_s : float
        Of the media.
    utterances : int
    warnings : tuple of str
    timings_s : mapping of str to float
        Wall seconds of each stage.
    """

    identity: str
    results: Mapping[str, str]
    duration_s: float = 0.0
    utterances: int = 0
    warnings: tuple[str, ...] = ()
    timings_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """Why an attempt came to nothing.

    Attributes
    ----------
    kind : str
    reason : str
        One sentence.
    stage : str or None
        The stage that was at work, where that is known.
    limited_by : str or None
        The limit that it came up against: another attempt may help when that is larger.
    limit : float or None
        How large it was: bytes of memory, seconds of time.
    """

    kind: FailureKind
    reason: str
    stage: str | None = None
    limited_by: LimitName | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Task:
    """An item to work on.

    Attributes
    ----------
    item : Item
    attempts : int
        How many were made before and count.
    seen : Seen
        What is known of it: its length and size decide time and memory.
    """

    item: Item
    attempts: int = 0
    seen: Seen = Seen(None)


@dataclass(frozen=True)
class Plan:
    """What a batch has to do.

    Attributes
    ----------
    done : tuple of Item
        Their results are there, and are what would come of them now.
    due : tuple of Task
    unreadable : tuple of (Item, Failure)
        Found so by looking at them now.
    failed : tuple of (Item, Failure)
        Failed before, for all attempts, and nothing about them has changed since.
    gone, back : tuple of str
        Targets that the ledger knows and that are no longer found; those that were gone, and are
        found again.
    """

    done: tuple[Item, ...] = ()
    due: tuple[Task, ...] = ()
    unreadable: tuple[tuple[Item, Failure], ...] = ()
    failed: tuple[tuple[Item, Failure], ...] = ()
    gone: tuple[str, ...] = ()
    back: tuple[str, ...] = ()

    @property
    def found(self) -> int:
        """How many videos there are."""
        return len(self.done) + len(self.due) + len(self.unreadable) + len(self.failed)

    @property
    def cached(self) -> int:
        """How many of those that are due have their words and faces in the cache."""
        return sum(task.seen.in_cache for task in self.due)


@dataclass(frozen=True)
class Request:
    """What a batch was asked for; kept in the ledger, so that it can be asked again.

    Attributes
    ----------
    given : tuple of str
        Folders, patterns, lists and files, as absolute paths.
    settings : mapping
        JSON of `affect_pipe.pipeline.settings.RunSettings`.
    explain : bool
    store : str or None
        URL or folder of the results, where that is not the result folder.
    copies : str or None
        Folder for copies of videos that are URLs, where one was named.
    copies_bytes : int or None
        What they may take.
    """

    given: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    explain: bool = False
    store: str | None = None
    copies: str | None = None
    copies_bytes: int | None = None


@dataclass(frozen=True)
class Summary:
    """What became of a batch.

    Attributes
    ----------
    plan : Plan
    done : tuple of Item
        Those of this run.
    failed : sequence of (Item, Failure)
        Unreadable ones, those that failed before and are as they were, and those of this run.
    abandoned : tuple of Item
        Still due: the run was stopped.
    peak_bytes : int
        Most memory that a worker took for a video that it did; zero where that is not measured.
    """

    plan: Plan
    done: tuple[Item, ...] = ()
    failed: Sequence[tuple[Item, Failure]] = ()
    abandoned: tuple[Item, ...] = ()
    peak_bytes: int = 0
