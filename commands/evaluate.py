"""``affect-pipe evaluate``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from affect_pipe.commands.common import OK, Verbs, hush_back_ends
from affect_pipe.pipeline.results.standard_output import standard_output


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    evaluate = verbs.add_parser("evaluate", parents=[common], help="measure a checkpoint")
    evaluate.add_argument(
        "--recipe", required=True, metavar="NAME", help="starter or starter-covarep"
    )
    evaluate.add_argument("--data", required=True, type=Path, metavar="DIR")
    evaluate.add_argument("--split", default="dev", choices=("dev", "test"))
    evaluate.add_argument(
        "--model", metavar="NAME|DIR", help="checkpoint; default: the recipe's own"
    )
    evaluate.add_argument("--json", action="store_true", help="print JSON instead of a table")
    evaluate.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    evaluate.set_defaults(handler=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    hush_back_ends()
    from affect_pipe import api

    report = api.evaluate(
        arguments.recipe,
        arguments.data,
        split=arguments.split,
        model=arguments.model,
        cache_dir=arguments.cache_dir,
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )
    with standard_output():
        print(report.as_json() if arguments.json else report.as_text())
    return OK
