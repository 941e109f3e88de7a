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


@contextlib.contextmanager
def nameless_path(path: str | Path) -> Iterator[Path]:
    """Give the path of a new file as `atomic_path` does, but of one without a name where possible.

    Such a file is gone with the process that writes it, even one that is killed. Linux has them on
    its usual file systems; elsewhere this is `atomic_path`.

    Raises
    ------
    OSError
        As `atomic_open`.
    """
    path = Path(path)
    descriptor = _open_nameless(path.parent)
    if descriptor is None:
        with atomic_path(path) as temporary:
            yield temporary
        return
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
        os.fsync(descriptor)
        _name(descriptor, path)
    finally:
        os.close(descriptor)


def _open_nameless(folder: Path) -> int | None:
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None or not os.path.isdir("/proc/self/fd"):
        return None
    try:
        return os.open(folder, flag | os.O_RDWR, 0o666)
    except OSError:  # this file system has no such files; whatever else is wrong will be told
        return None


def _name(descriptor: int, path: Path) -> None:
    """Give a file without a name the name ``path``, in place of what has it now."""
    temporary = path.with_name(temporary_name())
    # Python follows the link, which /proc's is, only when it is told where to look for it.
    folder = os.open("/", os.O_RDONLY)
    try:
        os.link(f"/proc/self/fd/{descriptor}", temporary, src_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)
    try:
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
