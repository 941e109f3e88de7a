"""What a ledger tells, for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from affect_pipe.pipeline.batch.display import duration
from affect_pipe.pipeline.batch.events import AttemptStarted, ItemDone, ItemFailed, Planned
from affect_pipe.pipeline.batch.ledger import History
from affect_pipe.pipeline.sizes import format_size

_SLOWEST = 5
# Videos that are named for a warning of many.
_NAMED = 3


@dataclass(frozen=True)
class Status:
    """Where a batch stands.

    Attributes
    ----------
    state : {"running", "ended", "stopped", "broken off", "killed", "never run"}
    found, done, due : int
    failed : tuple of ItemFailed
        For good, of videos that the last plan found.
    running : tuple of AttemptStarted
    gone : int
        How many videos the ledger knows that the last plan did not find.
    """

    state: str
    found: int
    done: int
    due: int
    failed: tuple[ItemFailed, ...]
    running: tuple[AttemptStarted, ...]
    gone: int = 0


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
    accounts = [account for account in history.accounts.values() if not account.gone]
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
    elif ended.error is not None:
        state = "broken off"
    else:
        state = "stopped" if ended.abandoned else "ended"
    gone = len(history.accounts) - len(accounts)
    return Status(state, found, done, due, failed, running, gone)


def status_lines(found: Status, history: History) -> Iterator[str]:
    """Yield where a batch stands, line by line."""
    yield f"{found.state}; last run {history.started}, last word {history.last}"
    if found.state == "broken off" and history.ended is not None:
        yield f"broken off: {history.ended.error}"
    elif found.state == "killed":
        yield "no end was told: it was killed, or the ledger's disk was full"
    if history.planned is not None:
        yield f"planned: {planned_line(history.planned)}"
    counts = f"{found.done} done, {len(found.failed)} failed, {found.due} due"
    # Not counted with the others, and not failed ones.
    gone = f"; {found.gone} no longer there" if found.gone else ""
    yield f"{found.found} videos: {counts}{gone}"
    for event in found.running:
        was = "in work" if found.state == "running" else "was in work"
        yield f"{was}: {event.video} (attempt {event.attempt}, {event.worker})"
    for failure in found.failed:
        why = f"{failure.kind}, attempt {failure.attempt}"
        yield f"failed ({why}): {reason_of(failure.video, failure.reason)}"
    if history.damaged:
        yield f"{history.damaged} lines of the ledger cannot be read; what they told is done again"


def reason_of(video: str, reason: str) -> str:
    """Return a sentence that names the video, once."""
    return reason if video in reason else f"{video}: {reason}"


def report_lines(history: History) -> Iterator[str]:
    """Yield what all runs of a batch came to, line by line."""
    there = [account for account in history.accounts.values() if not account.gone]
    done = [account.done for account in there if account.done is not None]
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
    yield from _warning_lines(done)


def _warning_lines(done: Sequence[ItemDone]) -> Iterator[str]:
    """Yield each warning once, that of the most videos first."""
    videos: defaultdict[str, list[str]] = defaultdict(list)
    for event in done:
        for warning in dict.fromkeys(event.warnings):
            videos[warning].append(event.video)
    for warning, of in sorted(videos.items(), key=lambda pair: -len(pair[1])):
        named = ", ".join(of[:_NAMED]) + (", ..." if len(of) > _NAMED else "")
        yield f"warning of {len(of)} video{'s' * (len(of) > 1)}: {warning} ({named})"


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
