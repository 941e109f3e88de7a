"""Making a folder of the store so that others see all of it or nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from affect_pipe.pipeline.atomic import temporary_name
from affect_pipe.pipeline.errors import AffectPipeError
from affect_pipe.pipeline.optional import require

_LOCKS = ".locks"


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
def staged(root: Path, folder_name: str) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``root / folder_name`` if the block ends well.

    To be called under `locked`. When the block raises, the store is as it was and nothing is left.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    temporary, final = root / temporary_name(), root / folder_name
    with told(root):
        temporary.mkdir(parents=True)
    try:
        yield temporary
        with told(root):
            _exchange(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(new: Path, final: Path) -> None:
    """Put a folder in the place of another; there is a moment without either, never with half."""
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
