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
    tell,
)
from affect_pipe.commands.run_outputs import add_output_options, outputs_asked
from affect_pipe.commands.words import add_word_options, word_flags
from affect_pipe.pipeline.results.standard_output import standard_output

if TYPE_CHECKING:
    from affect_pipe.pipeline.records import Transcript, VideoResult


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
                    written = outputs.write(result, analyzer, display)
                _tell_source(result.transcript, video if len(videos) > 1 else None)
                warn(video.name, written.warnings)
                _show(result, written.paths)
                for error in written.errors:
                    if arguments.debug:
                        raise error
                    complain(error)
                codes.append(FAILED if written.errors else OK)
            except Exception as error:
                if arguments.debug:
                    raise
                codes.append(complain(error))
    # Bad use only where there was nothing else: what was done or tried is work.
    return codes[0] if len(set(codes)) == 1 else FAILED


def _tell_source(transcript: Transcript, video: Path | None) -> None:
    """Say where the words come from, unless there are none or a warning says so."""
    from affect_pipe.extractors.speech.transcript import FORMATS

    source, model = transcript.source, transcript.model
    if not transcript.segments or any(source in w.lower() for w in transcript.warnings):
        return
    is_file = Path(model).suffix.lower() in FORMATS
    of = "" if video is None else f"{video.name}: "
    tell(f"{of}words from {model if is_file else f'{source} {model}'.strip()}")


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
