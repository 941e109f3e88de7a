"""Making the pages of many videos, and only those whose result changed since."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from affect_pipe.pipeline.errors import AffectPipeError, ResultError
from affect_pipe.pipeline.fingerprint import digest_bytes
from affect_pipe.pipeline.results.report.index import page_path
from affect_pipe.pipeline.results.report.index_rows import IndexRow
from affect_pipe.pipeline.results.writing import write_result

MANIFEST = ".affect-pipe-pages.json"
_SCHEMA = "affect-pipe-pages/1"
_PACKAGE = "affect_pipe.pipeline.results.report"

MakePage = Callable[[IndexRow, Path], None]
"""Makes the page of a video at a path."""


@dataclass
class Pages:
    """What became of the pages.

    Attributes
    ----------
    made, kept : int
        Pages made now, and those that were up to date.
    faults : dict of str to (str or None)
        By key: why a page could not be made as asked; None where it is there.
    bare : frozenset of str
        Keys of the faulty pages that are there all the same, without the video they were to have.
    """

    made: int = 0
    kept: int = 0
    faults: dict[str, str | None] = field(default_factory=dict)
    bare: frozenset[str] = frozenset()


def make_pages(rows: Sequence[IndexRow], out: Path, make: MakePage, settings: object) -> Pages:
    """Make the page of every row, unless it is there and was made of the same result.

    One page that cannot be made does not stop the others.

    Parameters
    ----------
    rows : sequence of IndexRow
    out : Path
        Folder of the pages; which result each was made of is kept there, in `MANIFEST`.
    make : callable (row, path)
    settings : object
        What else decides a page; other settings make all pages anew. Its ``repr`` counts.

    Raises
    ------
    ResultError
        If what was made cannot be noted.
    """
    recipe = digest_bytes(_code(), repr(settings).encode("utf-8", "backslashreplace"))
    before = _read(out)
    notes: dict[str, dict[str, Any]] = {}
    pages = Pages()
    try:
        for row in rows:
            _make(row, out, make, recipe, before, notes, pages)
    finally:
        # What was made before an interruption is not made again.
        _write(out, {**{k: v for k, v in before.items() if k not in notes}, **notes})
    return pages


def _make(
    row: IndexRow,
    out: Path,
    make: MakePage,
    recipe: str,
    before: Mapping[str, Mapping[str, Any]],
    notes: dict[str, dict[str, Any]],
    pages: Pages,
) -> None:
    path = out / page_path(row.key)
    wanted = {"result": row.digest, "recipe": recipe}
    known = before.get(row.key, {})
    if known and known == {**wanted, "bytes": _size(path)}:
        notes[row.key] = dict(known)
        pages.kept += 1
    else:
        notes[row.key] = {}
        try:
            make(row, path)
        except AffectPipeError as error:
            pages.faults[row.key] = str(error)
            return
        notes[row.key] = {**wanted, "bytes": _size(path)}
        pages.made += 1
    pages.faults[row.key] = None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _code() -> bytes:
    """Return the bytes of all that makes pages: a new version makes them anew."""
    folders = [resources.files(_PACKAGE)]
    folders += [folders[0] / "assets", folders[0] / "templates"]
    files = [file for folder in folders for file in folder.iterdir() if file.is_file()]
    return b"".join(file.read_bytes() for file in sorted(files, key=lambda file: file.name))


def _read(out: Path) -> dict[str, dict[str, Any]]:
    """Return the notes of the last time; without them every page is made."""
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads((out / MANIFEST).read_bytes())
        if isinstance(found, dict) and found.get("schema") == _SCHEMA:
            pages = found.get("pages")
            if isinstance(pages, dict) and all(isinstance(p, dict) for p in pages.values()):
                return pages
    return {}


def _write(out: Path, notes: Mapping[str, Mapping[str, Any]]) -> None:
    kept = {key: notes[key] for key in sorted(notes) if notes[key]}
    text = json.dumps({"schema": _SCHEMA, "pages": kept}, indent=0)
    write_result(out / MANIFEST, text.encode())


def check_index(path: Path) -> None:
    """Make sure that no page of somebody else is overwritten.

    Raises
    ------
    ResultError
        If there is a file of another origin.
    """
    try:
        with path.open("rb") as file:
            start = file.read(1 << 20)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror or error}.") from error
    if b'<meta name="generator" content="affect-pipe">' not in start:
        raise ResultError(
            f"{path} is there and is no page of affect-pipe: choose another folder with --out."
        )
