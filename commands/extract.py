"""``affect-pipe extract``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affect_pipe.commands.common import (
    BAD_USE,
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
from affect_pipe.commands.feature_settings import HELP, read_feature_settings
from affect_pipe.commands.words import add_word_options, word_flags
from affect_pipe.pipeline.results.standard_output import standard_output

if TYPE_CHECKING:
    from affect_pipe.api import Extractor, Written
    from affect_pipe.pipeline.media_files import MediaFile
    from affect_pipe.pipeline.settings import RunSettings


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
        "--format",
        default="parquet",
        metavar="NAME",
        help="parquet (default), csv, npz or hdf5; csd: a file a feature for CMU-MultimodalSDK; "
        "mmsa: one .pkl of a folder of labelled videos (--labels)",
    )
    extract.add_argument(
        "--labels", type=Path, metavar="CSV", help="with --format mmsa: label file, as for train"
    )
    extract.add_argument(
        "--sentiment-scale",
        type=float,
        default=3.0,
        metavar="X",
        help="with --labels: largest label of MMSA's own label.csv",
    )
    extract.add_argument(
        "--out",
        type=result_folder,
        default=Path("affect-features"),
        metavar="DIR",
        help="result folder",
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
    if (arguments.format == "mmsa") != (arguments.labels is not None):
        raise UsageError("--format mmsa needs --labels CSV, and no other format takes it.")
    flags = {**word_flags(arguments), "cache_dir": arguments.cache_dir}
    settings = load_settings(arguments.config, flags)
    feature_settings = read_feature_settings(arguments.feature_settings)
    if arguments.format == "mmsa":
        return _mmsa(arguments, settings, feature_settings)
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
    corpus = arguments.format == "csd"
    format_ = "parquet" if corpus else api.check_written_as(arguments.format)
    extractor = api.Extractor(names, arguments.level, feature_settings, settings)
    check_output(arguments.out)
    codes: list[int] = []
    warn = WarningTeller(named=len(files) > 1)
    with extractor:
        if corpus:
            return _csd(arguments, extractor, files, warn)
        for file in files:
            try:
                with ProgressDisplay(Console(stderr=True)) as display:
                    written = extractor.write(file, arguments.out, format_, display)
                codes.append(_show(written, warn))
            except Exception as error:
                if arguments.debug:
                    raise
                codes.append(complain(error))
    return _exit_code(codes)


def _csd(
    arguments: argparse.Namespace,
    extractor: Extractor,
    files: Sequence[MediaFile],
    warn: WarningTeller,
) -> int:
    from rich.console import Console

    from affect_pipe.feature_corpora import write_csd
    from affect_pipe.pipeline.progress import ProgressDisplay

    with ProgressDisplay(Console(stderr=True)) as display:
        paths, written = write_csd(extractor, files, arguments.out, listener=lambda: display)
    codes = [_show(one, warn) for one in written]
    _print_written(paths)
    return OK if all(code == OK for code in codes) else FAILED


def _mmsa(
    arguments: argparse.Namespace,
    settings: RunSettings,
    feature_settings: Mapping[str, Mapping[str, Any]] | None,
) -> int:
    from rich.console import Console

    from affect_pipe import api
    from affect_pipe.mmsa_corpus import write_mmsa
    from affect_pipe.pipeline.errors import UsageError
    from affect_pipe.pipeline.preflight import check_output
    from affect_pipe.pipeline.progress import ProgressDisplay

    if len(arguments.media) != 1:
        raise UsageError("extract --format mmsa needs one folder, which holds the labelled videos.")
    check_output(arguments.out)
    features = arguments.features
    with ProgressDisplay(Console(stderr=True)) as display:
        report = write_mmsa(
            arguments.media[0],
            arguments.labels,
            arguments.out,
            api.DEFAULT_FEATURES if features is None else _names(features),
            feature_settings=feature_settings,
            settings=settings,
            sentiment_scale=arguments.sentiment_scale,
            tell=tell,
            listener=lambda: display,
        )
    with standard_output():
        clips = ", ".join(f"{n} clips in {name}" for name, n in report.clips.items())
        print(f"wrote {report.path}: {clips}")
    return OK


def _exit_code(codes: Sequence[int]) -> int:
    """Sum up several files or features: bad use only where nothing but that was found."""
    if all(code == OK for code in codes):
        return OK
    return BAD_USE if all(code == BAD_USE for code in codes) else FAILED


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()]


def _show(written: Written, warn: WarningTeller) -> int:
    """Tell what came of one file; return the exit code it stands for."""
    warn(written.media.name, written.warnings)
    codes = [OK] * len(written.paths)
    for feature, error in written.failures:
        tell(f"{feature} of {written.media.name} was not extracted: {error}")
        codes.append(error.exit_code)
    if written.paths:
        _print_written(written.paths)
    return _exit_code(codes) if codes else OK


def _print_written(paths: Sequence[Path]) -> None:
    from affect_pipe.pipeline.results.terminal_text import printable

    first, *others = paths
    with standard_output():
        print(printable(f"wrote {', '.join([str(first), *(path.name for path in others)])}"))


def _list() -> int:
    # Whether weights are here is asked, not whether they could be fetched.
    os.environ["HF_HUB_OFFLINE"] = "1"
    from affect_pipe import api

    with standard_output():
        for feature in api.list_features():
            print(feature.as_text())
    return OK
