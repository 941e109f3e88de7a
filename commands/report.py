"""``affect-pipe report``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from affect_pipe.commands.common import FAILED, OK, Verbs, complain, hush_back_ends, tell
from affect_pipe.commands.words import add_word_options, word_flags
from affect_pipe.pipeline.results.standard_output import standard_output

if TYPE_CHECKING:
    from affect_pipe.reporting import ReportOptions

VIDEO_CHOICES = ("auto", "embed", "link", "none")
VIDEO_HELP = (
    "the video in the page: embed a small preview, link to the file, none, or auto (default): "
    "embed what is 5 minutes or shorter, link to what is longer"
)


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    report = verbs.add_parser(
        "report",
        parents=[common],
        help="make pages of results",
        description="Make one HTML page of each result, which works without a network; of a folder "
        "of results, an index page.",
    )
    report.add_argument(
        "results", nargs="+", type=Path, metavar="RESULT.json|DIR", help="result, or a folder"
    )
    report.add_argument(
        "--out",
        type=Path,
        metavar="FILE.html|DIR",
        help="where the page goes (default: beside the result, <stem>.report.html)",
    )
    report.add_argument("--video", choices=VIDEO_CHOICES, default="auto", help=VIDEO_HELP)
    report.add_argument(
        "--media",
        type=Path,
        metavar="FILE|DIR",
        help="the video, or the folder of it (default: looked for beside the result, in the "
        "folder above and in the current one)",
    )
    report.add_argument(
        "--recompute",
        action="store_true",
        help="compute features again where the cache no longer has them",
    )
    report.add_argument(
        "--index-only",
        action="store_true",
        help="of a folder, make the index alone; it links to the pages that are there",
    )
    given = report.add_argument_group(
        "the run that made the result", "where its settings were not the defaults"
    )
    given.add_argument("--model", metavar="NAME|DIR", help="checkpoint, where it is not shipped")
    add_word_options(given)
    given.add_argument("--config", type=Path, metavar="TOML", help="settings file of the run")
    given.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    report.set_defaults(handler=_report)


def _report(arguments: argparse.Namespace) -> int:
    hush_back_ends()
    from affect_pipe.pipeline.errors import UsageError

    folders = [path for path in arguments.results if path.is_dir()]
    if not folders:
        return _pages(arguments)
    if len(arguments.results) > 1:
        raise UsageError(f"{folders[0]} is a folder: name one folder, or files alone.")
    return _index(arguments)


def _options(arguments: argparse.Namespace) -> ReportOptions:
    from affect_pipe.pipeline.settings import load_settings
    from affect_pipe.reporting import ReportOptions

    flags = {"model": arguments.model, "cache_dir": arguments.cache_dir, **word_flags(arguments)}
    return ReportOptions(
        video=arguments.video,
        media=arguments.media,
        recompute=arguments.recompute,
        run=load_settings(arguments.config, flags),
    )


def _pages(arguments: argparse.Namespace) -> int:
    from affect_pipe.pipeline.errors import UsageError
    from affect_pipe.reporting import report

    out: Path | None = arguments.out
    if out is not None and out.suffix == ".html" and len(arguments.results) > 1:
        raise UsageError(
            f"--out {out} is one page for {len(arguments.results)} results: name a folder."
        )
    options = _options(arguments)
    codes: list[int] = []
    for result in arguments.results:
        try:
            path = report(result, out, options, tell=tell)
            with standard_output():
                print(f"wrote {path}")
            codes.append(OK)
        except Exception as error:
            if arguments.debug:
                raise
            codes.append(complain(error))
    return FAILED if FAILED in codes else max(codes)


def _index(arguments: argparse.Namespace) -> int:
    from affect_pipe.reporting_folder import report_folder

    options = None if arguments.index_only else _options(arguments)
    done = report_folder(
        arguments.results[0], arguments.out, options, index_only=arguments.index_only, tell=tell
    )
    with standard_output():
        print(f"{done.pages.made} pages made, {done.pages.kept} kept; wrote {done.index}")
    return OK if done.is_whole else FAILED
