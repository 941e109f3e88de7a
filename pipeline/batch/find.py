"""Which videos a batch means: folders, patterns, lists."""

from __future__ import annotations

import csv
import glob
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath

from affect_pipe.pipeline.batch.records import Item
from affect_pipe.pipeline.batch.remote_media import find_remote
from affect_pipe.pipeline.batch.remote_store import is_url
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.media_files import AUDIO_SUFFIXES, VIDEO_SUFFIXES, MediaFile, find_media

LISTS = (".txt", ".csv")
_COLUMNS = ("video", "transcript", "diarisation", "language")
_MAX_LIST_BYTES = 1 << 28
_WILD = "*?["


def find_items(given: Sequence[str], tell: Callable[[str], None]) -> tuple[Item, ...]:
    """Return the videos that are meant, each once.

    Parameters
    ----------
    given : sequence of str
        Folders, searched with their sub-folders; patterns, where ``**`` is any number of folders;
        ``.txt`` lists with a path a line; ``.csv`` lists with a column ``video`` and, if need be,
        ``transcript``, ``diarisation``, ``language``; media files; fsspec URLs of folders, patterns
        and media files. Paths in a list count from the list's folder; URLs may stand there, too.
    tell : callable (line)
        Hears what is left out.

    Returns
    -------
    tuple of Item
        Results lie as the videos lie below the folder, below the pattern's last folder without a
        wildcard, or as a list writes them.

    Raises
    ------
    UsageError
        If nothing is found, a list is malformed, or two videos would write the same results.
    """
    found: dict[str, Item] = {}
    for one in given:
        if "\0" in one:
            raise UsageError(f"{one!r} holds a NUL character, which no path may.")
        for item in _of(one, tell):
            # The same file named twice is a slip, as by two patterns that overlap.
            place = item.video if is_url(item.video) else os.path.abspath(item.video)
            found.setdefault(place, item)
    _check_targets(list(found.values()))
    return tuple(found.values())


def _of(one: str, tell: Callable[[str], None]) -> Iterator[Item]:
    path = Path(one)
    if is_url(one):
        if path.suffix.lower() in LISTS:
            raise UsageError(f"the list {one} is read from a file: copy it here; it may hold URLs.")
        yield from find_remote(one)
    elif path.is_dir():
        yield from map(_item, find_media([path], tell))
    elif path.suffix.lower() in LISTS:
        yield from _of_list(path)
    elif any(sign in one for sign in _WILD) and not path.exists():
        yield from _of_pattern(one)
    elif path.exists() or path.is_symlink():
        yield _item(MediaFile(path))
    else:
        raise UsageError(f"{one} does not exist: name a folder, a pattern, a list or media files.")


def _item(file: MediaFile) -> Item:
    return Item(os.path.abspath(file.path), file.target.as_posix())


def _of_pattern(pattern: str) -> Iterator[Item]:
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if any(sign in part for sign in _WILD))
    root = Path(*parts[:fixed])
    n = 0
    for name in sorted(glob.glob(pattern, recursive=True)):
        path = Path(name)
        if path.suffix.lower() in VIDEO_SUFFIXES | AUDIO_SUFFIXES and path.is_file():
            n += 1
            yield _item(MediaFile(path, path.parent.relative_to(root)))
    if not n:
        raise UsageError(
            f"the pattern {quoted(pattern)} matches no file with the name of a video or audio file."
        )


def _of_list(path: Path) -> Iterator[Item]:
    rows = _rows_of_csv(path) if path.suffix.lower() == ".csv" else _rows_of_text(path)
    n = 0
    for number, row in rows:
        n += 1
        yield _listed(path, number, row)
    if not n:
        raise UsageError(f"the list {path} names no video: write one path a line.")


def _rows_of_text(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(_read(path).splitlines(), start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield number, {"video": text}


def _rows_of_csv(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(_read(path), newline=""))
    header = reader.fieldnames or ()
    if "video" not in header:
        raise UsageError(
            f"{path} has no column 'video': its first line must name the columns, of which "
            f"{', '.join(_COLUMNS)} are read."
        )
    try:
        for row in reader:
            fields = {name: (row.get(name) or "").strip() for name in _COLUMNS}
            if fields["video"]:
                yield reader.line_num, fields
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV ({error}): mend it.") from error


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_LIST_BYTES:
            raise UsageError(f"the list {path} is larger than 256 MiB: which file is it?")
        return path.read_text("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise UsageError(
            f"the list {path} cannot be read ({error.strerror}): check the path."
        ) from error


def _listed(path: Path, number: int, row: dict[str, str]) -> Item:
    if any("\0" in cell for cell in row.values()):
        raise UsageError(f"{path}, line {number}, holds a NUL character, which no path may.")
    remote = is_url(row["video"])
    written = PurePath(row["video"].rstrip("/").rpartition("/")[2] if remote else row["video"])
    # As it is written, where that is a place below the results; else by its name alone.
    below = not written.is_absolute() and ".." not in written.parts
    target = (written if below else PurePath(written.name)).with_suffix("") if written.name else ""
    if not str(target):
        raise UsageError(f"{path}, line {number}: {quoted(row['video'])} names no file.")

    def beside(name: str) -> Path | None:
        named = row.get(name)
        return path.parent.absolute() / named if named and not is_url(named) else None

    def remote_beside(name: str) -> str | None:
        return row[name] if is_url(row.get(name) or "") else None

    return Item(
        row["video"] if remote else os.path.abspath(path.parent / written),
        PurePath(target).as_posix(),
        beside("transcript"),
        beside("diarisation"),
        row.get("language") or None,
        remote_beside("transcript"),
        remote_beside("diarisation"),
    )


def _check_targets(items: Sequence[Item]) -> None:
    writers: dict[str, Item] = {}
    for item in items:
        other = writers.setdefault(item.target, item)
        if other is not item:
            raise UsageError(
                f"{other.video} and {item.video} would both write {item.target}.*: name the folder "
                "above them, whose sub-folders are kept apart, or rename one."
            )
