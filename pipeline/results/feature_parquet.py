"""`FeatureFile` as Parquet: one column each, units on the fields, the rest on the schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.results.feature_file import Cells, FeatureFile, is_numbered
from affect_pipe.pipeline.results.writing import open_result

METADATA_KEY = "affect_pipe"
# Cells a row group: what a reader holds at least, and what is copied at a time here.
_GROUP_CELLS = 1 << 22


def write_feature_parquet(file: FeatureFile, path: Path) -> None:
    """Write ``path``, whole or not at all.

    The schema's metadata has the JSON of `FeatureFile.metadata` under ``affect_pipe``; a field's
    has its ``unit``.

    Raises
    ------
    ResultError
        If it cannot be written.
    """
    pyarrow = parquet_library("pyarrow")
    parquet = parquet_library("pyarrow.parquet")
    types = {name: _type(pyarrow, name, column) for name, column in file.leading.items()}
    value_type = pyarrow.from_numpy_dtype(file.values.dtype)
    fields = [
        pyarrow.field(name, kind, metadata=_unit(file.units.get(name, "")))
        for name, kind in types.items()
    ]
    fields += [
        pyarrow.field(name, value_type, metadata=_unit(unit))
        for name, unit in zip(file.columns, file.column_units, strict=True)
    ]
    metadata = json.dumps(file.metadata, ensure_ascii=False, allow_nan=False)
    schema = pyarrow.schema(fields, metadata={METADATA_KEY: metadata})
    step = max(1, _GROUP_CELLS // len(fields))
    with open_result(path) as stream, parquet.ParquetWriter(stream, schema) as writer:
        for first in range(0, max(1, len(file.values)), step):
            part = slice(first, first + step)
            arrays = [
                pyarrow.array(column[part], type=types[name])
                for name, column in file.leading.items()
            ]
            arrays += [pyarrow.array(column) for column in _columns(file.values[part])]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def parquet_library(module: str) -> Any:
    """Import a part of pyarrow.

    Raises
    ------
    MissingDependencyError
        If it is not there.
    """
    return require(module, feature="the format parquet", instead="--format csv needs no library.")


def _columns(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the columns of ``values`` as rows that lie together, as Arrow wants them."""
    return np.ascontiguousarray(values.T)


def _type(pyarrow: Any, name: str, column: npt.NDArray[Any] | Cells) -> Any:
    if not isinstance(column, tuple):
        return pyarrow.from_numpy_dtype(column.dtype)
    return pyarrow.int64() if is_numbered(name, column) else pyarrow.string()


def _unit(unit: str) -> dict[str, str] | None:
    return {"unit": unit} if unit else None
