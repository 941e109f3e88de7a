"""``affect-pipe batch``."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affect_pipe.commands.cluster import add_cluster_options, copies_of, engine_of, store_of
from affect_pipe.commands.common import (
    FAILED,
    OK,
    STOPPED,
    Verbs,
    hush_back_ends,
    result_folder,
    tell,
)
from affect_pipe.commands.words import add_word_options, word_flags
from affect_pipe.pipeline.results.standard_output import standard_output

if TYPE_CHECKING:
    from affect_pipe.batch import Batch
    from affect_pipe.pipeline.batch.events import BatchEvent, Listener
    from affect_pipe.pipeline.batch.records import Plan, Summary

_ON_LEDGERS = ("status", "retry", "report")
_DESCRIPTION = """Analyse any number of videos, in several processes. What is done is not done
again; what crashes or hangs is told and does not stop the others. DIR is searched with its
sub-folders; a quoted pattern may hold **; LIST.txt has a path a line; a CSV has a column video
and, if need be, transcript, diarisation, language. Or: batch status|retry|report RESULTS, of a
result folder: where it stands, failed videos once more, what it came to."""


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    batch = verbs.add_parser(
        "batch", parents=[common], help="analyse thousands of videos", description=_DESCRIPTION
    )
    batch.add_argument("given", nargs="+", metavar="DIR|GLOB|LIST.txt|CSV", help="what to analyse")
    batch.add_argument(
        "--out",
        type=result_folder,
        default=Path("affect-results"),
        metavar="DIR",
        help="result folder",
    )
    batch.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="where workers run (local)"
    )
    add_cluster_options(batch)
    batch.add_argument(
        "--workers", default="auto", metavar="N", help="processes (auto: one a core)"
    )
    batch.add_argument("--dry-run", action="store_true", help="print the plan and do nothing")
    batch.add_argument(
        "--memory", metavar="SIZE", help="budget of all workers (ray: of each), as 8GB"
    )
    batch.add_argument("--timeout", type=float, metavar="S", help="longest a video may take")
    batch.add_argument(
        "--stage-timeout",
        type=float,
        metavar="S",
        help="longest a stage may take (ten minutes and 30 times the length of the video)",
    )
    batch.add_argument(
        "--retries", type=int, default=2, metavar="N", help="attempts after the first (2)"
    )
    batch.add_argument(
        "--threads", type=int, default=1, metavar="N", help="threads of each worker (1)"
    )
    batch.add_argument(
        "--progress",
        default="bar",
        metavar="bar|json[:FILE]|none",
        help="a bar, or an event a line on standard error or in a file",
    )
    batch.add_argument(
        "--model", metavar="NAME|DIR", help="checkpoint: a shipped name or a folder (starter)"
    )
    add_word_options(batch)
    batch.add_argument(
        "--explain",
        action="store_true",
        help="add each modality's contribution, and write <video>.attention.npz and .png",
    )
    batch.add_argument(
        "--report",
        action="store_true",
        help="then make a page of each video, and an index (affect-pipe report DIR)",
    )
    batch.add_argument(
        "--config", type=Path, metavar="TOML", help="settings file; flags win over it"
    )
    batch.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    batch.set_defaults(handler=_batch)


def _batch(arguments: argparse.Namespace) -> int:
    hush_back_ends()
    first, *rest = arguments.given
    if first in _ON_LEDGERS:
        return _on_ledger(first, rest, arguments)
    return _run(_asked(arguments), arguments)


def _asked(arguments: argparse.Namespace) -> Batch:
    from affect_pipe.batch import Batch
    from affect_pipe.pipeline.settings import load_settings

    flags = {name: getattr(arguments, name) for name in ("model", "cache_dir")}
    settings = load_settings(arguments.config, flags | word_flags(arguments))
    if arguments.explain:
        from affect_pipe.pipeline.results.attention_files import check_drawing

        check_drawing()
    options = _options(arguments)
    return Batch(
        arguments.given,
        arguments.out,
        settings,
        arguments.explain,
        options,
        engine=engine_of(arguments, options),
        store=store_of(arguments),
        copies=copies_of(arguments),
    )


def _options(arguments: argparse.Namespace) -> Any:
    from affect_pipe.batch import BatchOptions
    from affect_pipe.pipeline.sizes import parse_size

    return BatchOptions(
        workers=workers_of(arguments.workers),
        memory_bytes=None if arguments.memory is None else parse_size(arguments.memory),
        timeout_s=arguments.timeout,
        stage_timeout_s=arguments.stage_timeout,
        retries=arguments.retries,
        threads=arguments.threads,
    )


def workers_of(given: str) -> int | None:
    """Return how many workers ``--workers`` means; None is one a core.

    Raises
    ------
    UsageError
        If it is neither a number nor ``auto``.
    """
    from affect_pipe.pipeline.errors import UsageError
    from affect_pipe.pipeline.given import quoted

    if given == "auto":
        return None
    try:
        return int(given)
    except ValueError:
        raise UsageError(f"--workers {quoted(given)}: give a number from 1, or auto.") from None


def _on_ledger(verb: str, rest: Sequence[str], arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from affect_pipe.batch import again, history_of
    from affect_pipe.pipeline.errors import UsageError

    if len(rest) != 1:
        raise UsageError(f"batch {verb} takes the result folder of one batch.")
    folder = Path(rest[0])
    if verb == "retry":
        asked, options = again(folder), _options(arguments)
        asked = replace(
            asked,
            options=options,
            retry=True,
            engine=engine_of(arguments, options),
            store=store_of(arguments, asked.store),
            copies=copies_of(arguments, asked.copies),
        )
        return _run(asked, arguments)
    from affect_pipe.pipeline.batch.lock import is_held
    from affect_pipe.pipeline.batch.report import report_lines, status, status_lines

    history = history_of(folder)
    found = status(history, held=is_held(folder))
    lines = [*status_lines(found, history)]
    if verb == "report":
        lines += report_lines(history)
    _print(lines)
    return FAILED if found.failed else OK


def _run(asked: Batch, arguments: argparse.Namespace) -> int:
    if arguments.report and asked.store is not None:
        from affect_pipe.pipeline.errors import UsageError

        raise UsageError(
            "--report makes pages of results on this machine: leave it out with --store, copy the "
            "results here, then run affect-pipe report on their folder."
        )
    stop = threading.Event()
    # Lines for a machine are not mixed with sentences.
    told = arguments.progress != "json"
    with _stopped_by_signals(stop):
        if arguments.dry_run:
            plan = asked.plan(asked.items(tell), asked.history(), stop)
            return STOPPED if stop.is_set() else _show_plan(plan)
        with ExitStack() as stack:
            listener = _listener(arguments.progress, asked, stack)
            summary = asked.run(stop, listener, tell if told else lambda _: None)
    code = _show(summary, asked.out, stopped=stop.is_set(), told=told)
    if arguments.report and not stop.is_set():
        code = max(code, _pages(asked))
    return code


def _pages(asked: Batch) -> int:
    """Make the pages of what there is; videos without a result are listed in the index."""
    from affect_pipe.reporting import ReportOptions
    from affect_pipe.reporting_folder import report_folder

    done = report_folder(asked.out, options=ReportOptions(run=asked.settings), tell=tell)
    _print([f"{done.pages.made} pages made, {done.pages.kept} kept; index {done.index}"])
    return OK if done.is_whole else FAILED


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) abandon what runs, and the second end it at once."""

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        tell("stopping: what runs is abandoned and is due again; once more to end at once.")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listener(progress: str, asked: Batch, stack: ExitStack) -> Listener:
    from affect_pipe.pipeline.batch.display import BatchDisplay, JsonLines
    from affect_pipe.pipeline.batch.events import ignore
    from affect_pipe.pipeline.errors import UsageError
    from affect_pipe.pipeline.given import quoted

    kind, _, file = progress.partition(":")
    if kind == "json" and file:
        try:
            stream = stack.enter_context(open(file, "a", encoding="ascii"))  # noqa: SIM115
        except OSError as error:
            raise UsageError(f"--progress {quoted(progress)}: {error.strerror}.") from error
        return JsonLines(stream, asked.run_id)
    if progress == "json":
        return JsonLines(sys.stderr, asked.run_id)
    if progress == "none":
        return ignore
    if progress != "bar":
        raise UsageError(f"--progress {quoted(progress)}: use bar, json, json:FILE or none.")
    from rich.console import Console

    return stack.enter_context(_Talking(BatchDisplay(Console(stderr=True))))


class _Talking:
    """A display that also tells the plan and each failure in a sentence."""

    def __init__(self, display: Any) -> None:
        self._display = display

    def __enter__(self) -> Listener:
        self._display.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._display.__exit__(*exception)

    def __call__(self, event: BatchEvent) -> None:
        from affect_pipe.pipeline.batch.events import ItemFailed, Planned
        from affect_pipe.pipeline.batch.report import planned_line

        self._display(event)
        if isinstance(event, Planned):
            tell(planned_line(event))
        elif isinstance(event, ItemFailed) and not event.final:
            tell(f"{event.target}: attempt {event.attempt}: {event.reason} It will be tried again.")


def _show_plan(plan: Plan) -> int:
    from affect_pipe.pipeline.batch.report import plan_line

    counts = [len(part) for part in (plan.unreadable, plan.failed)]
    lines = [plan_line(plan.found, len(plan.done), len(plan.due), plan.cached, *counts)]
    for task in plan.due:
        lines.append(f"due{' (in the cache)' if task.seen.in_cache else ''}: {task.item.video}")
    lines += [f"unreadable: {item.video}: {why.reason}" for item, why in plan.unreadable]
    lines += [f"failed before: {item.video}: {why.reason}" for item, why in plan.failed]
    _print(lines)
    return FAILED if plan.unreadable or plan.failed else OK


def _show(summary: Summary, out: Path, *, stopped: bool, told: bool) -> int:
    from affect_pipe.pipeline.sizes import format_size

    for item, failure in summary.failed if told else ():
        tell(f"{item.target} failed ({failure.kind}): {failure.reason}")
    before = len(summary.plan.done)
    lines = [
        f"{before + len(summary.done)} of {summary.plan.found} videos done ({before} before), "
        f"{len(summary.failed)} failed"
        + (f", {len(summary.abandoned)} still due" if summary.abandoned else "")
        + f"; results in {out}"
    ]
    if summary.peak_bytes:
        lines.append(f"most memory of a worker: {format_size(summary.peak_bytes)}")
    if summary.failed:
        lines.append(f"once more: affect-pipe batch retry {out}")
    _print(lines)
    if stopped:
        return STOPPED
    return FAILED if summary.failed else OK


def _print(lines: Sequence[str]) -> None:
    from affect_pipe.pipeline.results.terminal_text import printable

    with standard_output():
        for line in lines:
            print(printable(line))
