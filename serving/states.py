"""Where each job stands, as the events of the batch tell it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from affect_pipe.pipeline.batch.events import (
    AttemptStarted,
    BatchEvent,
    ItemAbandoned,
    ItemDone,
    ItemFailed,
    StageStep,
)
from affect_pipe.pipeline.batch.ledger import Account

Report = Literal["none", "making", "ready", "failed"]


@dataclass(frozen=True)
class State:
    """Where one job stands.

    Attributes
    ----------
    phase : {"waiting", "running", "done", "failed"}
    stage : str
        What is at work; several may be, this one was told of last.
    fraction : float
        How far that stage is, in [0, 1].
    finished : tuple of str
        Stages that are over.
    reason : str
        Why the last attempt came to nothing.
    done : ItemDone or None
        What came of it.
    report : {"none", "making", "ready", "failed"}
    trouble : str
        Why there is no report.
    """

    phase: Literal["waiting", "running", "done", "failed"] = "waiting"
    stage: str = ""
    fraction: float = 0.0
    finished: tuple[str, ...] = ()
    reason: str = ""
    done: ItemDone | None = None
    report: Report = "none"
    trouble: str = ""

    def after(self, event: BatchEvent) -> State:
        """Return where the job stands after an event that is about it."""
        if isinstance(event, AttemptStarted):
            return State("running", reason=self.reason)
        if isinstance(event, StageStep):
            return self._stepped(event)
        if isinstance(event, ItemDone):
            return State("done", done=event)
        if isinstance(event, ItemFailed):
            return State("failed" if event.final else "waiting", reason=event.reason)
        if isinstance(event, ItemAbandoned):
            return State("waiting")
        return self

    def _stepped(self, event: StageStep) -> State:
        if event.state in ("computed", "cached"):
            return replace(self, finished=(*self.finished, event.stage))
        if event.state == "failed":
            return self
        return replace(self, stage=event.stage, fraction=min(1.0, max(0.0, event.fraction)))


def last_word(account: Account, *, whole: bool) -> ItemDone | ItemFailed | None:
    """Return the event that says by the ledger alone where a job stands; None if it is due.

    Parameters
    ----------
    account : Account
    whole : bool
        Whether the files that the ledger tells of are there.
    """
    if account.failed is not None:
        return account.failed
    return account.done if whole else None
