"""``affect-pipe labels``."""

from __future__ import annotations

import argparse
from pathlib import Path

from affect_pipe.commands.common import OK, Verbs, tell
from affect_pipe.pipeline.results.standard_output import standard_output

TIER_HELP = "tier whose annotations are the utterances (default: text, utterances, transcript)"


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    labels = verbs.add_parser(
        "labels",
        parents=[common],
        help="make a label file for train from ELAN or Praat annotations",
        description="Turn annotation files, as export writes them and people correct them, into "
        "the label CSV of train --videos.",
    )
    labels.add_argument(
        "files", nargs="+", type=Path, metavar="FILE.eaf|FILE.TextGrid|DIR", help="annotations"
    )
    labels.add_argument("--out", required=True, type=Path, metavar="CSV", help="file to write")
    labels.add_argument("--tier", metavar="A,B", help=TIER_HELP)
    labels.add_argument("--video", metavar="NAME", help="what the video of a single file is called")
    labels.set_defaults(handler=_labels)


def tiers_of(given: str | None) -> tuple[str, ...]:
    """Return the names of a list with commas; none for the usual tiers."""
    return tuple(name.strip() for name in (given or "").split(",") if name.strip())


def _labels(arguments: argparse.Namespace) -> int:
    from affect_pipe.annotations import labels_from_annotations
    from affect_pipe.pipeline.results.terminal_text import printable

    warnings = labels_from_annotations(
        arguments.files, arguments.out, video=arguments.video, tiers=tiers_of(arguments.tier)
    )
    for warning in warnings:
        tell(f"warning: {warning}")
    with standard_output():
        print(printable(f"wrote {arguments.out}"))
    return OK
