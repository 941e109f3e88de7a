"""Which file of a folder holds a table of word vectors, and its bytes as one stream.

Archives are read as they lie: no member is unpacked to the disk.
"""

from __future__ import annotations

import contextlib
import gzip
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted

_ENDINGS = (".txt", ".vec", ".bin", ".gz", ".zip")
# A table of ``v.300d.txt`` is asked for as ``v.300d`` where it lies among the weights ``v``.
_COLUMNS = re.compile(r"\.\d{1,4}d$")
# Decimal numbers shrink to a third; what shrinks to a hundredth is made to fill a disk.
_MAX_RATIO = 100
_MAX_TOLD = 8


class Stream(Protocol):
    """Bytes in order."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end."""


@dataclass(frozen=True)
class TableFile:
    """One table: a file, or a member of a zip archive."""

    path: Path
    member: str | None = None

    def __str__(self) -> str:
        return f"{self.path}" if self.member is None else f"{self.member} in {self.path}"


def find_table(folder: Path, table: str) -> TableFile:
    """Return the file of a folder, or the member of an archive in it, that holds ``table``.

    That is what bears the table's name; where nothing does, the only table there.

    Raises
    ------
    UsageError
        If there is none, there are several of other names, or an archive is damaged.
    """
    files = [path for path in sorted(folder.iterdir()) if path.name.lower().endswith(_ENDINGS)]
    found = [at for path in files for at in _tables_in(path)]
    named = [at for at in found if _stem(at) == table]
    if named:
        # A plain file is read faster than the same in an archive.
        return min(named, key=lambda at: at.member is not None)
    # The member of another size is another table, whatever the file that was asked for.
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            f"{folder} holds no table of word vectors: expected a file ending in "
            f"{', '.join(_ENDINGS)}."
        )
    names = [_stem(at) for at in found]
    said = f"{folder} holds no table {quoted(table)} but {', '.join(names[:_MAX_TOLD])}"
    said += ", ..." if len(names) > _MAX_TOLD else ""
    if all(_COLUMNS.sub("", name) == folder.name for name in names):
        raise UsageError(f"{said}: name one of these.")
    raise UsageError(
        f"{said}: give the one you want a name of its own, `affect-pipe models add NAME FILE`"
        + (" with the file unpacked." if any(at.member for at in found) else ".")
    )


@contextlib.contextmanager
def open_table_file(at: TableFile) -> Iterator[Stream]:
    """Open a table's bytes, unpacked on the way.

    Raises
    ------
    UsageError
        If an archive is damaged, encrypted, or unpacks to far more than it holds.
    """
    try:
        if at.member is not None:
            with zipfile.ZipFile(at.path) as archive:
                _check(archive.getinfo(at.member), at)
                with archive.open(at.member) as member:
                    yield member
        elif at.path.name.lower().endswith(".gz"):
            with gzip.open(at.path) as packed:
                yield packed
        else:
            with at.path.open("rb", buffering=0) as file:
                yield file
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UsageError(f"{at} is damaged ({error}): fetch it again.") from error
    except NotImplementedError as error:
        raise UsageError(f"{at} cannot be unpacked ({error}): pack it with deflate.") from error


def _tables_in(path: Path) -> list[TableFile]:
    if not path.name.lower().endswith(".zip"):
        return [TableFile(path)]
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError) as error:
        raise UsageError(f"{path} is no sound zip archive ({error}): fetch it again.") from error
    # macOS adds a shadow of each file.
    kept = [name for name in names if not name.startswith("__MACOSX/")]
    tables = [name for name in kept if name.lower().endswith((".txt", ".vec", ".bin"))]
    # glove.2024.wikigiga.300d.zip holds wiki_giga_2024_300_...txt: its archive names it.
    return [TableFile(path, name) for name in tables]


def _stem(at: TableFile) -> str:
    name = at.path.name if at.member is None else at.member.rpartition("/")[2]
    for ending in (".gz", ".txt", ".vec", ".bin"):
        name = name.removesuffix(ending)
    return name


def _check(info: zipfile.ZipInfo, at: TableFile) -> None:
    if info.flag_bits & 1:
        raise UsageError(f"{at} is encrypted: unpack it first.")
    if info.file_size > _MAX_RATIO * max(info.compress_size, 1 << 16):
        raise UsageError(f"{at} unpacks to {_MAX_RATIO} times its size and more: it is no table.")
