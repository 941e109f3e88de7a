"""Which faces are in view during an utterance, and how well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.visual.speaker import Candidate, Speaker
from affect_pipe.extractors.visual.tracks import MIN_ROWS
from affect_pipe.pipeline.interfaces import Arrays
from affect_pipe.pipeline.records import Utterance

Rows = npt.NDArray[np.int64]
Box = tuple[float, float, float, float]
NOT_IN_VIEW = "the speaker's face is not in view"


@dataclass(frozen=True)
class Seen:
    """The speaking face of one utterance.

    Attributes
    ----------
    rows : int64 [n]
        Its rows in the arrays of the face pass, ascending in time; empty where there is a reason.
    coverage : float
        Share of the utterance's frames that show it (the best seen face where none is chosen).
    n_faces : int
        Faces seen during the utterance.
    confidence, size_px : float
        NaN where no face is chosen.
    reason : str or None
        Why no face is chosen.
    track : int or None
        Its number.
    box : tuple of float
        Where it is: the median of x0, y0, x1, y1 as shares of the frame's width and height; NaN
        where no face is chosen.
    of_speaker : bool
        Whether it is known from the whole video to be the face of the transcript's speaker.
    """

    rows: Rows
    coverage: float = 0.0
    n_faces: int = 0
    confidence: float = float("nan")
    size_px: float = float("nan")
    reason: str | None = None
    track: int | None = None
    box: Box = (float("nan"),) * 4
    of_speaker: bool = False


@dataclass(frozen=True)
class View:
    """The faces to choose from during one utterance.

    Attributes
    ----------
    faces : tuple of Candidate
        Those seen well enough to be described.
    rows : tuple of int64 [n]
        Rows of each in the arrays of the face pass.
    n_frames : int
        Frames of the utterance.
    n_faces : int
        Faces seen, well or not.
    coverage : float
        Share of the frames that show the best seen face.
    reason : str or None
        Why there is nothing to choose from.
    """

    faces: tuple[Candidate, ...] = ()
    rows: tuple[Rows, ...] = ()
    n_frames: int = 0
    n_faces: int = 0
    coverage: float = 0.0
    reason: str | None = None

    def absent(self, reason: str) -> Seen:
        """No face, and why."""
        return Seen(np.empty(0, np.int64), self.coverage, self.n_faces, reason=reason)

    def chosen(self, speaker: Speaker, arrays: Arrays, *, of_speaker: bool = False) -> Seen:
        """Return the face that speaks."""
        at = next(k for k, face in enumerate(self.faces) if face.track == speaker.track)
        rows = self.rows[at]
        x0, y0, x1, y1 = (float(edge) for edge in np.median(arrays["box"][rows], axis=0))
        return Seen(
            rows,
            len(rows) / self.n_frames,
            self.n_faces,
            speaker.confidence,
            float(arrays["size"][rows].mean()),
            track=speaker.track,
            box=(x0, y0, x1, y1),
            of_speaker=of_speaker,
        )


def view(arrays: Arrays, utterance: Utterance, *, min_coverage: float, min_frames: int) -> View:
    """Find the faces seen in ``[start_s, end_s)``.

    Parameters
    ----------
    arrays : mapping
        Output of a pass over the faces, or empty where there is no video.
    utterance : Utterance
    min_coverage : float
        A face must be seen in at least this share of the utterance's frames.
    min_frames : int
        And in at least this many.
    """
    if not arrays:
        return View(reason="no video track")
    if len(arrays["time_s"]) == 0:
        return View(reason=why_nobody(len(arrays["frame_time_s"])))
    n_frames = len(_within(arrays["frame_time_s"], utterance))
    if n_frames == 0:
        return View(reason="no video frame during the utterance")
    rows = _within(arrays["time_s"], utterance)
    if len(rows) == 0:
        return View(reason="no face visible during the utterance")
    tracks, counts = np.unique(arrays["track"][rows], return_counts=True)
    best = int(counts.max())
    needed = max(min_coverage * n_frames, min_frames)
    coverage = best / n_frames
    if best < needed:
        if coverage < min_coverage:
            reason = (
                f"face visible in {100 * coverage:.0f} % of the utterance, "
                f"less than {100 * min_coverage:.0f} %"
            )
        else:
            frames = f"{best} frame{'s' if best > 1 else ''}"
            reason = f"face visible in {frames} of the utterance, fewer than {min_frames}"
        return View(n_faces=len(tracks), coverage=coverage, reason=reason)
    by_track = {int(t): rows[arrays["track"][rows] == t] for t in tracks[counts >= needed]}
    return View(
        faces=tuple(_candidate(arrays, track, own) for track, own in by_track.items()),
        rows=tuple(by_track.values()),
        n_frames=n_frames,
        n_faces=len(tracks),
        coverage=coverage,
    )


def why_nobody(n_frames: int) -> str:
    """Say why a pass over the frames kept no face, from how many frames it looked at."""
    if n_frames < MIN_ROWS:
        # A face may well be there: one that is seen so briefly counts as a false alarm.
        looked_at = "1 frame was" if n_frames == 1 else f"{n_frames} frames were"
        return f"{looked_at} looked at, too few to follow a face: {MIN_ROWS} are needed"
    return "no face found in the video"


def _within(time_s: npt.NDArray[np.float64], utterance: Utterance) -> Rows:
    first, last = np.searchsorted(time_s, [utterance.start_s, utterance.end_s], side="left")
    return np.arange(first, last, dtype=np.int64)


def _candidate(arrays: Arrays, track: int, rows: Rows) -> Candidate:
    return Candidate(
        track=track,
        time_s=arrays["time_s"][rows],
        mouth=arrays["mouth"][rows],
        size=float(arrays["size"][rows].mean()),
    )
