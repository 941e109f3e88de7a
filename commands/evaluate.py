"""``affect-pipe evaluate``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from affect_pipe.commands.common import FAILED, OK, Verbs, hush_back_ends, tell
from affect_pipe.commands.labels import TIER_HELP, tiers_of
from affect_pipe.pipeline.results.standard_output import standard_output


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    evaluate = verbs.add_parser(
        "evaluate",
        parents=[common],
        help="measure a checkpoint, or a result against an annotation",
        description="Either --recipe NAME --data DIR: a checkpoint on the corpora of a recipe. Or "
        "--gold FILE.eaf RESULT.json: a result against what a person annotated of its video.",
    )
    evaluate.add_argument("result", nargs="?", type=Path, metavar="RESULT.json", help="with --gold")
    what = evaluate.add_mutually_exclusive_group(required=True)
    what.add_argument("--recipe", metavar="NAME", help="starter or starter-covarep")
    what.add_argument(
        "--gold",
        type=Path,
        metavar="FILE",
        help="annotation of the result's video: .eaf, .TextGrid",
    )
    evaluate.add_argument("--data", type=Path, metavar="DIR", help="with --recipe: the corpora")
    evaluate.add_argument(
        "--overlap",
        type=float,
        default=0.5,
        metavar="X",
        help="with --gold: shared time over all time from which utterances are the same (0.5)",
    )
    evaluate.add_argument("--tier", metavar="A,B", help=f"with --gold: {TIER_HELP}")
    evaluate.add_argument("--split", default="dev", choices=("dev", "test"))
    evaluate.add_argument(
        "--model", metavar="NAME|DIR", help="checkpoint; default: the recipe's own"
    )
    evaluate.add_argument("--json", action="store_true", help="print JSON instead of a table")
    evaluate.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    evaluate.set_defaults(handler=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    from affect_pipe.pipeline.errors import UsageError

    if arguments.gold is not None:
        if arguments.result is None or arguments.data is not None or arguments.model is not None:
            raise UsageError("evaluate --gold needs a result, and takes no --data or --model.")
        return _against_gold(arguments)
    if arguments.data is None or arguments.result is not None:
        raise UsageError("evaluate --recipe needs --data, and takes no result.")
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


def _against_gold(arguments: argparse.Namespace) -> int:
    from affect_pipe.annotations import evaluate_against

    report = evaluate_against(
        arguments.gold,
        arguments.result,
        least_overlap=arguments.overlap,
        tiers=tiers_of(arguments.tier),
    )
    for warning in report.warnings:
        tell(f"warning: {warning}")
    with standard_output():
        print(report.as_json() if arguments.json else report.as_text())
    if not report.figures:
        tell(f"nothing was measured of {arguments.result} by {arguments.gold}.")
        return FAILED
    return OK
