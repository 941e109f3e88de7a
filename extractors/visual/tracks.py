"""Which faces in successive frames are the same face.

Association by where a face should be: its last box moved on at its last speed, matched to the new
boxes for the greatest total overlap. Where a pass keeps how faces look (`cutting.look_of`), a face
that suddenly looks unlike itself is another one, behind a cut between cameras; and one that was
lost and looks the same when it is found again, is itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.records import FloatArray

# Matches that overlap less than this are no matches.
MIN_OVERLAP = 0.2
# A face that turns away or is covered for a moment keeps its track.
MAX_GAP_S = 1.0
# A face seen in fewer frames is a false alarm.
MIN_ROWS = 3
# How much of the newest speed enters the running one: boxes jitter by a pixel or two.
SPEED_GAIN = 0.5

# Mean difference of two looks, as a share of full scale. On clips of ten people, successive frames
# of one face, ten a second, differ by 0.06 at most, hands before it included; frames of two people
# by 0.10 at least, and by 0.22 in the median.
CUT = 0.1
# Of pairs of looks from two parts of one face's track, 1.5 s each, the twentieth most alike differ
# by 0.08 at most; those of two people by 0.099 at least.
SAME_LOOK = 0.08
ALIKE_SHARE = 0.05
# Looks of a track that are compared: evenly spread over it.
N_LOOKS = 15
# A video whose faces are darker than this in the median is made brighter before they are compared.
DIM = 0.3
# Looks whose values are counted at once: NumPy makes 8 bytes of each.
_COUNTED_AT_ONCE = 512
# What every pass over faces stores of a face in a frame.
FACE_ARRAYS = ("time_s", "box", "size", "mouth", "look")

Times = npt.NDArray[np.float64]
TrackIds = npt.NDArray[np.int32]
Boxes = npt.NDArray[np.floating[Any]]
Look = npt.NDArray[np.float64]


def overlap(first: Boxes, second: Boxes) -> FloatArray:
    """Intersection over union float32 [n, m] of boxes [n, 4] and [m, 4] (x0, y0, x1, y1)."""
    a, b = np.asarray(first, np.float64)[:, None], np.asarray(second, np.float64)[None]
    size = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.prod(np.maximum(size, 0), axis=-1)
    areas = [np.prod(np.maximum(box[..., 2:] - box[..., :2], 0), axis=-1) for box in (a, b)]
    return np.asarray(shared / np.maximum(areas[0] + areas[1] - shared, 1e-12), np.float32)


def unlike(first: Look, second: Look) -> npt.NDArray[np.float64]:
    """Mean absolute difference [n, m] of looks [n, k] and [m, k]."""
    return np.asarray(np.abs(first[:, None] - second[None]).mean(axis=-1), np.float64)


class _Lit:
    """Looks as shares of full scale, brighter where the video is dim.

    Those of a long video are too many to hold as shares at once.
    """

    def __init__(self, looks: npt.NDArray[np.uint8]) -> None:
        self._looks = looks
        self._gain = max(DIM / max(_median_share(looks), 0.01), 1.0)

    def __getitem__(self, rows: npt.NDArray[np.integer[Any]] | int) -> Look:
        return np.asarray(self._looks[rows], np.float64) / 255 * self._gain


def _median_share(looks: npt.NDArray[np.uint8]) -> float:
    """Median of all values as shares of full scale; 0 where there are none."""
    if not looks.size:
        return 0.0
    counts = np.zeros(256, np.int64)
    for first in range(0, len(looks), _COUNTED_AT_ONCE):
        counts += np.bincount(looks[first : first + _COUNTED_AT_ONCE].reshape(-1), minlength=256)
    up_to = np.cumsum(counts)
    middle = [(looks.size - 1) // 2, looks.size // 2]
    return float(np.mean(np.searchsorted(up_to, middle, side="right") / 255))


@dataclass
class _Track:
    number: int
    box: npt.NDArray[np.float64]
    time_s: float
    look: Look
    speed: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))

    def expected(self, time_s: float) -> npt.NDArray[np.float64]:
        return self.box + self.speed * (time_s - self.time_s)

    def move(self, box: npt.NDArray[np.float64], time_s: float, look: Look) -> None:
        newest = (box - self.box) / max(time_s - self.time_s, 1e-6)
        self.speed = (1 - SPEED_GAIN) * self.speed + SPEED_GAIN * newest
        self.box, self.time_s, self.look = box, time_s, look


def link_tracks(
    time_s: Times, boxes: FloatArray, looks: npt.NDArray[np.uint8] | None = None
) -> TrackIds:
    """Give every face a track number.

    Parameters
    ----------
    time_s : float64 [n]
        Frame time of each face, ascending; faces of one frame share it.
    boxes : float [n, 4]
        x0, y0, x1, y1 in any unit.
    looks : uint8 [n, k], optional
        How each face looks; without them, only places count.

    Returns
    -------
    int32 [n]
        Track numbers from 0 in order of first appearance; -1 for faces of tracks too short to keep.
    """
    numbers = np.full(len(time_s), -1, np.int32)
    active: list[_Track] = []
    n_tracks = 0
    places = np.asarray(boxes, np.float64)
    blank = np.zeros((len(places), 1), np.uint8)
    seen = _Lit(blank if looks is None else looks)
    for rows in _by_frame(time_s):
        now = float(time_s[rows[0]])
        active = [track for track in active if now - track.time_s <= MAX_GAP_S]
        taken = _match(active, places[rows], seen[rows], now)
        for k, row in enumerate(rows):
            if k in taken:
                track = taken[k]
                track.move(places[row], now, seen[row])
            else:
                track = _Track(n_tracks, places[row], now, seen[row])
                active.append(track)
                n_tracks += 1
            numbers[row] = track.number
    numbers = _without_short(numbers, n_tracks)
    return numbers if looks is None else _joined(numbers, time_s, seen)


def tracked(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Add ``track`` to what a pass over the frames found, without the rows of false alarms.

    Parameters
    ----------
    arrays : mapping
        ``frame_time_s`` [n_frames]; one row per face and frame, in order of time: ``time_s`` [n],
        ``box`` [n, 4], where it is kept ``look`` [n, k], and any others [n, ...]. Where there is a
        ``model_row`` [m], arrays that are neither are of m rows, each of the face row named there.

    Returns
    -------
    dict
        The same arrays and ``track`` int32 [n], from 0 in order of first appearance.
    """
    tracks = link_tracks(arrays["time_s"], arrays["box"], arrays.get("look"))
    kept = tracks >= 0
    found: dict[str, npt.NDArray[Any]] = {"frame_time_s": arrays["frame_time_s"]}
    owners = arrays.get("model_row")
    for name, values in arrays.items():
        if name == "frame_time_s":
            continue
        if owners is None or name in FACE_ARRAYS:
            found[name] = values[kept]
        elif name == "model_row":
            found[name] = (np.cumsum(kept) - 1)[owners[kept[owners]]].astype(np.int64)
        else:
            found[name] = values[kept[owners]]
    return {**found, "track": tracks[kept]}


def _by_frame(time_s: Times) -> list[npt.NDArray[np.int64]]:
    if len(time_s) == 0:
        return []
    cuts = np.flatnonzero(np.diff(time_s) != 0) + 1
    return np.split(np.arange(len(time_s)), cuts)


def _match(
    active: list[_Track], boxes: npt.NDArray[np.float64], looks: Look, now: float
) -> dict[int, _Track]:
    """Track of each box that has one, by its position in ``boxes``."""
    if not active:
        return {}
    from scipy.optimize import linear_sum_assignment

    expected = np.array([track.expected(now) for track in active])
    last = np.array([track.box for track in active])
    # A face that stops dead is where it was, not where its speed would have it.
    shared = np.maximum(overlap(boxes, expected), overlap(boxes, last))
    same = unlike(looks, np.array([track.look for track in active])) <= CUT
    shared = np.where(same, shared, 0.0)
    rows, columns = linear_sum_assignment(-shared)
    return {
        int(row): active[column]
        for row, column in zip(rows, columns, strict=True)
        if shared[row, column] >= MIN_OVERLAP
    }


def _without_short(numbers: TrackIds, n_tracks: int) -> TrackIds:
    counts = np.bincount(numbers, minlength=n_tracks) if len(numbers) else np.zeros(0, np.int64)
    renumbered = np.full(n_tracks, -1, np.int32)
    long_enough = np.flatnonzero(counts >= MIN_ROWS)
    renumbered[long_enough] = np.arange(len(long_enough), dtype=np.int32)
    return renumbered[numbers] if len(numbers) else numbers


def _differ(first: Look, second: Look) -> float:
    """How little the looks of two tracks differ where they are most alike."""
    return float(np.quantile(unlike(first, second), ALIKE_SHARE))


def _joined(numbers: TrackIds, time_s: Times, looks: _Lit) -> TrackIds:
    """Give a face that was lost and found again the number it had.

    Track by track, in order of appearance: it goes on with the face before that looks most like it,
    unless both are in view at some time.
    """
    n_tracks = int(numbers.max(initial=-1)) + 1
    rows = [np.flatnonzero(numbers == k) for k in range(n_tracks)]
    if n_tracks < 2:
        return numbers
    spread = [looks[own[np.linspace(0, len(own) - 1, N_LOOKS).astype(int)]] for own in rows]
    frames = [set(time_s[own].tolist()) for own in rows]
    faces: list[list[int]] = []
    for k in range(n_tracks):
        # Unlike to the part of the face that is most like it: a face may change with the light.
        found = [
            (min(_differ(spread[k], spread[part]) for part in face), n)
            for n, face in enumerate(faces)
            if not any(frames[k] & frames[part] for part in face)
        ]
        distance, n = min(found, default=(np.inf, -1))
        if distance <= SAME_LOOK:
            faces[n].append(k)
        else:
            faces.append([k])
    renumbered = np.empty(n_tracks + 1, np.int32)
    renumbered[-1] = -1
    for n, face in enumerate(faces):
        renumbered[face] = n
    return renumbered[numbers]
