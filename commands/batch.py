"""``affect-pipe batch``."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

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
    from sys import UnraisableHookArgs

    from affect_pipe.batch import Batch
    from affect_pipe.pipeline.batch.events import BatchEvent, Listener
    from affect_pipe.pipeline.batch.records import Failure, Plan, Summary

_ON_LEDGERS = {
    "status": "Tell where a batch stands, also while it runs.",
    "retry": """Try the videos of a batch that failed for good once more, with the settings of its
last run; all options of how a batch is run may be given anew, as --memory and --timeout.""",
    "report": """Tell where a batch stands and what all its runs came to: figures of stages, memory,
the slowest videos, warnings.""",
}
_DESCRIPTION = """Analyse any number of videos, in several processes. What is done is not done
again; what crashes or hangs is told and does not stop the others. DIR is searched with its
sub-folders; a quoted pattern may hold **; LIST.txt has a path a line; a CSV has a column video
and, if need be, transcript, diarisation, language. Or: batch status|retry|report RESULTS, of a
result folder: where it stands, failed videos once more, what it came to."""


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    batch = verbs.add_parser(
        "batch",
        parents=[common],
        help="analyse thousands of videos",
        description=_DESCRIPTION,
        add_help=False,
    )
    batch.add_argument(
        "-h", "--help", action=_Help, nargs=0, help="show this help message and exit"
    )
    batch.add_argument("given", nargs="+", metavar="DIR|GLOB|LIST.txt|CSV", help="what to analyse")
    batch.add_argument(
        "--out",
        type=result_folder,
        default=Path("affect-results"),
        metavar="DIR",
        help="result folder (affect-results)",
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
        "--memory",
        metavar="SIZE",
        help="budget of all workers, as 8GB (four fifths of what is free); "
        "with ray of each worker (no bound)",
    )
    batch.add_argument(
        "--timeout", type=float, metavar="S", help="longest a video may take (no bound)"
    )
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


class _Help(argparse.Action):
    """Shows the help of the verb, or of what is done with a result folder."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: object
    ) -> NoReturn:
        first = (getattr(namespace, "given", None) or [""])[0]
        with standard_output():
            if first in _ON_LEDGERS:
                print(f"usage: {parser.prog} {first} RESULTS\n\n{_ON_LEDGERS[first]}")
            else:
                parser.print_help()
        parser.exit()


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
    from affect_pipe.pipeline.preflight import check_output

    stop = threading.Event()
    # Lines for a machine are not mixed with sentences.
    told = arguments.progress != "json"
    with _stopped_by_signals(stop):
        if arguments.dry_run:
            _check_progress(arguments.progress)
            if asked.out.exists():
                check_output(asked.out)
            plan = asked.plan(asked.items(tell), asked.history(), stop)
            return STOPPED if stop.is_set() else _show_plan(plan, asked.out)
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
    """Let the first Ctrl-C (or SIGTERM) abandon what runs, and the second end it at once.

    The second may fall into a finaliser, which cannot be ended: Python would print a traceback and
    go on. Then it is dropped without a word; what runs is being abandoned anyway.
    """
    print_unraisable = sys.unraisablehook

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        tell("stopping: what runs is abandoned and is due again; once more to end at once.")

    def unraisable(what: UnraisableHookArgs) -> None:
        if what.exc_type is not KeyboardInterrupt:
            print_unraisable(what)

    sys.unraisablehook = unraisable
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            # All is put away by now: one more, while the interpreter closes down, just ends it.
            signal.signal(number, _end_at_once if stop.is_set() else handler)
        sys.unraisablehook = print_unraisable


def _end_at_once(number: int, frame: object) -> NoReturn:
    os._exit(STOPPED)


def _check_progress(progress: str) -> str:
    """Return the file that progress goes to, or nothing; open and make none.

    Raises
    ------
    UsageError
        If it is no way to tell progress, or the file cannot be written.
    """
    from affect_pipe.pipeline.errors import UsageError
    from affect_pipe.pipeline.given import quoted

    if progress in ("bar", "json", "none"):
        return ""
    kind, _, file = progress.partition(":")
    if kind != "json" or not file:
        raise UsageError(f"--progress {quoted(progress)}: use bar, json, json:FILE or none.")
    folder = os.path.dirname(file) or os.curdir
    if os.path.isdir(file):
        raise UsageError(f"--progress {quoted(progress)}: that is a folder, name a file.")
    if not os.path.isdir(folder):
        raise UsageError(f"--progress {quoted(progress)}: there is no folder {folder}.")
    if not os.access(file if os.path.exists(file) else folder, os.W_OK):
        raise UsageError(f"--progress {quoted(progress)}: the file cannot be written.")
    return file


def _listener(progress: str, asked: Batch, stack: ExitStack) -> Listener:
    from affect_pipe.pipeline.batch.display import BatchDisplay, JsonLines
    from affect_pipe.pipeline.batch.events import ignore
    from affect_pipe.pipeline.errors import UsageError
    from affect_pipe.pipeline.given import quoted

    file = _check_progress(progress)
    if file:
        try:
            stream = stack.enter_context(open(file, "a", encoding="ascii"))  # noqa: SIM115
        except OSError as error:
            raise UsageError(f"--progress {quoted(progress)}: {error.strerror}.") from error
        return JsonLines(stream, asked.run_id)
    if progress == "json":
        return JsonLines(sys.stderr, asked.run_id)
    if progress == "none":
        return ignore
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


def _show_plan(plan: Plan, out: Path) -> int:
    from affect_pipe.pipeline.batch.report import plan_line, reason_of

    counts = [len(part) for part in (plan.unreadable, plan.failed)]
    lines = [plan_line(plan.found, len(plan.done), len(plan.due), plan.cached, *counts)]
    for task in plan.due:
        lines.append(f"due{' (in the cache)' if task.seen.in_cache else ''}: {task.item.video}")
    lines += [f"unreadable: {reason_of(item.video, why.reason)}" for item, why in plan.unreadable]
    lines += [f"failed before: {reason_of(item.video, why.reason)}" for item, why in plan.failed]
    lines += _once_more([why for _, why in plan.failed], out)
    _print(lines)
    return FAILED if plan.unreadable or plan.failed else OK


def _show(summary: Summary, out: Path, *, stopped: bool, told: bool) -> int:
    from affect_pipe.pipeline.sizes import format_size

    old = {item.target for item, _ in summary.plan.failed}
    for item, failure in summary.failed if told else ():
        was = "failed before" if item.target in old else "failed"
        tell(f"{item.target} {was} ({failure.kind}): {failure.reason}")
    before = len(summary.plan.done)
    lines = [
        f"{before + len(summary.done)} of {summary.plan.found} videos done ({before} before), "
        f"{len(summary.failed)} failed"
        + (f", {len(summary.abandoned)} still due" if summary.abandoned else "")
        + f"; results in {out}"
    ]
    if summary.peak_bytes:
        lines.append(f"most memory of a worker: {format_size(summary.peak_bytes)}")
    lines += _once_more([failure for _, failure in summary.failed], out)
    _print(lines)
    if stopped:
        return STOPPED
    return FAILED if summary.failed else OK


def _once_more(failures: Sequence[Failure], out: Path) -> list[str]:
    """Return how to try again what failed; what is refused is refused again."""
    if all(failure.kind == "refused" for failure in failures):
        return []
    return [f"failed ones once more: affect-pipe batch retry {shlex.quote(str(out))}"]


def _print(lines: Sequence[str]) -> None:
    from affect_pipe.pipeline.results.terminal_text import printable

    with standard_output():
        for line in lines:
            print(printable(line))
