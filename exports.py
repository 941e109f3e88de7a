"""Results of any number of videos, written as other tools read them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from affect_pipe.pipeline.errors import AffectPipeError, UsageError
from affect_pipe.pipeline.preflight import SUFFIX
from affect_pipe.pipeline.results.exports.formats import export, parse_formats
from affect_pipe.pipeline.results.result_file import read_named_result, read_result


@dataclass(frozen=True)
class ToExport:
    """One result, the folder its exports go to, and whether the user named the file itself."""

    path: Path
    folder: Path
    is_named: bool


@dataclass(frozen=True)
class Exported:
    """What came of one result: the files written, or why none was."""

    result: Path
    paths: tuple[Path, ...] = ()
    failure: AffectPipeError | None = None


def find_results(given: Sequence[Path], out: Path | None = None) -> list[ToExport]:
    """Return the results that are meant, each once, in order.

    Parameters
    ----------
    given : sequence of Path
        Results; and folders, which are searched for ``*.affect.json``, sub-folders included.
    out : Path, optional
        Where exports go; by default beside each result. Sub-folders are kept apart below it.

    Raises
    ------
    UsageError
        If there is no such file, or a folder holds no result.
    """
    found: dict[Path, ToExport] = {}
    for path in given:
        if path.is_dir():
            inside = sorted(p for p in path.rglob(f"*{SUFFIX}") if p.is_file())
            if not inside:
                raise UsageError(f"{path} holds no result, *{SUFFIX}: name a folder of results.")
        elif path.is_file():
            inside = [path]
        else:
            raise UsageError(f"there is no result {path}: name a result or a folder of them.")
        for one in inside:
            below = one.parent.relative_to(path) if path.is_dir() else Path()
            folder = one.parent if out is None else out / below
            found.setdefault(one.resolve(), ToExport(one, folder, one is path))
    return list(found.values())


def export_file(file: ToExport, formats: Sequence[str], media: Path | None = None) -> Exported:
    """Export one result.

    Parameters
    ----------
    file : ToExport
    formats : sequence of str
        Of `affect_pipe.pipeline.results.exports.formats.FORMATS`.
    media : Path, optional
        Folder of the videos, or the video; by default the result's own folder. ELAN's files name
        the video relative to themselves where it is there.
    """
    try:
        result = (read_named_result if file.is_named else read_result)(file.path)
        where = media or file.path.parent
        # Its name alone: a result from elsewhere is to lead to no other folder.
        video = where / PurePath(result.media).name if where.is_dir() else where
        # Of a name that no file can have, too.
        known = video if os.path.isfile(video) else None
        return Exported(file.path, export(result, formats, file.folder, known))
    except AffectPipeError as error:
        return Exported(file.path, failure=error)


def export_results(
    results: str | Path | Sequence[str | Path],
    formats: Sequence[str],
    out: str | Path | None = None,
    *,
    media: str | Path | None = None,
) -> list[Exported]:
    """Write results as files other tools read: ``<stem>.affect.<format>``.

    Parameters
    ----------
    results : str, Path, or sequence of them
        JSON results, and folders, which are searched for them.
    formats : sequence of str
        eaf, textgrid, vtt, srt, audacity, csv, parquet, jsonl.
    out : str or Path, optional
        Folder of the files; by default beside each result.
    media : str or Path, optional
        Where the videos are, for ELAN.

    Returns
    -------
    list of Exported
        One a result; one that cannot be read does not stop the others.

    Raises
    ------
    UsageError
        If a format is unknown, or there is no result.
    """
    several = [results] if isinstance(results, str | Path) else results
    asked = parse_formats(",".join(formats))
    files = find_results([Path(one) for one in several], None if out is None else Path(out))
    where = None if media is None else Path(media)
    return [export_file(file, asked, where) for file in files]
