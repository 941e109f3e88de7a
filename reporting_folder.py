"""A folder of results as pages: one a video, and the index of all; see docs/report.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from affect_pipe.batch import again
from affect_pipe.pipeline.batch.ledger import NAME as LEDGER
from affect_pipe.pipeline.errors import AffectPipeError, UsageError
from affect_pipe.pipeline.preflight import SUFFIX
from affect_pipe.pipeline.results.report.index import NAME, index_page, page_path
from affect_pipe.pipeline.results.report.index_folder import ResultFolder, read_folder
from affect_pipe.pipeline.results.report.index_rows import IndexRow
from affect_pipe.pipeline.results.report.pages import Pages, check_index, make_pages
from affect_pipe.pipeline.results.writing import write_result
from affect_pipe.pipeline.settings import RunSettings

if TYPE_CHECKING:
    from affect_pipe.reporting import ReportOptions

Tell = Callable[[str], None]
_TOLD_EVERY = 25


@dataclass(frozen=True)
class FolderReport:
    """What came of a folder.

    Attributes
    ----------
    index : Path
    folder : ResultFolder
        What was read, and what could not be.
    pages : Pages
        What became of the videos' own pages.
    """

    index: Path
    folder: ResultFolder
    pages: Pages

    @property
    def is_whole(self) -> bool:
        """Whether everything could be read, and every page made."""
        return not self.folder.unreadable and not any(self.pages.faults.values())


def _ignore(line: str) -> None:
    """Tell nobody."""


def report_folder(
    folder: str | Path,
    out: str | Path | None = None,
    options: ReportOptions | None = None,
    *,
    index_only: bool = False,
    tell: Tell = _ignore,
) -> FolderReport:
    """Make an index page of all results below a folder, and the page of each video.

    Pages whose result is as it was when they were made are not made again. What cannot be read,
    or made, is listed in the index and stops nothing.

    Parameters
    ----------
    folder : str or Path
        Searched with its sub-folders for ``*.affect.json``, and ``batch.jsonl``.
    out : str or Path, optional
        Gets ``index.html``, and the pages as the results lie below ``folder``; that one itself,
        if none is given.
    options : ReportOptions, optional
        Of the videos' pages. Where ``run`` is as by default and the folder is that of a batch, the
        batch's own settings count.
    index_only : bool
        Whether no page is made; the index links to those that are there.
    tell : callable (line)
        Hears what goes wrong, and how much there is to do.

    Returns
    -------
    FolderReport

    Raises
    ------
    UsageError
        If there is no such folder, or nothing of a result or a batch is in it.
    ResultError
        If the folder cannot be read, or the index cannot be written.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: name a folder of results.")
    place = folder if out is None else Path(out)
    if place.is_file() or place.suffix == ".html":
        raise UsageError(f"--out {place} is a file: an index and its pages need a folder.")
    index = place / NAME
    check_index(index)
    found = read_folder(folder)
    known = found.rows or found.failed or found.unreadable
    if not known and not (folder / LEDGER).is_file():
        raise UsageError(f"{folder} holds no result, *{SUFFIX}: name a folder of results.")
    for one in found.unreadable:
        tell(f"{one.path}: {one.reason}")
    pages = _those_there(found, place) if index_only else _make(found, folder, place, options, tell)
    # Those without their video are faulty, and there.
    linked = {k: why and (None if k in pages.bare else why) for k, why in pages.faults.items()}
    write_result(index, index_page(found, linked))
    return FolderReport(index, found, pages)


def _those_there(found: ResultFolder, place: Path) -> Pages:
    there = [row.key for row in found.rows if (place / page_path(row.key)).is_file()]
    return Pages(kept=len(there), faults=dict.fromkeys(there))


def _make(
    found: ResultFolder, folder: Path, place: Path, options: ReportOptions | None, tell: Tell
) -> Pages:
    from affect_pipe.reporting import NoVideoError, ReportOptions, report

    bare = set()
    options = options or ReportOptions()
    if options.media is not None and not options.media.is_dir():
        raise UsageError(
            f"--media {options.media} is no folder: name the folder of the videos, which lie in "
            "it as their results do."
        )
    if options.run == RunSettings():
        options = replace(options, run=_settings(folder))

    made = count(1)

    def make(row: IndexRow, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        result, media = folder / f"{row.key}{SUFFIX}", _video(row, found, options.media)

        def told(line: str) -> None:
            tell(f"{row.key}: {line}")

        try:
            report(result, path, replace(options, media=media), tell=told)
        except UsageError:
            if media is None:
                raise
            # The file of that name is no longer the one that was analysed.
            report(result, path, replace(options, media=None), tell=told)
        except NoVideoError:
            bare.add(row.key)
            raise
        if (number := next(made)) % _TOLD_EVERY == 0:
            tell(f"{number} pages made, of {len(found.rows)} videos")

    pages = make_pages(found.rows, place, make, options)
    pages.bare = frozenset(bare)
    for key, reason in pages.faults.items():
        if reason is not None:
            tell(f"{key}: {reason}")
    return pages


def _settings(folder: Path) -> RunSettings:
    """Return the settings of the batch that made the results; the usual ones where none tells."""
    if not (folder / LEDGER).is_file():
        return RunSettings()
    try:
        return again(folder).settings
    except AffectPipeError:  # of another version, or damaged: the pages say what they lack
        return RunSettings()


def _video(row: IndexRow, found: ResultFolder, media: Path | None) -> Path | None:
    """Return the video of a row, where the user or its batch says where it is and it is there."""
    if media is not None:
        places = [media / row.folder / row.file, media / row.file]
    else:
        told = Path(found.videos.get(row.key, ""))
        places = [told] if told.name == row.file else []
    return next((path for path in places if path.is_file()), None)
