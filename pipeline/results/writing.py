"""Putting a finished result on the disk."""

from __future__ import annotations

from pathlib import Path

from affect_pipe.pipeline.atomic import atomic_write
from affect_pipe.pipeline.errors import ResultError


def write_result(path: str | Path, data: bytes) -> None:
    """Write ``data`` as the file ``path``, whole or not at all; its folder is made when missing.

    Raises
    ------
    ResultError
        If the folder cannot be made or written to, or the disk is full. An older file stays.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, [data])
    except OSError as error:
        reason = error.strerror or str(error)
        raise ResultError(
            f"the result {path} cannot be written ({reason}): choose another folder with --out."
        ) from error
