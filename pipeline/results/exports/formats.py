"""Which formats a result can be exported to, and under which names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from affect_pipe.pipeline.errors import ResultError, UsageError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.results.exports.audacity import audacity_bytes
from affect_pipe.pipeline.results.exports.captions import srt_bytes, vtt_bytes
from affect_pipe.pipeline.results.exports.elan import eaf_bytes
from affect_pipe.pipeline.results.exports.json_lines import json_lines_bytes
from affect_pipe.pipeline.results.exports.textgrid import write_textgrid
from affect_pipe.pipeline.results.result_file import Result
from affect_pipe.pipeline.results.writing import result_path, write_result


@dataclass(frozen=True)
class ExportFormat:
    """One format: what its files are called after the video's stem, and what they are."""

    suffix: str
    about: str


#: No suffix is one under which a transcript beside a video is looked for.
FORMATS: Mapping[str, ExportFormat] = {
    "eaf": ExportFormat(".affect.eaf", "ELAN"),
    "textgrid": ExportFormat(".affect.TextGrid", "Praat"),
    "vtt": ExportFormat(".affect.vtt", "WebVTT captions"),
    "srt": ExportFormat(".affect.srt", "SubRip subtitles"),
    "audacity": ExportFormat(".affect.labels.txt", "Audacity labels"),
    "csv": ExportFormat(".affect.csv", "a row an utterance"),
    "parquet": ExportFormat(".affect.parquet", "a row an utterance, the columns of batch"),
    "jsonl": ExportFormat(".affect.jsonl", "an utterance a line"),
}


def parse_formats(given: str) -> tuple[str, ...]:
    """Return the formats of a list such as ``eaf,vtt``, each once.

    Raises
    ------
    UsageError
        If one is unknown, or none is named.
    """
    names = dict.fromkeys(name.strip().lower() for name in given.split(",") if name.strip())
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        what = f"unknown format {quoted(unknown[0])}" if unknown else "no format is named"
        raise UsageError(f"{what}: use one or more of {', '.join(FORMATS)}.")
    return tuple(names)


def export_names(stem: str, formats: Sequence[str]) -> tuple[str, ...]:
    """Return what the files of one video are called."""
    return tuple(stem + FORMATS[name].suffix for name in formats)


def export(
    result: Result, formats: Sequence[str], folder: Path, media: Path | None = None
) -> tuple[Path, ...]:
    """Write a result in some formats, each file whole or not at all.

    Parameters
    ----------
    result : Result
    formats : sequence of str
        Keys of `FORMATS`.
    folder : Path
        Made if it is not there.
    media : Path, optional
        Where the media file is; ELAN's files name it relative to themselves.

    Returns
    -------
    tuple of Path
        The files, in the order of ``formats``.

    Raises
    ------
    ResultError
        If one cannot be written, or cannot hold what the result says.
    """
    paths = tuple(folder / name for name in export_names(result.stem, formats))
    for name, path in zip(formats, paths, strict=True):
        if name == "textgrid":
            with result_path(path) as temporary:
                write_textgrid(result, temporary)
        elif name == "eaf":
            write_result(path, eaf_bytes(result, _relative(media, folder)))
        else:
            write_result(path, _content(name, result))
    return paths


def _content(name: str, result: Result) -> bytes:
    try:
        return _WRITERS[name](result)
    # Columns of tables have types of their own: a number may be too large for one.
    except (ValueError, OverflowError) as error:
        raise ResultError(
            f"the result of {result.media} does not fit into {name} ({str(error)[:80]}): export "
            "it to other formats."
        ) from error


def _relative(media: Path | None, folder: Path) -> PurePath | None:
    if media is None:
        return None
    try:
        return PurePath(os.path.relpath(media, folder))
    except ValueError:  # on Windows, another drive: there is no way from here to there
        return PurePath(media.name)


def _csv(result: Result) -> bytes:
    from affect_pipe.pipeline.results.csv_result import published_csv

    return published_csv(result.published)


def _parquet(result: Result) -> bytes:
    from affect_pipe.pipeline.results.utterance_dataset import published_bytes

    return published_bytes(result.published, result.stem)


_WRITERS: Mapping[str, Callable[[Result], bytes]] = {
    "vtt": vtt_bytes,
    "srt": srt_bytes,
    "audacity": audacity_bytes,
    "csv": _csv,
    "parquet": _parquet,
    "jsonl": json_lines_bytes,
}
