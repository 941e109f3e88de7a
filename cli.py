"""The command line: one thin module a verb in `affect_pipe.commands`; the only place that exits.

Imports of what does the work are inside the handlers, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from affect_pipe.commands import (
    batch,
    cache,
    doctor,
    evaluate,
    export,
    extract,
    labels,
    models,
    report,
    reproduce,
    run,
    serve,
    train,
)
from affect_pipe.commands.common import STOPPED, complain, told_warnings
from affect_pipe.pipeline.results.standard_output import standard_output


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``affect-pipe``.

    Returns
    -------
    int
        0 when all went well, 1 when work failed, 2 for bad use, 130 when it was stopped (Ctrl-C).
    """
    debug = False
    try:
        arguments = build_parser().parse_args(argv)
        debug = arguments.debug
        with told_warnings():
            return int(arguments.handler(arguments))
    except KeyboardInterrupt:
        if debug:
            raise
        print("affect-pipe: stopped; finished stages are in the cache.", file=sys.stderr)
        return STOPPED
    except Exception as error:
        if debug:
            raise
        return complain(error)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; imports nothing heavy."""
    parser = argparse.ArgumentParser(
        prog="affect-pipe",
        description="Raw video in, per-utterance sentiment and emotion out.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    # Suppressed, so that a verb without the flag does not take back one given before it.
    common.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an error",
    )
    for verb in (
        run,
        batch,
        report,
        serve,
        export,
        extract,
        labels,
        train,
        evaluate,
        reproduce,
        models,
        cache,
        doctor,
    ):
        verb.add(verbs, common)
    return parser


class _Version(argparse.Action):
    """Asks for the version when it is wanted: the question imports an e-mail parser."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        with standard_output():
            print(version("affect-pipe"))
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
