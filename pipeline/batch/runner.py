"""A batch from its plan to its end: what is due goes to an engine, what happens to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from affect_pipe.pipeline.batch.engine import (
    Abandoned,
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
"""Makes the work that looks at videos; it is told the identities that the ledger knows by target,
and need not probe a video that still has its one."""


def known_identities(history: History) -> dict[str, str]:
    """Return the identities to compare with: of what was done, or has failed for good."""
    known = {}
    for target, account in history.accounts.items():
        last = account.failed if account.failed and account.failed.final else account.done
        if last is not None and last.identity is not None:
            known[target] = last.identity
    return known


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

    engine.run(look(known_identities(history)), [Task(item) for item in items], take, stop)
    done: list[Item] = []
    due: list[Task] = []
    failed: list[tuple[Item, Failure]] = []
    unreadable = [(item, refused[item.target]) for item in items if item.target in refused]
    for item in items:
        if item.target not in seen:
            continue
        account = history.accounts.get(item.target, Account())
        found = seen[item.target]
        before = account.failed
        if before is not None and _stands(before, found) and not retry:
            failed.append((item, Failure(before.kind, before.reason, before.stage)))
        elif before is None and _is_done(account, found, store):
            done.append(item)
        else:
            due.append(Task(item, account.attempts, found))
    return Plan(tuple(done), tuple(due), tuple(unreadable), tuple(failed))


def _stands(before: ItemFailed, seen: Seen) -> bool:
    """Whether a failure was for good, and of what would be done now."""
    return before.final and before.identity is not None and before.identity == seen.identity


def _is_done(account: Account, seen: Seen, store: Store) -> bool:
    """Whether the ledger says so of what would be done now, and the very files are there."""
    last = account.done
    return (
        last is not None
        and last.identity == seen.identity
        and bool(last.results)
        and all(store.digest(name) == digest for name, digest in last.results.items())
    )


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
        return Summary(plan, tuple(self.done), failed, left)
