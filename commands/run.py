"""``affect-pipe run``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from affect_pipe.commands.common import (
    FAILED,
    OK,
    Verbs,
    WarningTeller,
    complain,
    hush_back_ends,
    result_folder,
    share_the_machine,
)
from affect_pipe.commands.run_outputs import add_output_options, outputs_asked
from affect_pipe.commands.words import add_word_options, word_flags
from affect_pipe.pipeline.results.standard_output import standard_output

if TYPE_CHECKING:
    from affect_pipe.pipeline.records import VideoResult


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    run = verbs.add_parser(
        "run",
        parents=[common],
        help="analyse videos",
        description="Transcribe, cut into utterances, describe words, voice and face, and predict "
        "sentiment and emotion of each utterance. Writes DIR/<stem>.affect.json and .csv.",
    )
    run.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="video or audio file")
    run.add_argument(
        "--out",
        type=result_folder,
        default=Path("affect-results"),
        metavar="DIR",
        help="result folder",
    )
    run.add_argument(
        "--model", metavar="NAME|DIR", help="checkpoint: a shipped name or a folder (starter)"
    )
    add_word_options(run)
    add_output_options(run)
    run.add_argument("--config", type=Path, metavar="TOML", help="settings file; flags win over it")
    run.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    run.set_defaults(handler=_run)


def _run(arguments: argparse.Namespace) -> int:
    hush_back_ends()
    share_the_machine()
    from affect_pipe.pipeline.preflight import check_names, check_output, videos_to_run
    from affect_pipe.pipeline.settings import load_settings

    flags = {name: getattr(arguments, name) for name in ("model", "cache_dir")}
    flags |= word_flags(arguments)
    settings = load_settings(arguments.config, flags)
    videos = videos_to_run(arguments.videos, settings.transcript, settings.diarisation)
    check_output(arguments.out)
    outputs = outputs_asked(arguments, settings)

    from rich.console import Console

    from affect_pipe.api import Analyzer
    from affect_pipe.pipeline.progress import ProgressDisplay

    codes: list[int] = []
    warn = WarningTeller(named=len(videos) > 1)
    with Analyzer(settings) as analyzer:
        for video in videos:
            try:
                check_names(arguments.out, outputs.names(video), video)
                with ProgressDisplay(Console(stderr=True)) as display:
                    result = analyzer(video, display, explain=arguments.explain)
                    written, warnings = outputs.write(result, analyzer, display)
                warn(video.name, warnings)
                _show(result, written)
                codes.append(OK)
            except Exception as error:
                if arguments.debug:
                    raise
                codes.append(complain(error))
    return FAILED if FAILED in codes else max(codes)


def _show(result: VideoResult, written: Sequence[Path]) -> None:
    from rich.console import Console

    from affect_pipe.pipeline.results.table import to_table
    from affect_pipe.pipeline.results.terminal_text import printable

    with standard_output():
        if result.features.utterances:
            console = Console()
            console.print(to_table(result, console.width))
        *first, last = (path.name for path in written[1:])
        print(printable(f"wrote {', '.join([str(written[0]), *first])} and {last}"))
