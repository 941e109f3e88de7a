"""Computational sequences (``.csd``) of CMU-MultimodalSDK: one feature of many videos in HDF5.

Laid out as the SDK writes them: one group, the root name; ``data/<video>/features`` [n, d] and
``data/<video>/intervals`` [n, 2] in seconds; ``metadata/<field>`` [1] with JSON text. All metadata
fields that the SDK asks for are there.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.results.feature_file import FeatureFile
from affect_pipe.pipeline.results.sequences import timed_rows
from affect_pipe.pipeline.results.writing import result_path

SUFFIX = ".csd"
_VERSION = "1.0"


class CsdWriter:
    """An open ``.csd`` file that videos are added to; make it with `open_csd_writer`."""

    def __init__(self, path: Path, store: Any, dataset: str) -> None:
        self._path = path
        self._store = store
        self._dataset = dataset
        self._first: FeatureFile | None = None
        self._root: Any = None

    def add(self, video: str, file: FeatureFile) -> int:
        """Add a feature of a video; one without rows is left out.

        Returns
        -------
        int
            Rows written.

        Raises
        ------
        UsageError
            If the video is there already, or its columns are others than those before.
        """
        rows = timed_rows(file)
        if self._first is None:
            self._begin(file)
        elif self._first.columns != file.columns:
            raise UsageError(
                f"{file.metadata['media']['file']} has other columns than the videos before it: "
                f"one {SUFFIX} file holds one feature with the same settings."
            )
        name = entry_name(video)
        if name in self._root["data"]:
            raise UsageError(f"two videos are called {quoted(name)} in {self._path}: rename one.")
        if len(rows.values):
            entry = self._root["data"].create_group(name)
            entry.create_dataset("features", data=rows.values)
            entry.create_dataset("intervals", data=rows.spans_s)
        return len(rows.values)

    def _begin(self, file: FeatureFile) -> None:
        self._first = file
        name = file.metadata["feature"]["name"]
        self._root = self._store.create_group(name)
        self._root.create_group("data")
        h5py = _library()
        text = h5py.string_dtype("utf-8")
        group = self._root.create_group("metadata")
        for field, value in metadata(file, self._dataset).items():
            words = [json.dumps(value, ensure_ascii=True)]
            group.create_dataset(field, data=words, shape=(1,), dtype=text)


@contextmanager
def open_csd_writer(path: Path, dataset: str) -> Iterator[CsdWriter]:
    """Open ``path`` for writing; it appears whole when the block ends well.

    Parameters
    ----------
    path : Path
    dataset : str
        What the metadata call the collection of videos.

    Raises
    ------
    MissingDependencyError
        If h5py is not there.
    ResultError
        If it cannot be written.
    """
    h5py = _library()
    # The oldest layout: what the SDK's readers have always opened, and no times of writing in it.
    with result_path(path) as temporary, h5py.File(temporary, "w", libver="earliest") as store:
        yield CsdWriter(path, store, dataset)


def metadata(file: FeatureFile, dataset: str) -> dict[str, Any]:
    """Return the metadata of a sequence: the SDK's fields first."""
    about = file.metadata
    feature = about["feature"]
    identity = json.dumps([dataset, feature, about["level"]], sort_keys=True)
    return {
        "root name": feature["name"],
        "computational sequence description": f"{feature['name']}, {feature['modality']}, a row "
        f"{'an utterance' if about['level'] == 'utterance' else 'a frame'}",
        "dimension names": list(file.columns),
        "computational sequence version": feature["version"],
        "alignment compatible": "yes",
        "dataset name": dataset,
        "dataset version": _VERSION,
        "creator": "affect-pipe",
        "contact": "",
        "featureset bib citation": "",
        "dataset bib citation": "",
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, identity)),
        "licence": about["licence"],
        "affect-pipe feature": feature,
    }


def entry_name(video: str) -> str:
    """Return a video's name as an entry: slashes part groups, brackets mark the SDK's segments."""
    return video.replace("/", "_").replace("[", "(").replace("]", ")")


def _library() -> Any:
    return require(
        "h5py",
        feature="the format csd",
        extra="hdf5",
        instead="The formats parquet, csv and npz work without it.",
    )
