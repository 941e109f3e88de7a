"""Computational sequences (``.csd``) of CMU-MultimodalSDK: HDF5 files from strangers.

A file has one group, its root name. Under it ``data/<video>/features`` [n, d] and
``data/<video>/intervals`` [n, 2] in seconds, and ``metadata/<key>`` [1] with JSON text. The SDK's
own alignment renames ``<video>`` to ``<video>[<segment>]``.

HDF5 can point into other files and load filters from elsewhere; both are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.datasets.files import CorpusError, existing
from affect_pipe.pipeline.errors import AffectPipeError
from affect_pipe.pipeline.optional import require

# CMU-MOSEI has 3,837 videos; its COVAREP file, the largest, some 20 GB.
MAX_FILE_BYTES = 64 * 2**30
MAX_ENTRIES = 100_000
# A two-hour video in COVAREP has 53 million numbers.
MAX_ENTRY_VALUES = 2**27
MAX_COLUMNS = 2**16
MAX_METADATA_BYTES = 2**20
# Filters inside the HDF5 library or h5py itself: deflate, shuffle, fletcher32, szip, n-bit,
# scale-offset, LZF. Any other would be a library loaded from a plug-in folder.
_BUILT_IN_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})


@dataclass(frozen=True, eq=False)
class Entry:
    """One video's rows: ``features`` float64 [n, d] or str [n, d], ``intervals`` float64 [n, 2]."""

    features: npt.NDArray[Any]
    intervals: npt.NDArray[np.float64]

    def __repr__(self) -> str:
        return f"Entry({self.features.dtype} {self.features.shape})"


class ComputationalSequence:
    """An open ``.csd`` file, read one video at a time; make it with `open_csd`."""

    def __init__(self, path: Path, root: str, group: Any, metadata: Mapping[str, Any]) -> None:
        self.path = path
        self.root = root
        self.metadata = metadata
        self._data = _group(group, "data")
        if len(self._data) > MAX_ENTRIES:
            raise ValueError(f"it has {len(self._data)} entries, more than {MAX_ENTRIES}")
        self._names = frozenset(self._data)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the entries, sorted."""
        return tuple(sorted(self._names))

    def columns(self, dim: int) -> tuple[str, ...]:
        """Column names from the metadata, numbered ones where it has none that fit."""
        given = self.metadata.get("dimension names")
        if isinstance(given, list) and len(given) == 1 and isinstance(given[0], list):
            given = given[0]
        if isinstance(given, list) and len(given) == dim and len(set(map(str, given))) == dim:
            return tuple(str(name) for name in given)
        return tuple(f"{self.root}_{index}" for index in range(dim))

    def read(self, name: str) -> Entry:
        """Read an entry.

        Raises
        ------
        CorpusError
            If it is not rows with an interval each.
        """
        with _described(self.path):
            return self._read(name)

    def _read(self, name: str) -> Entry:
        try:
            entry = _group(self._data, name)
            features, intervals = _dataset(entry, "features"), _dataset(entry, "intervals")
            if features.ndim == 1:
                features = features[:, None]
            if intervals.ndim != 2 or intervals.shape != (len(features), 2):
                raise ValueError(
                    f"it has features {list(features.shape)} and intervals "
                    f"{list(intervals.shape)}, expected [n, d] and [n, 2]"
                )
            if features.ndim != 2 or features.shape[1] > MAX_COLUMNS:
                raise ValueError(f"its features are {list(features.shape)}, expected [n, d]")
            if intervals.dtype.kind != "f" or not np.isfinite(intervals).all():
                raise ValueError("its intervals are not all finite numbers")
            if (intervals[:, 0] > intervals[:, 1]).any():
                raise ValueError("one of its intervals ends before it starts")
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise ValueError(f"entry {name!r}: {error}") from error
        return Entry(features, intervals)


@contextmanager
def open_csd(path: Path) -> Iterator[ComputationalSequence]:
    """Open a ``.csd`` file for reading.

    Raises
    ------
    UsageError
        If there is no such file.
    MissingDependencyError
        If h5py is not installed.
    CorpusError
        If it is no computational sequence, or refers to other files.
    """
    h5py = require("h5py", feature=f"Reading {path.name}", extra="train")
    existing(path, "CMU-MultimodalSDK", MAX_FILE_BYTES)
    # Without a lock a file on a read-only share can be read too.
    with _described(path):
        file = h5py.File(path, "r", locking=False)
    with file:
        with _described(path):
            roots = list(file)
            if len(roots) != 1:
                raise ValueError(f"it has {len(roots)} groups at the top, expected one")
            group = _group(file, roots[0])
            sequence = ComputationalSequence(path, roots[0], group, _metadata(group))
        yield sequence


@contextmanager
def _described(path: Path) -> Iterator[None]:
    """Turn whatever HDF5 trips over into one sentence."""
    try:
        yield
    except AffectPipeError:
        raise
    # h5py maps the library's errors to many types; none of them is ours to cause.
    except (Exception, MemoryError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CorpusError(
            f"{path} is not a computational sequence of CMU-MultimodalSDK: {reason}; expected one "
            "group with data/<video>/features, data/<video>/intervals and metadata; fetch it anew."
        ) from error


def _child(parent: Any, name: str) -> Any:
    """Return a member that lies in this very file, or refuse it."""
    import h5py

    link = parent.get(name, getlink=True)
    if link is None:
        raise KeyError(f"there is no {name}")
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"{name} is a link to {getattr(link, 'filename', 'another place')}")
    return parent[name]


def _group(parent: Any, name: str) -> Any:
    import h5py

    member = _child(parent, name)
    if not isinstance(member, h5py.Group):
        raise ValueError(f"{name} is no group")
    return member


def _dataset(parent: Any, name: str, max_values: int = MAX_ENTRY_VALUES) -> npt.NDArray[Any]:
    """Read numbers as float64 and text as str; nothing else, and nothing from another file."""
    import h5py

    member = _child(parent, name)
    if not isinstance(member, h5py.Dataset) or member.shape is None:
        raise ValueError(f"{name} is no array")
    if member.external or member.is_virtual:
        raise ValueError(f"{name} lies in another file")
    plist = member.id.get_create_plist()
    filters = {plist.get_filter(index)[0] for index in range(plist.get_nfilters())}
    if not filters <= _BUILT_IN_FILTERS:
        raise ValueError(f"{name} needs the HDF5 filter {min(filters - _BUILT_IN_FILTERS)}")
    if member.size * max(1, member.dtype.itemsize // 8) > max_values:
        raise ValueError(f"{name} has {member.size} values, more than {max_values}")
    if member.dtype.kind in "fiu":
        return np.asarray(member[...], dtype=np.float64)
    if h5py.check_string_dtype(member.dtype) is None:
        raise ValueError(f"{name} holds {member.dtype}, expected numbers or text")
    values = np.atleast_1d(member.asstr(errors="replace")[...])
    # One long string would widen every other.
    longest = max(map(len, values.reshape(-1)), default=0)
    if longest * member.size > max_values:
        raise ValueError(f"{name} has text of {longest} characters")
    return np.asarray(values, dtype=np.str_)


def _metadata(root: Any) -> dict[str, Any]:
    """Read what can be read: a file without metadata is still a sequence."""
    import h5py

    link = root.get("metadata", getlink=True)
    if link is None:
        return {}
    found: dict[str, Any] = {}
    group = _group(root, "metadata")
    for key in list(group)[:MAX_ENTRIES]:
        member = _child(group, key)
        if not isinstance(member, h5py.Dataset) or member.size != 1:
            continue
        text = str(_dataset(group, key, MAX_METADATA_BYTES).reshape(-1)[0])
        if len(text) > MAX_METADATA_BYTES:
            raise ValueError(f"its metadata {key} has {len(text)} characters")
        try:
            found[key] = json.loads(text)
        except (ValueError, RecursionError):
            found[key] = text
    return found
