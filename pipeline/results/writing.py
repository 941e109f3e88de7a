"""Putting a finished result on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from affect_pipe.pipeline.atomic import atomic_open, atomic_path, nameless_path
from affect_pipe.pipeline.errors import ResultError


def write_result(path: str | Path, data: bytes) -> None:
    """Write ``data`` as the file ``path``, whole or not at all; its folder is made when missing.

    Raises
    ------
    ResultError
        If the folder cannot be made or written to, or the disk is full. An older file stays.
    """
    with open_result(path) as file:
        file.write(data)


@contextmanager
def open_result(path: str | Path) -> Iterator[BinaryIO]:
    """Open the file ``path`` for writing; it appears whole when the block ends well.

    Raises
    ------
    ResultError
        As `write_result`.
    """
    path = Path(path)
    with _told(path), atomic_open(path) as file:
        yield file


@contextmanager
def result_path(path: str | Path) -> Iterator[Path]:
    """Give the path of a new file to write, which becomes ``path`` when the block ends well.

    For libraries that open files by themselves.

    Raises
    ------
    ResultError
        As `write_result`.
    """
    path = Path(path)
    with _told(path), atomic_path(path) as temporary:
        yield temporary


@contextmanager
def nameless_result(path: str | Path) -> Iterator[Path]:
    """Give the path of a new file to write, as `result_path` does, for large files.

    Where the system can, nothing of it is left even if the process is killed. The path given is
    not beside ``path`` and must not be removed or replaced.

    Raises
    ------
    ResultError
        As `write_result`.
    """
    path = Path(path)
    with _told(path), nameless_path(path) as temporary:
        yield temporary


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ResultError(
            f"the result {path} cannot be written ({reason}): choose another folder with --out."
        ) from error
