"""Opening the files of a corpus: missing, oversized and malformed ones in one clear sentence."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.errors import AffectPipeError, UsageError

Split = Literal["train", "dev", "test"]
# Several times the largest corpus file there is; anything above was not meant for this.
MAX_TEXT_BYTES = 256 * 2**20
MAX_ARRAY_BYTES = 2 * 2**30


class CorpusError(AffectPipeError):
    """A corpus file is there but is not what its layout says."""


def existing(path: Path, corpus: str, max_bytes: int = MAX_TEXT_BYTES) -> Path:
    """Return ``path`` if it is a file of bearable size.

    Raises
    ------
    UsageError
        If there is no such file.
    CorpusError
        If it is larger than ``max_bytes``.
    """
    if not path.is_file():
        raise UsageError(
            f"{corpus}: there is no file {path}: give the folder that holds the corpora, "
            f"laid out as docs/data.md says."
        )
    size = path.stat().st_size
    if size > max_bytes:
        raise CorpusError(
            f"{corpus}: {path} has {size} bytes, more than the {max_bytes} that are read: "
            "it is not the published file, fetch that one."
        )
    return path


def read_lines(path: Path, corpus: str) -> list[str]:
    """Read a UTF-8 text file as lines without their ends."""
    try:
        text = existing(path, corpus).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{corpus}: {path} is not UTF-8 text: {error}; fetch it anew.") from error
    # Not splitlines: comments may hold other separators of lines, which end none here.
    return [line.rstrip("\r") for line in text.split("\n") if line.strip()]


def read_csv(path: Path, corpus: str, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a CSV file with a header.

    Raises
    ------
    CorpusError
        If one of ``columns`` is missing or a row is short.
    """
    existing(path, corpus)
    with malformed(path, corpus), path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"it has no column {', '.join(missing)}")
        rows = list(reader)
        for number, row in enumerate(rows, start=2):
            if any(row[name] is None for name in columns):
                raise ValueError(f"row {number} is too short")
    return rows


def read_arrays(path: Path, corpus: str, names: Sequence[str]) -> Mapping[str, npt.NDArray[Any]]:
    """Read named arrays of an ``.npz`` file; no pickled objects.

    Raises
    ------
    CorpusError
        If the file is no archive, lacks a name, or unpacks to more than `MAX_ARRAY_BYTES`.
    """
    existing(path, corpus, MAX_ARRAY_BYTES)
    with malformed(path, corpus):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_ARRAY_BYTES:
            raise ValueError(f"it unpacks to {unpacked} bytes")
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise ValueError(f"it has no array {', '.join(missing)}")
            return {name: archive[name] for name in names}


@contextmanager
def malformed(path: Path, corpus: str) -> Iterator[None]:
    """Turn what goes wrong while a file is read into a `CorpusError` that names it."""
    try:
        yield
    except (ValueError, KeyError, IndexError, csv.Error, OSError, zipfile.BadZipFile) as error:
        raise CorpusError(
            f"{corpus}: {path} cannot be read: {error}; expected the published layout, "
            "fetch the file anew."
        ) from error
