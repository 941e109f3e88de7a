"""Features finer than an utterance: one row a frame, a patch or a word, each with its time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.records import FeatureSpec

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FrameTable:
    """One feature set of one video at frame level.

    Attributes
    ----------
    spec : FeatureSpec
        Of the extractor; its ``columns`` are those of the utterance vector, not of this table.
    columns : tuple of str
    units : tuple of str
        The unit of each column; empty where it has none.
    time_s : float64 [n]
        What each row stands for, on the presentation clock of the file: the centre of a frame, or
        the start of what has an end. Ascending; rows of one frame (several faces) share it.
    values : float32 or float64 [n, len(columns)]
        NaN where something was not measured.
    end_s : float64 [n], optional
        Ends of what has an extent: patches of sound, words.
    labels : mapping of name to tuple of n values
        Columns that are no measurement: the number of the ``utterance``, the ``word``, the face
        ``track``, the ``speaker``.

    Raises
    ------
    ValueError
        If shapes do not agree or times are not in order.
    """

    spec: FeatureSpec
    columns: tuple[str, ...]
    units: tuple[str, ...]
    time_s: Times
    values: npt.NDArray[np.float32] | npt.NDArray[np.float64]
    end_s: Times | None = None
    labels: Mapping[str, tuple[str | int | None, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, name = len(self.time_s), self.spec.name
        if self.values.shape != (n, len(self.columns)) or len(self.units) != len(self.columns):
            raise ValueError(
                f"{name}: {list(self.values.shape)} values, {len(self.columns)} columns and "
                f"{len(self.units)} units for {n} times"
            )
        if n and not (math.isfinite(self.time_s[-1]) and (np.diff(self.time_s) >= 0).all()):
            raise ValueError(f"{name}: times must be finite and in order")
        if self.end_s is not None and self.end_s.shape != (n,):
            raise ValueError(f"{name}: {len(self.end_s)} ends for {n} times")
        if any(len(column) != n for column in self.labels.values()):
            raise ValueError(f"{name}: every label needs {n} values")

    def __repr__(self) -> str:
        return f"FrameTable({self.spec.name}, {list(self.values.shape)})"
