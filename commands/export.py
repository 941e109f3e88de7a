"""``affect-pipe export``."""

from __future__ import annotations

import argparse
from pathlib import Path

from affect_pipe.commands.common import FAILED, OK, Verbs, complain, result_folder
from affect_pipe.pipeline.results.standard_output import standard_output

FORMATS_HELP = "eaf, textgrid, vtt, srt, audacity, csv, parquet, jsonl; several with commas"


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    export = verbs.add_parser(
        "export",
        parents=[common],
        help="write results as ELAN, Praat, caption and table files",
        description="Turn results (DIR/<stem>.affect.json) into files other tools read: "
        "<stem>.affect.<format>, beside each result or below --out. Nothing is analysed again.",
    )
    export.add_argument(
        "results", nargs="+", type=Path, metavar="RESULT.json|DIR", help="results to export"
    )
    export.add_argument("--to", required=True, metavar="A,B,C", help=FORMATS_HELP)
    export.add_argument("--out", type=result_folder, metavar="DIR", help="folder for the files")
    export.add_argument(
        "--media",
        type=Path,
        metavar="DIR|FILE",
        help="where the videos are, for ELAN (default: beside the result)",
    )
    export.set_defaults(handler=_export)


def _export(arguments: argparse.Namespace) -> int:
    from affect_pipe.exports import export_file, find_results
    from affect_pipe.pipeline.preflight import check_output
    from affect_pipe.pipeline.results.exports.formats import parse_formats
    from affect_pipe.pipeline.results.terminal_text import printable

    formats = parse_formats(arguments.to)
    files = find_results(arguments.results, arguments.out)
    if arguments.out is not None:
        check_output(arguments.out)
    codes = [OK]
    for file in files:
        exported = export_file(file, formats, arguments.media)
        if exported.failure is not None:
            if arguments.debug:
                raise exported.failure
            codes.append(complain(exported.failure))
            continue
        first, *others = exported.paths
        with standard_output():
            print(printable(f"wrote {', '.join([str(first), *(p.name for p in others)])}"))
    return FAILED if FAILED in codes else max(codes)
