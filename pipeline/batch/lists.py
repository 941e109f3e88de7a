"""The rows of a list of videos: a text file with a path a line, or a CSV with named columns."""

from __future__ import annotations

import codecs
import csv
import difflib
import io
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted

COLUMNS = ("video", "transcript", "diarisation", "language")
_MAX_BYTES = 1 << 28
_DELIMITERS = (",", ";", "\t")
# As 'vidoe' is to 'video'; 'lang' is a name of its own.
_ALIKE = 0.79
_NAMED = 6


def rows(path: Path, tell: Callable[[str], None]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of each line that names a video, and its cells by `COLUMNS`.

    A CSV may be separated by commas, semicolons or tabs; its header names the columns, in any case.

    Parameters
    ----------
    path : Path
    tell : callable (line)
        Hears which columns are not read.

    Raises
    ------
    UsageError
        If the list cannot be read, is not UTF-8, or a header or a row cannot be meant.
    """
    text = _read(path)
    return _rows_of_csv(text, path, tell) if path.suffix.lower() == ".csv" else _lines(text)


def _lines(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        name = line.strip()
        if name and not name.startswith("#"):
            yield number, {"video": name}


def _rows_of_csv(
    text: str, path: Path, tell: Callable[[str], None]
) -> Iterator[tuple[int, dict[str, str]]]:
    delimiter, header = _header(text, path)
    _check_header(header, path, tell)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        next(reader)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                raise UsageError(
                    f"{path}, line {reader.line_num}, has {len(cells)} fields, but the first line "
                    f"names {len(header)} columns: put a field that holds {quoted(delimiter)} in "
                    "double quotes."
                )
            found = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
            fields = {name: found.get(name, "") for name in COLUMNS}
            if not fields["video"]:
                raise UsageError(
                    f"{path}, line {reader.line_num}, has nothing in the column 'video': name the "
                    "file there, or remove the line."
                )
            yield reader.line_num, fields
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV ({error}): mend it.") from error


def _header(text: str, path: Path) -> tuple[str, list[str]]:
    """Return what parts the fields, and the names of the columns in lower case."""
    names: list[str] = []
    for delimiter in _DELIMITERS:
        try:
            first = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error as error:
            raise UsageError(f"{path} is no CSV ({error}): mend it.") from error
        found = [name.strip().lower() for name in first]
        if "video" in found:
            return delimiter, found
        names += found
    _check_spelling(names, path)
    raise UsageError(
        f"{path} has no column 'video': its first line must name the columns, separated by commas, "
        f"semicolons or tabs, of which {', '.join(COLUMNS)} are read."
    )


def _check_header(header: list[str], path: Path, tell: Callable[[str], None]) -> None:
    twice = next((name for name in COLUMNS if Counter(header)[name] > 1), None)
    if twice is not None:
        raise UsageError(f"{path} has two columns called {twice!r}: rename one.")
    _check_spelling(header, path)
    others = [name for name in header if name and name not in COLUMNS]
    if others:
        named = ", ".join(quoted(name, 40) for name in others[:_NAMED])
        more = ", ..." if len(others) > _NAMED else ""
        tell(f"{path}: not read are the columns {named}{more}; read are {', '.join(COLUMNS)}.")


def _check_spelling(names: list[str], path: Path) -> None:
    for name in names:
        # What is long is no slip, and slow to compare; 'transcript_id' is a name of its own.
        if name in COLUMNS or len(name) > 40 or name.startswith(tuple(f"{c}_" for c in COLUMNS)):
            continue
        alike = difflib.get_close_matches(name, COLUMNS, n=1, cutoff=_ALIKE)
        if alike:
            raise UsageError(
                f"{path} has a column {quoted(name)}: call it {alike[0]!r} if that is meant, else "
                "give it a name that is less alike."
            )


def _read(path: Path) -> str:
    try:
        # A pipe may never say anything.
        if not path.is_file():
            raise UsageError(f"the list {path} is no regular file: check the path.")
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError(f"the list {path} is larger than 256 MiB: which file is it?")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the list {path} cannot be read ({error.strerror}): check the path."
        ) from error
    if _is_utf16(data):
        raise UsageError(f"the list {path} is UTF-16: save it as UTF-8.")
    # File names may be any bytes.
    return data.decode("utf-8-sig", errors="surrogateescape")


def _is_utf16(data: bytes) -> bool:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    # Without a mark, about every other byte of what is mostly Latin text is zero.
    return any(data[first::2].count(0) > 0.2 * len(data) for first in (0, 1))
