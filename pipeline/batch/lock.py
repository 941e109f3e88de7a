"""One batch at a time on one result folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from affect_pipe.pipeline.errors import ResultError, UsageError

NAME = ".batch.lock"


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder's lock during the block; the system lets go of it when the process dies.

    Raises
    ------
    UsageError
        If another process holds it.
    ResultError
        If it cannot be made.
    """
    try:
        # Not inherited by workers: they may outlive a killed batch for a moment.
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise ResultError(
            f"{folder / NAME} cannot be made ({error.strerror}): choose another --out."
        ) from error
    try:
        try:
            _lock(descriptor)
        except OSError as error:
            raise UsageError(
                f"another batch is writing to {folder}: wait for it, or choose another --out."
            ) from error
        yield
    finally:
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Whether a batch runs on the folder now."""
    if not (folder / NAME).exists():
        return False
    with suppress(ResultError):
        try:
            with only_one(folder):
                return False
        except UsageError:
            return True
    return False


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
