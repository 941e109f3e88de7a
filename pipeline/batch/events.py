"""What a batch tells while it works, and what its ledger keeps.

Each event is a JSON object of the published shape (``affect-pipe-batch-1.schema.json``): the same
in the ledger, on ``--progress json``, and, as these records, to a Python callback.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from importlib import resources
from typing import Any, ClassVar, Literal

from affect_pipe.pipeline.batch.records import FailureKind, LimitName

SCHEMA = "affect-pipe-batch/1"
State = Literal["started", "progress", "computed", "cached", "failed"]


@dataclass(frozen=True)
class BatchEvent:
    """Base of all events.

    Attributes
    ----------
    name : str
        What the JSON calls the event.
    kept : bool
        Whether the ledger keeps it.
    """

    name: ClassVar[str]
    kept: ClassVar[bool] = True


@dataclass(frozen=True)
class Planned(BatchEvent):
    """A run begins: what was asked, and what there is to do; ``cached`` of ``due`` take little.

    ``gone`` are targets that are no longer found, ``back`` those that are found again; each is told
    once.
    """

    name: ClassVar[str] = "planned"
    found: int
    done: int
    due: int
    unreadable: int
    failed_before: int
    engine: str
    workers: int
    due_s: float = 0.0
    given: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    explain: bool = False
    store: str | None = None
    copies: str | None = None
    copies_bytes: int | None = None
    cached: int = 0
    gone: tuple[str, ...] = ()
    back: tuple[str, ...] = ()


@dataclass(frozen=True)
class AttemptStarted(BatchEvent):
    """A worker takes a video."""

    name: ClassVar[str] = "started"
    video: str
    target: str
    attempt: int
    worker: str = ""


@dataclass(frozen=True)
class StageStep(BatchEvent):
    """One step of one stage of one video."""

    name: ClassVar[str] = "stage"
    kept: ClassVar[bool] = False
    video: str
    target: str
    stage: str
    state: State
    fraction: float = 0.0
    seconds: float = 0.0
    worker: str = ""


@dataclass(frozen=True)
class ItemDone(BatchEvent):
    """The results of a video are written."""

    name: ClassVar[str] = "done"
    video: str
    target: str
    attempt: int
    identity: str
    results: Mapping[str, str]
    seconds: float
    duration_s: float
    utterances: int
    warnings: tuple[str, ...] = ()
    timings_s: Mapping[str, float] = field(default_factory=dict)
    peak_bytes: int = 0


@dataclass(frozen=True)
class ItemFailed(BatchEvent):
    """An attempt came to nothing; ``final`` when there will be no other.

    ``limit`` is how large the limit ``limited_by`` was, where that was the cause.
    """

    name: ClassVar[str] = "failed"
    video: str
    target: str
    attempt: int
    kind: FailureKind
    reason: str
    final: bool
    stage: str | None = None
    identity: str | None = None
    seconds: float = 0.0
    peak_bytes: int = 0
    limited_by: LimitName | None = None
    limit: float | None = None


@dataclass(frozen=True)
class ItemAbandoned(BatchEvent):
    """An attempt was broken off through no fault of its own: it is due, and it does not count."""

    name: ClassVar[str] = "abandoned"
    video: str
    target: str
    attempt: int
    reason: str


@dataclass(frozen=True)
class Overall(BatchEvent):
    """How far the whole is, after each video; ``media_s`` is the length of what is done."""

    name: ClassVar[str] = "progress"
    kept: ClassVar[bool] = False
    due: int
    done: int
    failed: int
    seconds: float
    media_s: float
    remaining_s: float | None = None
    speed: float | None = None
    stage_speeds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended(BatchEvent):
    """A run ends; where there is none, it was killed. ``error`` is what ended it early."""

    name: ClassVar[str] = "ended"
    done: int
    failed: int
    abandoned: int
    seconds: float
    peak_bytes: int = 0
    error: str | None = None


Listener = Callable[[BatchEvent], None]
KINDS: Mapping[str, type[BatchEvent]] = {
    kind.name: kind
    for kind in (
        Planned,
        AttemptStarted,
        StageStep,
        ItemDone,
        ItemFailed,
        ItemAbandoned,
        Overall,
        Ended,
    )
}


def ignore(event: BatchEvent) -> None:
    """Listen to nothing."""


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of one line."""
    file = resources.files("affect_pipe.pipeline.batch") / "affect-pipe-batch-1.schema.json"
    published: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return published


def to_line(event: BatchEvent, run: str) -> str:
    """Return an event as one line of JSON, in ASCII, without its end.

    Parameters
    ----------
    event : BatchEvent
    run : str
        Which run it belongs to.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    content = {f.name: getattr(event, f.name) for f in fields(event)}
    return json.dumps(
        {"schema": SCHEMA, "event": event.name, "time": now, "run": run, **content},
        allow_nan=False,
    )


@dataclass(frozen=True)
class Line:
    """One line that was read back."""

    event: BatchEvent
    time: str
    run: str


def from_line(text: str | bytes) -> Line:
    """Read one line back. Fields that are not known here are left out, as of a later version.

    Raises
    ------
    ValueError
        If it is not a whole line of a ledger.
    """
    value = json.loads(text)
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise ValueError("not a line of a batch")
    kind = KINDS.get(value.get("event", ""))
    if kind is None:
        raise ValueError("an event that is not known")
    known = {f.name for f in fields(kind)}
    content = {
        name: tuple(part) if isinstance(part, list) else part
        for name, part in value.items()
        if name in known
    }
    try:
        return Line(kind(**content), str(value["time"]), str(value["run"]))
    except (TypeError, KeyError) as error:
        raise ValueError(f"a {kind.name} event that lacks a field") from error
