"""A batch from its plan to its end: what is due goes to an engine, what happens to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    Plan,
    Product,
    Request,
    Seen,
    Summary,
    Task,
)
from affect_pipe.pipeline.batch.store import Store
from affect_pipe.pipeline.batch.tally import Tally

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
) -> Plan:
    """Look at every video, in workers that may die of it, and say what there is to do.

    Parameters
    ----------
    retry : bool
        Whether what failed for good is due again.
    """
    seen: dict[str, Seen] = {}
    refused: dict[str, Failure] = {}

    def take(event: EngineEvent[Seen]) -> None:
        if isinstance(event, Succeeded):
            seen[event.item.target] = event.value
        elif isinstance(event, Failed) and event.final:
            refused[event.item.target] = event.failure

    accounts = {item.target: history.accounts.get(item.target, Account()) for item in items}
    settled = {t: i for t, a in accounts.items() if (i := _settled(a, store, retry)) is not None}
    engine.run(look(settled), [Task(item) for item in items], take, stop)
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
            failed.append((item, Failure(before.kind, before.reason, before.stage)))
        else:
            done.append(item)
    return Plan(tuple(done), tuple(due), tuple(unreadable), tuple(failed))


def _settled(account: Account, store: Store, retry: bool) -> str | None:
    """Return the identity with which an item need not be worked on; None where it must be.

    That is where it has failed for good, or was done and the very files are there.
    """
    before, last = account.failed, account.done
    if before is not None:
        return before.identity if before.final and not retry else None
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
        )
    )
    for item, failure in plan.unreadable:
        book.unreadable(item, failure, history.accounts.get(item.target, Account()))
    book.overall()
    engine.run(work, plan.due, book.take, stop)
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
        ended = {item.target for item in self.done} | {item.target for item, _ in self.failed}
        left = tuple(task.item for task in plan.due if task.item.target not in ended)
        failed = (*plan.failed, *self.failed)
        seconds = round(self.tally.seconds(), 3)
        self.tell(Ended(len(self.done), len(failed), len(left), seconds, self.peak_bytes))
        return Summary(plan, tuple(self.done), failed, left, self.peak_bytes)
