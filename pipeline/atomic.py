"""Writing files so that a reader sees the old bytes or the new ones, never half of them."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

TEMPORARY_PREFIX = ".affect-pipe-"
TEMPORARY_SUFFIX = ".tmp"


def temporary_name() -> str:
    """Return a file name no other writer uses; short, whatever the final name's length."""
    return f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"


def is_temporary(name: str) -> bool:
    """Whether a file of this name was left by an interrupted write."""
    return name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)


@contextlib.contextmanager
def atomic_open(path: str | Path) -> Iterator[BinaryIO]:
    """Open a new file for writing bytes that takes the place of ``path`` when the block ends well.

    The bytes are on the disk before the name is. When the block raises, ``path`` is as it was and
    nothing is left behind.

    Raises
    ------
    OSError
        If the folder is missing or not writable, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(temporary_name())
    # Not tempfile: its files are private to the owner, a result must follow the user's umask.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give the path of an empty new file that takes the place of ``path`` when the block ends well.

    For libraries that write files by name; `atomic_open` otherwise.

    Raises
    ------
    OSError
        As `atomic_open`.
    """
    path = Path(path)
    temporary = path.with_name(temporary_name())
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666))
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


_BINARY = getattr(os, "O_BINARY", 0)


def atomic_write(path: str | Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Write ``chunks`` one after another as the file ``path``, whole or not at all.

    Raises
    ------
    OSError
        As `atomic_open`.
    """
    with atomic_open(path) as file:
        for chunk in chunks:
            file.write(chunk)
