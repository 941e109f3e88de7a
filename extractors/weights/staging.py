"""Making a folder of the store so that others see all of it or nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from affect_pipe.pipeline.atomic import is_temporary, temporary_name
from affect_pipe.pipeline.errors import AffectPipeError
from affect_pipe.pipeline.optional import require

_LOCKS = ".locks"
# Longer than any download takes.
_STALE_S = 7 * 24 * 3600.0


class StoreError(AffectPipeError):
    """The folder of models cannot be written."""


@contextlib.contextmanager
def locked(root: Path, folder_name: str) -> Iterator[None]:
    """Keep every other process from making the same folder of the store meanwhile.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    filelock = require("filelock", feature="the folder of models")
    with told(root):
        (root / _LOCKS).mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(root / _LOCKS / f"{folder_name}.lock")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def staging(root: Path) -> Iterator[Path]:
    """Yield an empty folder of the store that nobody looks into, and remove it afterwards.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    _remove_stale(root)
    temporary = root / temporary_name()
    with told(root):
        temporary.mkdir(parents=True)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def install(new: Path, final: Path) -> None:
    """Put a finished folder in the place of another, under `locked` and in the same store.

    There is a moment in which neither is there, never one in which there is half of one.

    Raises
    ------
    StoreError
        If the store cannot be written; it is as it was then.
    """
    with told(final.parent):
        old = final.with_name(temporary_name())
        if os.path.lexists(final):
            os.rename(final, old)
        try:
            os.rename(new, final)
        except OSError:
            if os.path.lexists(old):
                os.rename(old, final)
            raise
        remove_tree(old)


def _remove_stale(root: Path) -> None:
    """Remove what writers that were killed have left."""
    with contextlib.suppress(OSError):
        for path in root.iterdir():
            if is_temporary(path.name) and time.time() - path.stat().st_mtime > _STALE_S:
                remove_tree(path)


def remove_tree(path: Path) -> None:
    """Remove a folder, or a link to one without touching what it leads to."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


@contextlib.contextmanager
def told(root: Path) -> Iterator[None]:
    """Turn the operating system's refusal into one sentence."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the folder of models {root} cannot be written ({error.strerror or error}): free "
            "space there, mend its permissions, or name another in AFFECT_PIPE_MODELS."
        ) from error
