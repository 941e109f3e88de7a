"""Rows of a `FeatureFile` as sequences in time: what collections of features for research hold.

A row has a start and an end. Rows that stand for a moment get the time up to halfway to their
neighbours'. Only what was measured of the one who speaks is kept: rows of absent utterances and of
faces that are not the speaker's are left out (where nobody tells who speaks, of faces that are not
the one seen most), and a single value that was not measured is 0, as these collections have it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.results.feature_file import FeatureFile

Times = npt.NDArray[np.float64]
# Of a table of one row, which has no neighbours.
_ONE_FRAME_S = 0.01


@dataclass(frozen=True, eq=False)
class TimedRows:
    """Rows in order of time: ``values`` float32 [n, d], ``spans_s`` float64 [n, 2]."""

    values: npt.NDArray[np.float32]
    spans_s: Times

    def __repr__(self) -> str:
        return f"TimedRows({self.values.shape})"

    def within(self, start_s: float, end_s: float) -> npt.NDArray[np.float32]:
        """Return the values of the rows whose middle is in ``[start_s, end_s)``."""
        middle = self.spans_s.mean(axis=1)
        found: npt.NDArray[np.float32] = self.values[(middle >= start_s) & (middle < end_s)]
        return found


def timed_rows(file: FeatureFile) -> TimedRows:
    """Return the rows of a feature of one video that belong to the speaker."""
    leading = file.leading
    kept = np.ones(len(file.values), np.bool_)
    if "present" in leading:
        kept &= np.asarray(leading["present"], np.bool_)
    if "speaking" in leading:
        kept &= np.array([value == 1 for value in leading["speaking"]], np.bool_)
    elif "track" in leading:
        # Where nobody says who speaks: the face that is seen most.
        seen = Counter(value for value in leading["track"] if value is not None)
        most = min(seen, key=lambda track: (-seen[track], track), default=None)
        kept &= np.array([value == most for value in leading["track"]], np.bool_)
    if "start_s" in leading:
        starts, ends = (np.asarray(leading[n], np.float64) for n in ("start_s", "end_s"))
    elif "end_s" in leading:
        starts, ends = (np.asarray(leading[n], np.float64) for n in ("time_s", "end_s"))
    else:
        starts, ends = _around(np.asarray(leading["time_s"], np.float64))
    values = np.nan_to_num(file.values[kept].astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    return TimedRows(values, np.stack([starts[kept], ends[kept]], axis=1))


def _around(moments: Times) -> tuple[Times, Times]:
    """Return the borders halfway between moments, several of which may be the same."""
    distinct = np.unique(moments)
    steps = np.diff(distinct)
    usual = float(np.median(steps)) if steps.size else _ONE_FRAME_S
    # Across a gap nothing was measured: a row does not reach further than usual.
    reach = np.minimum(steps, usual) / 2
    before = np.concatenate([[usual / 2], reach])
    after = np.concatenate([reach, [usual / 2]])
    place = np.searchsorted(distinct, moments)
    return np.maximum(moments - before[place], 0.0), moments + after[place]
