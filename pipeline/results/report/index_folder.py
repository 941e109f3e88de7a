"""Finding the results below a folder, and what could not be had of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from affect_pipe.pipeline.batch.ledger import NAME, Account, final_failures, read_ledger
from affect_pipe.pipeline.errors import ResultError
from affect_pipe.pipeline.preflight import SUFFIX
from affect_pipe.pipeline.results.report.index_rows import IndexRow, index_row, key_of
from affect_pipe.pipeline.results.result_file import read_result


@dataclass(frozen=True)
class FailedVideo:
    """A video that a batch gave up.

    Attributes
    ----------
    key : str
        What the name of its result would begin with, below the folder.
    video : str
        Path or URL, as the ledger has it.
    kind : str
        `affect_pipe.pipeline.batch.records.FailureKind`.
    reason : str
        One sentence.
    attempts : int
    """

    key: str
    video: str
    kind: str
    reason: str
    attempts: int


@dataclass(frozen=True)
class Unreadable:
    """A result, or a batch's ledger, that cannot be read: its path below the folder, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class ResultFolder:
    """What a folder holds.

    Attributes
    ----------
    name : str
        The folder's own name.
    rows : tuple of IndexRow
        In order of `IndexRow.key`.
    failed : tuple of FailedVideo
    unreadable : tuple of Unreadable
    videos : mapping of str to str
        Path or URL of the video of a key, where a batch's ledger tells it.
    """

    name: str
    rows: tuple[IndexRow, ...]
    failed: tuple[FailedVideo, ...]
    unreadable: tuple[Unreadable, ...]
    videos: Mapping[str, str]


def read_folder(folder: Path, heard: Callable[[int], None] = lambda _: None) -> ResultFolder:
    """Read every ``*.affect.json`` and ``batch.jsonl`` below a folder.

    What cannot be read is listed and stops nothing. Links to folders are not followed.

    Parameters
    ----------
    folder : Path
    heard : callable (n_read), optional
        Hears how many results were read so far.

    Raises
    ------
    ResultError
        If the folder itself cannot be listed.
    """
    rows: list[IndexRow] = []
    failed: list[FailedVideo] = []
    unreadable: list[Unreadable] = []
    videos: dict[str, str] = {}
    for path in _files(folder, unreadable):
        below = PurePosixPath(path.relative_to(folder).as_posix())
        try:
            if path.name == NAME:
                accounts = read_ledger(path).accounts
                failed += _failures(accounts, below.parent)
                videos |= _videos(accounts, below.parent)
            else:
                result = read_result(path)
                rows.append(index_row(result.parts, key_of(below), result.digest))
                heard(len(rows))
        except ResultError as error:
            unreadable.append(Unreadable(str(below), _without(str(error), path)))
    return ResultFolder(
        folder.resolve().name or str(folder),
        tuple(sorted(rows, key=lambda row: row.key)),
        tuple(sorted(failed, key=lambda one: one.key)),
        tuple(sorted(unreadable, key=lambda one: one.path)),
        videos,
    )


def _files(folder: Path, unreadable: list[Unreadable]) -> Iterator[Path]:
    def broken(error: OSError) -> None:
        reason = error.strerror or str(error)
        if Path(error.filename) == folder:
            raise ResultError(f"the folder {folder} cannot be read: {reason}.") from error
        below = Path(error.filename).relative_to(folder).as_posix()
        unreadable.append(Unreadable(f"{below}/", f"The folder cannot be read: {reason}."))

    for place, folders, files in os.walk(folder, onerror=broken):
        folders.sort()
        for name in sorted(files):
            if name == NAME or (name.endswith(SUFFIX) and name != SUFFIX):
                yield Path(place, name)


def _failures(accounts: Mapping[str, Account], below: PurePosixPath) -> list[FailedVideo]:
    return [
        FailedVideo(str(below / target), one.video, one.kind, one.reason, one.attempt)
        for target, one in final_failures(accounts).items()
    ]


def _videos(accounts: Mapping[str, Account], below: PurePosixPath) -> dict[str, str]:
    done = {target: account.done for target, account in accounts.items()}
    return {str(below / target): one.video for target, one in done.items() if one is not None}


def _without(sentence: str, path: Path) -> str:
    """Return a sentence whose file is told beside it."""
    rest = sentence.removeprefix(f"{path} ")
    return rest[:1].upper() + rest[1:]
