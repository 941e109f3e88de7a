"""The queue of one server: uploads come in, a batch that never ends works on them, pages hear.

The disk is the truth (`jobs`, and the ledger of the batch); what is kept here is read from it at
the start, so that a server that was stopped or killed goes on where it was.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from affect_pipe.batch import Batch
from affect_pipe.pipeline.batch.events import (
    AttemptStarted,
    BatchEvent,
    ItemAbandoned,
    ItemDone,
    ItemFailed,
    Overall,
    StageStep,
    to_line,
)
from affect_pipe.pipeline.batch.ledger import Account
from affect_pipe.pipeline.batch.records import Item, Task
from affect_pipe.pipeline.errors import AffectPipeError
from affect_pipe.serving.channel import Channel
from affect_pipe.serving.forgetting import Forgetting
from affect_pipe.serving.jobs import Job, JobFolder
from affect_pipe.serving.reports import ReportMaker
from affect_pipe.serving.states import State, last_word

# A page need not be told of every frame.
_STEP_S = 0.2
_GOODBYE_S = 30.0
# After the workers failed as a whole; an upload does not wait for it.
_AGAIN_S = 60.0
AboutOne = AttemptStarted | StageStep | ItemDone | ItemFailed | ItemAbandoned
_CHANGES = (AttemptStarted, ItemDone, ItemFailed, ItemAbandoned)
_ENDS = (ItemDone, ItemFailed, ItemAbandoned)


class Queue:
    """Jobs and where they stand; the `pipeline.batch.engine.Feed` of the batch.

    Use in a ``with`` block: its end abandons what runs, which is due again at the next start.

    Parameters
    ----------
    folder : JobFolder
    batch : Batch
        Writes to ``folder.results``.
    channel : Channel
        Hears of everything.
    reports : ReportMaker
    cache : str or Path
        Where the batch keeps what stages computed; what is deleted is removed there too.
    """

    def __init__(
        self,
        folder: JobFolder,
        batch: Batch,
        channel: Channel,
        reports: ReportMaker,
        cache: str | Path,
    ) -> None:
        self._folder, self._batch, self._channel = folder, batch, channel
        self._reports, self._forgetting = reports, Forgetting(folder, cache)
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._states: dict[str, State] = {}
        self._gone: dict[str, Job] = {}
        self._arrived: list[Task] = []
        self._told_s: dict[str, float] = {}
        self._trouble = ""
        self.stop = threading.Event()
        self._wake = threading.Event()
        self._worker = threading.Thread(target=self._work, name="batch", daemon=True)
        self._chores = ThreadPoolExecutor(1, "chores")
        # One: it must not take the machine from the analysis.
        self._reporters = ThreadPoolExecutor(1, "reports")

    def __enter__(self) -> Queue:
        """Read what there is from the disk, and begin."""
        accounts = self._batch.history().accounts
        for job in self._folder.jobs():
            account = accounts.get(job.target, Account())
            last = last_word(account, whole=self._has_results(account))
            self._jobs[job.id] = job
            self._states[job.id] = State() if last is None else State().after(self._plain(last))
        for job_id, state in list(self._states.items()):
            if state.phase == "done":
                self._report(self._jobs[job_id])
        for job in list(self._folder.discarded()):
            self._chore(job, self._folder.discard(job))
        self._worker.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop; nothing is left running."""
        self.stop.set()
        self._wake.set()
        self._reporters.shutdown(cancel_futures=True)
        self._chores.shutdown(cancel_futures=True)
        self._worker.join(_GOODBYE_S)

    def _has_results(self, account: Account) -> bool:
        done = account.done
        return done is not None and all(
            (self._folder.results / name).is_file() for name in done.results
        )

    # What pages ask for.

    def all(self) -> list[tuple[Job, State]]:
        """Return every job and where it stands, the newest first."""
        with self._lock:
            return [(job, self._states[job.id]) for job in reversed(self._jobs.values())]

    def get(self, job_id: str) -> tuple[Job, State] | None:
        """Return a job and where it stands, if there is one of that id."""
        with self._lock:
            job = self._jobs.get(job_id)
            return None if job is None else (job, self._states[job_id])

    @property
    def trouble(self) -> str:
        """Why nothing is worked on, where that is so."""
        return self._trouble

    def add(self, job: Job) -> None:
        """Queue a job whose folder is complete."""
        with self._lock:
            self._jobs[job.id] = job
            self._states[job.id] = State()
            self._arrived.append(self._folder.task(job))
        self._wake.set()
        self._changed(job.id, "added", f"{job.title}: waiting")

    def retry(self, job_id: str) -> bool:
        """Queue a job once more that has failed; say whether there was one."""
        with self._lock:
            state = self._states.get(job_id)
            if state is None or state.phase != "failed":
                return False
            job = self._jobs[job_id]
            self._states[job_id] = State()
            self._arrived.append(self._folder.task(job))
        self._wake.set()
        self._changed(job_id, "changed", f"{job.title}: waiting")
        return True

    def delete(self, job_id: str) -> bool:
        """Remove a job and all that came of it; say whether there was one."""
        with self._lock:
            job = self._jobs.pop(job_id, None)
            if job is None:
                return False
            self._states.pop(job_id)
            self._gone[job_id] = job
        self._chore(job, self._folder.discard(job))
        self._changed(job_id, "removed", f"{job.title}: deleted")
        return True

    def _chore(self, job: Job, video: Path) -> None:
        """Have what there is of a discarded job removed."""
        with suppress(RuntimeError):  # it has been shut down; the next start tidies up
            self._chores.submit(self._forget, job, video)

    def _forget(self, job: Job, video: Path) -> None:
        with self._lock:
            others = list(self._jobs.values())
        self._forgetting(job, video, others)

    # What the engine asks for, in the thread that works.

    def take(self) -> Sequence[Task]:
        """Return what has come; see `pipeline.batch.engine.Feed`."""
        with self._lock:
            arrived, self._arrived = self._arrived, []
        return arrived

    def is_open(self) -> bool:
        """Return whether more may come."""
        return not self.stop.is_set()

    def is_wanted(self, item: Item) -> bool:
        """Return whether a job has not been deleted."""
        with self._lock:
            return _id_of(item.target) in self._jobs

    def _work(self) -> None:
        while not self.stop.is_set():
            self._refill()
            try:
                run = secrets.token_hex(8)
                hear = partial(self._hear, run=run)
                replace(self._batch, run_id=run).run_fed(self, self.stop, hear)
            except AffectPipeError as error:
                self._fell_over(str(error))
            except Exception as error:
                self._fell_over(f"unexpected {type(error).__name__}: {error}")

    def _refill(self) -> None:
        """Queue all that is not over yet: at the start, and after the workers failed as a whole."""
        with self._lock:
            due = [job for job in self._jobs.values() if self._is_due(job)]
            self._states |= {job.id: State() for job in due}
            self._arrived = [self._folder.task(job) for job in due]

    def _is_due(self, job: Job) -> bool:
        return self._states[job.id].phase in ("waiting", "running")

    def _fell_over(self, reason: str) -> None:
        reason = self._without_places(reason, "")
        self._trouble = f"Nothing is worked on: {reason} It will be tried again."
        self._changed("", "all", self._trouble)
        self._wake.clear()
        self._wake.wait(_AGAIN_S)
        self._trouble = ""
        self._changed("", "all", "")

    def _hear(self, event: BatchEvent, run: str) -> None:
        if isinstance(event, Overall):
            self._channel.publish(to_line(event, run))
        if not isinstance(event, AboutOne):
            return  # plans tell of folders of this machine
        event, job_id = self._plain(event), _id_of(event.target)
        with self._lock:
            job = self._jobs.get(job_id)
            gone = self._gone.get(job_id)
            if job is not None:
                self._states[job_id] = state = self._states[job_id].after(event)
        if job is None:
            if gone is not None and isinstance(event, _ENDS):
                # It may have been written to until now.
                self._chore(gone, self._folder.discard(gone))
            return
        if self._is_worth_telling(event):
            self._channel.publish(to_line(event, run))
        if isinstance(event, _CHANGES):
            self._told_s.clear()
            self._changed(job_id, "changed", f"{job.title}: {_said(state)}")
        if isinstance(event, ItemDone):
            self._report(job)

    def _plain(self, event: AboutOne) -> AboutOne:
        """Return an event without where things lie on this machine, which is no page's business."""
        video = Path(event.video).name
        if isinstance(event, ItemFailed):
            reason = self._without_places(event.reason, event.target)
            return replace(event, video=video, reason=reason)
        if isinstance(event, ItemDone):
            plain = (self._without_places(one, event.target) for one in event.warnings)
            return replace(event, video=video, warnings=tuple(plain))
        return replace(event, video=video)

    def _without_places(self, text: str, target: str) -> str:
        for folder in self._folder.places(_id_of(target)):
            text = text.replace(f"{folder}{os.sep}", "").replace(str(folder), "the server's folder")
        return text

    def _is_worth_telling(self, event: BatchEvent) -> bool:
        if not isinstance(event, StageStep) or event.state != "progress":
            return True
        key, now = f"{event.target} {event.stage}", time.monotonic()
        if now - self._told_s.get(key, 0.0) < _STEP_S:
            return False
        self._told_s[key] = now
        return True

    # Reports.

    def _report(self, job: Job) -> None:
        """Have the report of a job made that is done."""
        path = self._reports.path(self._folder, job)
        if path.is_file():
            self._reported(job, "")
            return
        with self._lock:
            self._states[job.id] = replace(self._states[job.id], report="making")
        with suppress(RuntimeError):  # as above
            self._reporters.submit(self._make_report, job)

    def _make_report(self, job: Job) -> None:
        if self.get(job.id) is None or self.stop.is_set():
            return
        trouble = self._reports.make(self._folder, job, self.stop)
        if self.get(job.id) is None:
            self._chore(job, self._folder.discard(job))
        elif not self.stop.is_set():
            self._reported(job, self._without_places(trouble, job.target))

    def _reported(self, job: Job, trouble: str) -> None:
        with self._lock:
            state = self._states.get(job.id)
            if state is None or state.phase != "done":
                return
            self._states[job.id] = state = replace(
                state, report="failed" if trouble else "ready", trouble=trouble
            )
        self._changed(job.id, "changed", f"{job.title}: {_said(state)}")

    def _changed(self, job_id: str, change: str, said: str) -> None:
        told = {"id": job_id, "change": change, "said": said}
        self._channel.publish(json.dumps(told), "change")


def _id_of(target: str) -> str:
    return target.partition("/")[0]


def _said(state: State) -> str:
    """Return a state in words, for those who hear the page."""
    if state.phase == "failed":
        return f"failed: {state.reason}"
    if state.phase == "done" and state.report == "ready":
        return "the report is ready"
    return {"waiting": "waiting", "running": "being analysed", "done": "analysed"}[state.phase]
