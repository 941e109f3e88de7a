"""`FeatureFile` as arrays: NumPy's ``.npz`` without pickle, and HDF5.

==================  ===================  =========================================================
npz                 HDF5                 what
==================  ===================  =========================================================
``values``          ``values``           float [n, d]
``columns``         ``columns``          their names
``units``           ``units``            their units, empty where there is none
``<name>``          ``<name>``           one array a leading column (``start_s``, ``text``, ...)
``metadata``        attribute            JSON, as in the other formats
                    ``metadata``
==================  ===================  =========================================================

Text that is unknown is empty here, a whole number that is unknown is -1. In HDF5 a leading column
has its unit in the attribute ``unit``, and feature, level, licence, file and digest of the media
are attributes of the file as well.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.results.feature_file import Cells, FeatureFile, is_numbered
from affect_pipe.pipeline.results.writing import open_result, result_path

NO_NUMBER = -1


def write_feature_npz(file: FeatureFile, path: Path) -> None:
    """Write ``path``, whole or not at all; ``numpy.load`` needs no ``allow_pickle``.

    Raises
    ------
    ResultError
        If it cannot be written.
    """
    arrays: dict[str, Any] = {name: _array(name, column) for name, column in file.leading.items()}
    arrays |= {
        "values": file.values,
        "columns": np.array(file.columns, dtype=np.str_),
        "units": np.array(file.column_units, dtype=np.str_),
        "metadata": np.array(_json(file)),
    }
    with open_result(path) as stream:
        np.savez_compressed(stream, **arrays)


def write_feature_hdf5(file: FeatureFile, path: Path) -> None:
    """Write ``path``, whole or not at all.

    Raises
    ------
    ResultError
        If it cannot be written.
    MissingDependencyError
        If h5py is not there.
    """
    h5py = hdf5_library()
    with result_path(path) as temporary, h5py.File(temporary, "w", libver="v110") as store:
        text = h5py.string_dtype("utf-8")
        for name, column in file.leading.items():
            array = _array(name, column)
            kind = text if array.dtype.kind == "U" else array.dtype
            data = store.create_dataset(name, data=array.astype(kind), dtype=kind)
            if name in file.units:
                data.attrs["unit"] = file.units[name]
        # Chunks, which compression needs, cannot be of no rows.
        packing = {"compression": "gzip", "shuffle": True} if file.values.size else {}
        store.create_dataset("values", data=file.values, **packing)
        for name, words in (("columns", file.columns), ("units", file.column_units)):
            store.create_dataset(name, data=np.array(words, dtype=object), dtype=text)
        about = file.metadata
        for name, value in (
            ("schema", about["schema"]),
            ("level", about["level"]),
            ("feature", about["feature"]["name"]),
            ("media", about["media"]["file"]),
            ("media_digest", about["media"]["digest"]),
            ("licence", about["licence"]),
            ("metadata", _json(file)),
        ):
            store.attrs[name] = value


def hdf5_library() -> Any:
    """Import h5py.

    Raises
    ------
    MissingDependencyError
        If it is not there.
    """
    return require(
        "h5py",
        feature="the format hdf5",
        extra="hdf5",
        instead="The formats parquet, csv and npz work without it.",
    )


def _json(file: FeatureFile) -> str:
    return json.dumps(file.metadata, ensure_ascii=False, allow_nan=False)


def _array(name: str, column: npt.NDArray[Any] | Cells) -> npt.NDArray[Any]:
    if not isinstance(column, tuple):
        return column
    if is_numbered(name, column):
        return np.array([NO_NUMBER if value is None else value for value in column], np.int64)
    return np.array(["" if value is None else value for value in column], dtype=np.str_)
