"""Which videos a batch means: folders, patterns, lists."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath

from affect_pipe.pipeline.batch.lists import rows
from affect_pipe.pipeline.batch.records import Item
from affect_pipe.pipeline.batch.remote_media import find_remote
from affect_pipe.pipeline.batch.remote_store import is_url
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.media_files import (
    AUDIO_SUFFIXES,
    VIDEO_SUFFIXES,
    MediaFile,
    find_media,
    same_targets,
    told_clashes,
)
from affect_pipe.pipeline.results.utterance_dataset import FOLDER

LISTS = (".txt", ".csv")
_WILD = "*?["


def find_items(given: Sequence[str], tell: Callable[[str], None]) -> tuple[Item, ...]:
    """Return the videos that are meant, each once.

    Parameters
    ----------
    given : sequence of str
        Folders, searched with their sub-folders; patterns, where ``**`` is any number of folders;
        ``.txt`` lists with a path a line; ``.csv`` lists with a column ``video`` and, if need be,
        ``transcript``, ``diarisation``, ``language``; media files; fsspec URLs of folders, patterns
        and media files. Neither a folder nor ``**`` follows links to folders. Paths in a list count
        from the list's folder; URLs may stand there, too.
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
        If nothing is found, a list is malformed, two videos would write the same results, or one
        is named twice with different words, speakers or languages.
    """
    found: dict[str, tuple[Item, str]] = {}
    for one in given:
        if "\0" in one:
            raise UsageError(f"{one!r} holds a NUL character, which no path may.")
        for item, where in _of(one, tell):
            # The same file named twice is a slip, as by two patterns that overlap.
            first, first_where = found.setdefault(_place(item.video), (item, where))
            if _named(first) != _named(item):
                raise UsageError(
                    f"{item.video} is named by {first_where} and by {where} with different "
                    "transcripts, diarisations or languages: keep one of them."
                )
    items = tuple(item for item, _ in found.values())
    _check_targets(items)
    return items


def _place(video: str) -> str:
    """Return what is the same for one file, however links to folders lead to it."""
    if is_url(video):
        return video
    folder, name = os.path.split(os.path.abspath(video))
    return os.path.join(os.path.realpath(folder), name)


def _named(item: Item) -> tuple[object, ...]:
    """Return what decides the result of a video besides its own bytes."""
    return (
        item.transcript,
        item.diarisation,
        item.language,
        item.transcript_url,
        item.diarisation_url,
    )


def _of(one: str, tell: Callable[[str], None]) -> Iterator[tuple[Item, str]]:
    """Yield the videos of one thing given, and what names each, for messages."""
    path = Path(one)
    if not is_url(one) and not path.is_dir() and path.suffix.lower() in LISTS:
        yield from _of_list(path, tell)
    else:
        yield from ((item, one) for item in _found(one, path, tell))


def _found(one: str, path: Path, tell: Callable[[str], None]) -> Iterator[Item]:
    if is_url(one):
        if path.suffix.lower() in LISTS:
            raise UsageError(f"the list {one} is read from a file: copy it here; it may hold URLs.")
        yield from find_remote(one)
    elif path.is_dir():
        yield from map(_item, find_media([path], tell))
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
    if ".." in parts[fixed:]:
        raise UsageError(f"the pattern {quoted(pattern)} has '..' after a wildcard: leave it out.")
    n = 0
    for path in sorted(_matches(root, parts[fixed:])):
        if path.suffix.lower() in VIDEO_SUFFIXES | AUDIO_SUFFIXES and path.is_file():
            n += 1
            yield _item(MediaFile(path, path.parent.relative_to(root)))
    if not n:
        raise UsageError(
            f"the pattern {quoted(pattern)} matches no file with the name of a video or audio file."
        )


def _matches(root: Path, wanted: Sequence[str]) -> Iterator[Path]:
    """Yield what matches; ``**`` does not follow links to folders, which may lead in circles."""
    # Only a part that is nothing but '**' stands for folders; at the end, for all below them.
    parts = [part if part == "**" else re.sub(r"\*\*+", "*", part) for part in wanted]
    if parts[-1] == "**":
        parts.append("*")
    hidden_too = any(part.startswith(".") for part in parts)
    for path in root.glob("/".join(parts)):
        below = path.relative_to(root).parts
        if hidden_too or not any(part.startswith(".") for part in below):
            yield path


def _of_list(path: Path, tell: Callable[[str], None]) -> Iterator[tuple[Item, str]]:
    n = 0
    for number, row in rows(path, tell):
        n += 1
        yield _listed(path, number, row), f"{path}, line {number},"
    if not n:
        raise UsageError(f"the list {path} names no video: write one path a line.")


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
    clashes = same_targets((item.target, item.video) for item in items)
    if clashes:
        raise UsageError(
            f"{told_clashes(clashes)}: name the folder above them, whose sub-folders are kept "
            "apart, or rename one of each."
        )
    for item in items:
        if item.target.split("/")[0] == FOLDER and "/" in item.target:
            raise UsageError(
                f"the results of {item.video} would lie in {FOLDER}/, which is for the dataset of "
                "utterances: rename its folder."
            )
