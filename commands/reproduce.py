"""``affect-pipe reproduce``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from affect_pipe.commands.common import FAILED, OK, Verbs, hush_back_ends, result_folder
from affect_pipe.pipeline.results.standard_output import standard_output


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    reproduce = verbs.add_parser(
        "reproduce",
        parents=[common],
        help="run a table of a paper, our numbers beside theirs",
        description="Train the whole grid of a table, print mean, deviation and interval beside "
        "the paper's number, and write OUT/<table>.json and OUT/<table>.md. Finished cells are "
        "kept in OUT: a run that was stopped goes on. mosi is CMU-MOSI's published features, "
        "cross-fitted, and a clean track.",
    )
    reproduce.add_argument(
        "table",
        metavar="TABLE",
        help="mosi, cim-3, cim-4, cia-1, cia-3, muse-1, muse-2, muse-3, muse-4 or muse-5",
    )
    reproduce.add_argument(
        "--data", required=True, type=Path, metavar="DIR", help="folder of datasets"
    )
    reproduce.add_argument(
        "--out",
        type=result_folder,
        default=Path("affect-reproduce"),
        metavar="DIR",
        help="result folder",
    )
    reproduce.add_argument("--seeds", type=int, default=5, metavar="N", help="how many (5)")
    reproduce.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    reproduce.add_argument(
        "--workers", type=int, metavar="N", help="processes of one thread; default: one a core"
    )
    reproduce.add_argument("--models", metavar="A,B", help="only these models of the table")
    reproduce.add_argument(
        "--modalities", metavar="T,T+A", help="only these combinations of the table"
    )
    reproduce.add_argument("--json", action="store_true", help="print JSON instead of tables")
    reproduce.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    reproduce.set_defaults(handler=_reproduce)


def _reproduce(arguments: argparse.Namespace) -> int:
    hush_back_ends()
    # The grid trains in processes of one thread each; this one only reads and scores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from rich.console import Console

    from affect_pipe import api
    from affect_pipe.fusion.reproduce.display import GridDisplay

    with GridDisplay(Console(stderr=True)) as display:
        report = api.reproduce(
            arguments.table,
            arguments.data,
            arguments.out,
            seeds=arguments.seeds,
            device=arguments.device,
            workers=arguments.workers,
            models=_listed(arguments.models),
            modalities=_listed(arguments.modalities),
            cache_dir=arguments.cache_dir,
            listener=display,
        )
    for cell, why in report.failures.items():
        print(f"affect-pipe: {cell} failed: {why}", file=sys.stderr)
    for sentence in report.plan.absent.values():
        print(f"affect-pipe: left out: {sentence}.", file=sys.stderr)
    with standard_output():
        if arguments.json:
            print(report.as_json(), end="")
        else:
            console = Console()
            for table in report.as_rich():
                console.print(table)
            print(f"wrote {arguments.out / report.plan.table.name}.md and .json")
    return FAILED if report.failures else OK


def _listed(text: str | None) -> list[str] | None:
    """Split ``a,b``; None stays None."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]
