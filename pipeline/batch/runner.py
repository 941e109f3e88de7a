"""A batch from its plan to its end: what is due goes to an engine, what happens to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from affect_pipe.pipeline.batch.engine import (
    Abandoned,
    Added,
    Began,
    Engine,
    EngineEvent,
    Failed,
    Identified,
    Step,
    Stop,
    Succeeded,
    Work,
)
from affect_pipe.pipeline.batch.events import (
    AttemptStarted,
    BatchEvent,
    Ended,
    ItemAbandoned,
    ItemDone,
    ItemFailed,
    Listener,
    Planned,
    StageStep,
)
from affect_pipe.pipeline.batch.ledger import Account, History, Ledger
from affect_pipe.pipeline.batch.records import (
    Failure,
    Item,
    LimitName,
    Plan,
    Product,
    Request,
    Seen,
    Summary,
    Task,
)
from affect_pipe.pipeline.batch.store import Store
from affect_pipe.pipeline.batch.tally import Tally
from affect_pipe.pipeline.errors import ResultError

Look = Callable[[Mapping[str, str]], Work[Seen]]
"""Makes the work that looks at videos; it is told the identities of those that are not due, by
target, and need not probe a video that still has its one."""


def make_plan(
    items: Sequence[Item],
    history: History,
    look: Look,
    engine: Engine,
    store: Store,
    stop: Stop,
    *,
    retry: bool = False,
    limits: Mapping[LimitName, float] | None = None,
    refused: Mapping[str, Failure] | None = None,
) -> Plan:
    """Look at every video, in workers that may die of it, and say what there is to do.

    Parameters
    ----------
    retry : bool
        Whether what failed for good is due again.
    limits : mapping of name to float, optional
        What a video may take now (`engine.Engine.limits`): what failed for less is due again.
    refused : mapping of target to Failure, optional
        Those that need no look.
    """
    seen: dict[str, Seen] = {}
    refused = dict(refused or {})

    def take(event: EngineEvent[Seen]) -> None:
        if isinstance(event, Succeeded):
            seen[event.item.target] = event.value
        elif isinstance(event, Failed) and event.final:
            refused[event.item.target] = event.failure

    def again(failed: ItemFailed) -> bool:
        return retry or not failed.final or _has_more(failed, limits or {})

    accounts = {item.target: history.accounts.get(item.target, Account()) for item in items}
    settled = {t: i for t, a in accounts.items() if (i := _settled(a, store, again)) is not None}
    tasks = [Task(item) for item in items if item.target not in refused]
    engine.run(look(settled), tasks, take, stop)
    done: list[Item] = []
    due: list[Task] = []
    failed: list[tuple[Item, Failure]] = []
    unreadable = [(item, refused[item.target]) for item in items if item.target in refused]
    for item in items:
        if item.target not in seen:
            continue
        account, found = accounts[item.target], seen[item.target]
        before = account.failed
        if found.identity is None or found.identity != settled.get(item.target):
            due.append(Task(item, account.attempts, found))
        elif before is not None:
            failed.append((item, _as_failure(before)))
        else:
            done.append(item)
    gone = (t for t, account in history.accounts.items() if t not in accounts and not account.gone)
    back = (target for target, account in accounts.items() if account.gone)
    return Plan(tuple(done), tuple(due), tuple(unreadable), tuple(failed), tuple(gone), tuple(back))


def _as_failure(event: ItemFailed) -> Failure:
    return Failure(event.kind, event.reason, event.stage, event.limited_by, event.limit)


def _has_more(failed: ItemFailed, limits: Mapping[LimitName, float]) -> bool:
    """Whether a video is now given more of what it had too little of."""
    if failed.limited_by is None or failed.limit is None:
        return False
    return limits.get(failed.limited_by, 0.0) > failed.limit


def _settled(account: Account, store: Store, again: Callable[[ItemFailed], bool]) -> str | None:
    """Return the identity with which an item need not be worked on; None where it must be.

    That is where it has failed for good, or was done and the very files are there.
    """
    before, last = account.failed, account.done
    if before is not None:
        return None if again(before) else before.identity
    if last is None or not last.results:
        return None
    there = all(store.digest(name) == digest for name, digest in last.results.items())
    return last.identity if there else None


def run_plan(
    plan: Plan,
    request: Request,
    history: History,
    work: Work[Product],
    engine: Engine,
    ledger: Ledger,
    listener: Listener,
    stop: Stop,
) -> Summary:
    """Do what is due.

    Every event is in the ledger before the listener hears of it.

    Raises
    ------
    AffectPipeError
        If workers cannot work at all, or the ledger cannot be written.
    """
    book = _Book(ledger, listener, Tally(plan.due))
    book.tell(
        Planned(
            found=plan.found,
            done=len(plan.done),
            due=len(plan.due),
            unreadable=len(plan.unreadable),
            failed_before=len(plan.failed),
            engine=engine.name,
            workers=engine.workers,
            due_s=round(sum(task.seen.duration_s for task in plan.due), 3),
            given=request.given,
            settings=request.settings,
            explain=request.explain,
            store=request.store,
            copies=request.copies,
            copies_bytes=request.copies_bytes,
            cached=plan.cached,
            gone=plan.gone,
            back=plan.back,
        )
    )
    try:
        for item, failure in plan.unreadable:
            book.unreadable(item, failure, history.accounts.get(item.target, Account()))
        book.overall()
        engine.run(work, plan.due, book.take, stop)
    except BaseException as error:
        book.broken_off(plan, error)
        raise
    return book.summary(plan)


@dataclass
class _Book:
    """Turns what an engine tells into events, and counts."""

    ledger: Ledger
    listener: Listener
    tally: Tally
    identities: dict[str, str] = field(default_factory=dict)
    computed: dict[str, dict[str, float]] = field(default_factory=dict)
    done: list[Item] = field(default_factory=list)
    failed: list[tuple[Item, Failure]] = field(default_factory=list)
    peak_bytes: int = 0

    def tell(self, event: BatchEvent) -> None:
        self.ledger.write(event)
        self.listener(event)

    def unreadable(self, item: Item, failure: Failure, account: Account) -> None:
        self.failed.append((item, failure))
        before = account.failed
        event = ItemFailed(
            item.video, item.target, 1, failure.kind, failure.reason, True, failure.stage
        )
        # What the ledger says already, each run need not say again.
        if before is None or not before.final or before.reason != failure.reason:
            self.ledger.write(event)
        self.listener(event)

    def take(self, event: EngineEvent[Product]) -> None:
        item = event.item
        if isinstance(event, Step):
            self._step(item, event)
        elif isinstance(event, Added):
            self.tally.added(event.task)
            self.overall()
        elif isinstance(event, Began):
            self.identities.pop(item.target, None)
            self.computed.pop(item.target, None)
            self.tell(AttemptStarted(item.video, item.target, event.attempt, event.worker))
        elif isinstance(event, Abandoned):
            self.tell(ItemAbandoned(item.video, item.target, event.attempt, event.reason))
        elif isinstance(event, Failed):
            self._failed(item, event)
        else:
            self._done(item, event)

    def _step(self, item: Item, event: Step) -> None:
        told = event.told
        if isinstance(told, Identified):
            self.identities[item.target] = told.identity
            return
        if told.state == "computed":
            # The worker that ends an attempt only knows what it computed itself.
            self.computed.setdefault(item.target, {})[told.stage] = told.seconds
        self.listener(
            StageStep(
                item.video,
                item.target,
                told.stage,
                told.state,
                told.fraction,
                told.seconds,
                event.worker,
            )
        )

    def _failed(self, item: Item, event: Failed) -> None:
        failure = event.failure
        if event.final:
            self.failed.append((item, failure))
            self.tally.failed(item.target)
        self.tell(
            ItemFailed(
                item.video,
                item.target,
                event.attempt,
                failure.kind,
                failure.reason,
                event.final,
                failure.stage,
                self.identities.get(item.target),
                round(event.seconds, 3),
                event.peak_bytes,
                failure.limited_by,
                failure.limit,
            )
        )
        self.overall()

    def _done(self, item: Item, event: Succeeded[Product]) -> None:
        timings_s = {**event.value.timings_s, **self.computed.pop(item.target, {})}
        product = replace(event.value, timings_s=timings_s)
        self.done.append(item)
        self.tally.finished(item.target, product)
        self.peak_bytes = max(self.peak_bytes, event.peak_bytes)
        self.tell(
            ItemDone(
                item.video,
                item.target,
                event.attempt,
                product.identity,
                product.results,
                round(event.seconds, 3),
                round(product.duration_s, 3),
                product.utterances,
                product.warnings,
                {stage: round(s, 3) for stage, s in product.timings_s.items()},
                event.peak_bytes,
            )
        )
        self.overall()

    def overall(self) -> None:
        """Tell how far the whole is; the ledger need not know."""
        self.listener(self.tally.overall())

    def summary(self, plan: Plan) -> Summary:
        summary = self._summed(plan)
        self.tell(self._ended(summary))
        return summary

    def broken_off(self, plan: Plan, error: BaseException) -> None:
        """Tell the ledger, if it can still be told, that a run ends before its work is done."""
        why = None if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
        with suppress(ResultError):
            self.ledger.write(replace(self._ended(self._summed(plan)), error=why))

    def _ended(self, summary: Summary) -> Ended:
        n = len(summary.done), len(summary.failed), len(summary.abandoned)
        return Ended(*n, round(self.tally.seconds(), 3), self.peak_bytes)

    def _summed(self, plan: Plan) -> Summary:
        ended = {item.target for item in self.done} | {item.target for item, _ in self.failed}
        left = tuple(task.item for task in plan.due if task.item.target not in ended)
        failed = (*plan.failed, *self.failed)
        return Summary(plan, tuple(self.done), failed, left, self.peak_bytes)
