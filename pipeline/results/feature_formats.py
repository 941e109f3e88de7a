"""Which format a `FeatureFile` is written in, and under which name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePath

from affect_pipe.pipeline.extraction import Level
from affect_pipe.pipeline.results.feature_arrays import (
    hdf5_library,
    write_feature_hdf5,
    write_feature_npz,
)
from affect_pipe.pipeline.results.feature_csv import SIDECAR_SUFFIX, write_feature_csv
from affect_pipe.pipeline.results.feature_file import FeatureFile, Format
from affect_pipe.pipeline.results.feature_parquet import parquet_library, write_feature_parquet

_WRITERS: Mapping[Format, Callable[[FeatureFile, Path], None]] = {
    "parquet": write_feature_parquet,
    "csv": write_feature_csv,
    "npz": write_feature_npz,
    "hdf5": write_feature_hdf5,
}


def check_format(format_: Format) -> None:
    """Find out before the work whether a format can be written.

    Raises
    ------
    MissingDependencyError
        If it needs a library that is not there.
    """
    if format_ == "hdf5":
        hdf5_library()
    elif format_ == "parquet":
        parquet_library("pyarrow.parquet")


def file_name(target: PurePath, feature: str, level: Level, format_: Format) -> PurePath:
    """Return ``<target>.<feature>.<level>.<format>``."""
    return target.with_name(f"{target.name}.{feature}.{level}.{format_}")


def longest_name(target: PurePath, feature: str, level: Level, format_: Format) -> str:
    """Return the longest name of what `write_feature_file` writes, without its folder."""
    name = file_name(target, feature, level, format_).name
    return name + SIDECAR_SUFFIX if format_ == "csv" else name


def write_feature_file(file: FeatureFile, path: Path, format_: Format) -> None:
    """Write ``path`` in a format, whole or not at all; an older file is replaced.

    The same content gives the same bytes.

    Raises
    ------
    ResultError
        If it cannot be written.
    """
    _WRITERS[format_](file, path)
