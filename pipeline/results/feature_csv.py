"""`FeatureFile` as CSV: a header and rows, nothing else; the metadata in a JSON file beside it.

UTF-8, comma, RFC 4180 quoting. A number is written in the fewest digits that give it back exactly;
an empty cell is an unknown value; truth is ``true`` or ``false``; infinities are ``inf`` and
``-inf``. Text that a spreadsheet would run as a formula has an apostrophe in front, which
`affect_pipe.pipeline.results.csv_result.restore` takes off.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.results.csv_result import neutralise
from affect_pipe.pipeline.results.feature_file import Cells, FeatureFile
from affect_pipe.pipeline.results.writing import open_result, write_result

SIDECAR_SUFFIX = ".json"
# Cells put into words at a time.
_CHUNK = 1 << 18


def write_feature_csv(file: FeatureFile, path: Path) -> None:
    """Write ``path`` and ``path`` with `SIDECAR_SUFFIX`, each whole or not at all.

    Raises
    ------
    ResultError
        If one cannot be written.
    """
    metadata = json.dumps(file.described(), ensure_ascii=False, indent=1, allow_nan=False)
    write_result(path.with_name(path.name + SIDECAR_SUFFIX), f"{metadata}\n".encode())
    with open_result(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow([*file.leading, *file.columns])
        writer.writerows(_rows(file))
        text.detach()


def _rows(file: FeatureFile) -> Iterator[list[str]]:
    step = max(1, _CHUNK // max(1, len(file.columns)))
    for first in range(0, len(file.values), step):
        part = slice(first, first + step)
        leading = [_cells(column[part]) for column in file.leading.values()]
        values = _numbers(file.values[part])
        for where, row in zip(zip(*leading, strict=True), values, strict=True):
            yield list(chain(where, row))


def _cells(column: npt.NDArray[Any] | Cells) -> list[str]:
    if isinstance(column, tuple):
        return [_cell(value) for value in column]
    if column.dtype == np.bool_:
        return ["true" if value else "false" for value in column]
    return _numbers(column)


def _cell(value: str | int | None) -> str:
    if value is None:
        return ""
    return neutralise(value) if isinstance(value, str) else str(int(value))


def _numbers(values: npt.NDArray[Any]) -> list[Any]:
    """Put numbers into words: the fewest digits that are this number and no other of its type."""
    words = values.astype("U32")
    words[np.isnan(values)] = ""
    found: list[Any] = words.tolist()
    return found
