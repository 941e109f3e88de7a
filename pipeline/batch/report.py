"""What a ledger tells, for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from affect_pipe.pipeline.batch.display import duration
from affect_pipe.pipeline.batch.events import AttemptStarted, ItemDone, ItemFailed, Planned
from affect_pipe.pipeline.batch.ledger import History
from affect_pipe.pipeline.sizes import format_size

_SLOWEST = 5


@dataclass(frozen=True)
class Status:
    """Where a batch stands.

    Attributes
    ----------
    state : {"running", "ended", "stopped", "killed", "never run"}
    found, done, due : int
    failed : tuple of ItemFailed
        For good.
    running : tuple of AttemptStarted
    """

    state: str
    found: int
    done: int
    due: int
    failed: tuple[ItemFailed, ...]
    running: tuple[AttemptStarted, ...]


def status(history: History, *, held: bool) -> Status:
    """Return where a batch stands.

    Parameters
    ----------
    history : History
    held : bool
        Whether a batch holds the folder's lock now.
    """
    planned = history.planned
    if planned is None:
        return Status("never run", 0, 0, 0, (), ())
    accounts = history.accounts.values()
    failed = tuple(a.failed for a in accounts if a.failed is not None and a.failed.final)
    running = tuple(a.running for a in accounts if a.running is not None)
    done = planned.done + len({e.target for e in _done(history)})
    # What was added to a running batch was not planned.
    found = max(planned.found, done + len(failed) + len(running))
    due = max(0, found - done - len(failed))
    ended = history.ended
    if held:
        state = "running"
    elif ended is None:
        state = "killed"
    else:
        state = "stopped" if ended.abandoned else "ended"
    return Status(state, found, done, due, failed, running)


def status_lines(found: Status, history: History) -> Iterator[str]:
    """Yield where a batch stands, line by line."""
    yield f"{found.state}; last run {history.started}, last word {history.last}"
    if history.planned is not None:
        yield f"planned: {planned_line(history.planned)}"
    yield (f"{found.found} videos: {found.done} done, {len(found.failed)} failed, {found.due} due")
    for event in found.running:
        was = "in work" if found.state == "running" else "was in work"
        yield f"{was}: {event.video} (attempt {event.attempt}, {event.worker})"
    for failure in found.failed:
        why = f"{failure.kind}, attempt {failure.attempt}"
        yield f"failed: {failure.video} ({why}): {failure.reason}"
    if history.damaged:
        yield f"{history.damaged} lines of the ledger cannot be read; what they told is done again"


def report_lines(history: History) -> Iterator[str]:
    """Yield what all runs of a batch came to, line by line."""
    done = [a.done for a in history.accounts.values() if a.done is not None]
    media_s = sum(event.duration_s for event in done)
    work_s = sum(event.seconds for event in done)
    n_utterances = sum(event.utterances for event in done)
    yield f"{len(done)} videos done: {duration(media_s)} of media, {n_utterances} utterances"
    if not done:
        return
    if work_s > 0:
        yield f"{duration(work_s)} of workers' time: {media_s / work_s:.1f} x real time a worker"
    yield f"most memory of a worker: {format_size(max(event.peak_bytes for event in done))}"
    taken: defaultdict[str, float] = defaultdict(float)
    for event in done:
        for stage, seconds in event.timings_s.items():
            if stage != "total":
                taken[stage] += seconds
    for stage, seconds in sorted(taken.items(), key=lambda pair: -pair[1]):
        speed = f"{media_s / seconds:.1f} x real time" if seconds > 0 else "no time"
        yield f"stage {stage}: {duration(seconds)}, {speed}"
    for event in sorted(done, key=lambda e: -e.seconds)[:_SLOWEST]:
        yield f"slowest: {event.video}: {duration(event.seconds)} for {duration(event.duration_s)}"
    for event in done:
        for warning in event.warnings:
            yield f"warning: {event.video}: {warning}"


def _done(history: History) -> list[ItemDone]:
    return [line.event for line in history.lines if isinstance(line.event, ItemDone)]


def planned_line(planned: Planned) -> str:
    """Return a plan in one sentence."""
    return plan_line(
        planned.found,
        planned.done,
        planned.due,
        planned.cached,
        planned.unreadable,
        planned.failed_before,
    )


def plan_line(found: int, done: int, due: int, cached: int, unreadable: int, failed: int) -> str:
    """Return the figures of a plan in one sentence; ``cached`` of ``due`` take little time."""
    return (
        f"{found} videos found: {done} done before, {due} due ({cached} of them in the cache), "
        f"{unreadable} unreadable, {failed} failed before"
    )
