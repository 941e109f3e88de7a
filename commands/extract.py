"""``affect-pipe extract``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from affect_pipe.commands.common import (
    BAD_USE,
    FAILED,
    OK,
    Verbs,
    WarningTeller,
    complain,
    hush_back_ends,
    share_the_machine,
    tell,
)
from affect_pipe.commands.feature_settings import HELP, read_feature_settings
from affect_pipe.commands.words import add_word_options, word_flags
from affect_pipe.pipeline.results.standard_output import standard_output

if TYPE_CHECKING:
    from affect_pipe.api import Written


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    extract = verbs.add_parser(
        "extract",
        parents=[common],
        help="write the features of videos and audio files",
        description="Write features, a file a video and feature: DIR/<stem>.<feature>.<level>."
        "<format>. A folder is searched for media, and its sub-folders are kept apart.",
    )
    extract.add_argument(
        "media", nargs="*", type=Path, metavar="FILE|DIR", help="video or audio file, or folder"
    )
    extract.add_argument(
        "--features", metavar="A,B,C", help="default: minilm,egemaps,facemesh; see --list"
    )
    extract.add_argument(
        "--level",
        choices=("utterance", "frame"),
        default="utterance",
        help="a row an utterance (default), or a row a frame of sound or a face in a frame",
    )
    extract.add_argument(
        "--format", default="parquet", metavar="NAME", help="parquet (default), csv, npz or hdf5"
    )
    extract.add_argument(
        "--out", type=Path, default=Path("affect-features"), metavar="DIR", help="result folder"
    )
    extract.add_argument("--feature-settings", metavar="JSON|FILE", help=HELP)
    add_word_options(extract)
    extract.add_argument(
        "--config", type=Path, metavar="TOML", help="settings file of run; flags win over it"
    )
    extract.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    extract.add_argument(
        "--list", action="store_true", help="list the features and what each needs, and exit"
    )
    extract.set_defaults(handler=_extract)


def _extract(arguments: argparse.Namespace) -> int:
    hush_back_ends()
    if arguments.list:
        return _list()
    share_the_machine()
    from affect_pipe.pipeline.errors import UsageError
    from affect_pipe.pipeline.media_files import find_media
    from affect_pipe.pipeline.preflight import check_output
    from affect_pipe.pipeline.settings import load_settings

    if not arguments.media:
        raise UsageError("extract needs a video or audio file, or a folder of them (or --list).")
    flags = {**word_flags(arguments), "cache_dir": arguments.cache_dir}
    settings = load_settings(arguments.config, flags)
    feature_settings = read_feature_settings(arguments.feature_settings)
    files = find_media(arguments.media, tell)
    if settings.transcript is not None and len(files) > 1:
        raise UsageError(
            "--transcript belongs to one file: name one, or put transcripts beside the files."
        )
    if settings.diarisation is not None and len(files) > 1:
        raise UsageError(
            "--diarisation belongs to one file: name one, or put RTTM files beside the files."
        )

    from rich.console import Console

    from affect_pipe import api
    from affect_pipe.pipeline.progress import ProgressDisplay

    features = arguments.features
    names = api.DEFAULT_FEATURES if features is None else _names(features)
    format_ = api.check_written_as(arguments.format)
    extractor = api.Extractor(names, arguments.level, feature_settings, settings)
    check_output(arguments.out)
    codes: list[int] = []
    warn = WarningTeller(named=len(files) > 1)
    with extractor:
        for file in files:
            try:
                with ProgressDisplay(Console(stderr=True)) as display:
                    written = extractor.write(file, arguments.out, format_, display)
                codes.append(_show(written, warn))
            except BrokenPipeError:
                raise
            except Exception as error:
                if arguments.debug:
                    raise
                codes.append(complain(error))
    return _exit_code(codes)


def _exit_code(codes: Sequence[int]) -> int:
    """Sum up several files or features: bad use only where nothing but that was found."""
    if all(code == OK for code in codes):
        return OK
    return BAD_USE if all(code == BAD_USE for code in codes) else FAILED


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()]


def _show(written: Written, warn: WarningTeller) -> int:
    """Tell what came of one file; return the exit code it stands for."""
    from affect_pipe.pipeline.results.terminal_text import printable

    warn(written.media.name, written.warnings)
    codes = [OK] * len(written.paths)
    for feature, error in written.failures:
        tell(f"{feature} of {written.media.name} is missing: {error}")
        codes.append(error.exit_code)
    if written.paths:
        first, *others = written.paths
        with standard_output():
            print(printable(f"wrote {', '.join([str(first), *(path.name for path in others)])}"))
    return _exit_code(codes)


def _list() -> int:
    # Whether weights are here is asked, not whether they could be fetched.
    os.environ["HF_HUB_OFFLINE"] = "1"
    from affect_pipe import api

    with standard_output():
        for feature in api.list_features():
            print(feature.as_text())
    return OK
