"""Where the faces of a video are at any time, between the frames that were looked at."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.records import FloatArray

# Boxes of one track that overlap less in successive looks are of two places, behind a cut.
MIN_OVERLAP = 0.2

Box = tuple[float, float, float, float]


class Face(NamedTuple):
    """One face at one time.

    Attributes
    ----------
    track : int
    box : tuple of float
        x0, y0, x1, y1 as shares of the picture's width and height.
    units : float32 [n_units]
        Its action units, in [0, 1]; empty where they were not measured.
    """

    track: int
    box: Box
    units: FloatArray

    @property
    def area(self) -> float:
        """Share of the picture."""
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0)


@dataclass(frozen=True)
class FaceTracks:
    """What a pass over the frames found: every face in every frame that it looked at.

    Attributes
    ----------
    frame_time_s : float64 [n_frames]
        The frames looked at, ascending.
    time_s : float64 [n]
        One row a face and frame, ascending.
    track : int32 [n]
    box : float32 [n, 4]
        x0, y0, x1, y1 as shares of the picture's width and height.
    units : float32 [n, n_units]
        Action units in [0, 1]; no columns where they were not measured.
    unit_names : tuple of str
        ``AU01``...
    """

    frame_time_s: npt.NDArray[np.float64]
    time_s: npt.NDArray[np.float64]
    track: npt.NDArray[np.int32]
    box: FloatArray
    units: FloatArray
    unit_names: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.time_s)
        if not (len(self.track) == len(self.box) == len(self.units) == n):
            raise ValueError(f"{n} face rows, but {len(self.track)} tracks, {len(self.box)} boxes")
        if self.units.shape[1] != len(self.unit_names):
            raise ValueError(f"{self.units.shape[1]} units, {len(self.unit_names)} names")

    def at(self, time_s: float) -> list[Face]:
        """Return the faces at a time, in order of their tracks.

        A face seen in the looks before and after moves in a straight line between them; one seen
        in one of them only is there for the half of the time that is nearer to it.
        """
        last = bisect_right(self.frame_time_s, time_s) - 1
        before = self._look(last)
        after = self._look(last + 1)
        share = self._share(last, time_s)
        found = []
        for track in sorted({*before, *after}):
            a, b = before.get(track), after.get(track)
            if a is not None and b is not None and _overlap(self.box[a], self.box[b]) > MIN_OVERLAP:
                found.append(self._between(track, a, b, share))
            else:
                row = a if share < 0.5 else b
                if row is not None:
                    found.append(self._between(track, row, row, 0.0))
        return found

    def _look(self, frame: int) -> dict[int, int]:
        """Rows of the faces in one of the frames looked at, by track."""
        if not 0 <= frame < len(self.frame_time_s):
            return {}
        time_s = self.frame_time_s[frame]
        first, last = (
            np.searchsorted(self.time_s, time_s),
            np.searchsorted(self.time_s, time_s, side="right"),
        )
        return {int(self.track[row]): row for row in range(int(first), int(last))}

    def _share(self, frame: int, time_s: float) -> float:
        """How far a time is from one look, 0, to the next, 1."""
        if frame < 0:
            return 1.0
        if frame + 1 < len(self.frame_time_s):
            start_s, end_s = self.frame_time_s[frame : frame + 2]
            return float((time_s - start_s) / (end_s - start_s))
        # After the last look faces stay for as long as between two looks.
        steps = np.diff(self.frame_time_s[-3:])
        step_s = float(steps.max()) if len(steps) else 0.0
        return 0.0 if time_s - float(self.frame_time_s[frame]) <= step_s else 1.0

    def _between(self, track: int, a: int, b: int, share: float) -> Face:
        def mixed(values: FloatArray) -> FloatArray:
            return np.asarray((1 - share) * values[a] + share * values[b], np.float32)

        x0, y0, x1, y1 = (float(edge) for edge in mixed(self.box))
        return Face(track, (x0, y0, x1, y1), mixed(self.units))


def _overlap(first: FloatArray, second: FloatArray) -> float:
    """Intersection over union of two boxes."""
    size = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    shared = float(np.prod(np.maximum(size, 0)))
    areas = [float(np.prod(np.maximum(box[2:] - box[:2], 0))) for box in (first, second)]
    return shared / max(sum(areas) - shared, 1e-12)
