"""``affect-pipe run``."""

from __future__ import annotations

import argparse
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
    run.add_argument(
        "--explain",
        action="store_true",
        help="add each modality's contribution, and write <stem>.attention.npz and .png",
    )
    run.add_argument(
        "--overlay",
        action="store_true",
        help="write <stem>.overlay.mp4: the video with faces, captions and judgements drawn in",
    )
    run.add_argument("--config", type=Path, metavar="TOML", help="settings file; flags win over it")
    run.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    run.set_defaults(handler=_run)


def _run(arguments: argparse.Namespace) -> int:
    hush_back_ends()
    share_the_machine()
    from affect_pipe.pipeline.preflight import check_output, check_result_name, videos_to_run
    from affect_pipe.pipeline.settings import load_settings

    flags = {name: getattr(arguments, name) for name in ("model", "cache_dir")}
    flags |= word_flags(arguments)
    settings = load_settings(arguments.config, flags)
    videos = videos_to_run(arguments.videos, settings.transcript, settings.diarisation)
    check_output(arguments.out)
    if arguments.explain:
        from affect_pipe.pipeline.results.attention_files import check_drawing

        check_drawing()
    if arguments.overlay:
        from affect_pipe.pipeline.overlay.fonts import check_drawing as check_overlay

        check_overlay()

    from rich.console import Console

    from affect_pipe.api import Analyzer
    from affect_pipe.pipeline.progress import ProgressDisplay

    codes: list[int] = []
    warn = WarningTeller(named=len(videos) > 1)
    with Analyzer(settings) as analyzer:
        for video in videos:
            try:
                check_result_name(
                    arguments.out, video, explain=arguments.explain, overlay=arguments.overlay
                )
                with ProgressDisplay(Console(stderr=True)) as display:
                    result = analyzer(video, display, explain=arguments.explain)
                    written = _write(result, arguments.out)
                    warnings = result.warnings
                    if arguments.overlay:
                        drawn, told = analyzer.overlay(result, arguments.out, display)
                        written += [drawn] if drawn is not None else []
                        warnings += told
                warn(video.name, warnings)
                _show(result, written)
                codes.append(OK)
            except Exception as error:
                if arguments.debug:
                    raise
                codes.append(complain(error))
    return FAILED if FAILED in codes else max(codes)


def _write(result: VideoResult, folder: Path) -> list[Path]:
    from affect_pipe.pipeline.preflight import result_names
    from affect_pipe.pipeline.results.csv_result import write_csv
    from affect_pipe.pipeline.results.json_result import write_json

    written = [folder / name for name in result_names(result.media.path)]
    write_json(result, written[0])
    write_csv(result, written[1])
    if result.contributions is not None:
        from affect_pipe.pipeline.results.attention_files import write_attention

        written += write_attention(result, folder)
    return written


def _show(result: VideoResult, written: list[Path]) -> None:
    from rich.console import Console

    from affect_pipe.pipeline.results.table import to_table
    from affect_pipe.pipeline.results.terminal_text import printable

    with standard_output():
        if result.features.utterances:
            console = Console()
            console.print(to_table(result, console.width))
        *first, last = (path.name for path in written[1:])
        print(printable(f"wrote {', '.join([str(written[0]), *first])} and {last}"))
