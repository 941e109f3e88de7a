"""Which face is meant during an utterance, and how well it is seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.visual.speaker import Candidate, choose_speaker
from affect_pipe.extractors.visual.tracks import MIN_ROWS
from affect_pipe.pipeline.interfaces import Arrays
from affect_pipe.pipeline.records import Audio, Utterance

Rows = npt.NDArray[np.int64]


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
    """

    rows: Rows
    coverage: float = 0.0
    n_faces: int = 0
    confidence: float = float("nan")
    size_px: float = float("nan")
    reason: str | None = None


def speaking_face(
    arrays: Arrays,
    audio: Audio | None,
    utterance: Utterance,
    *,
    window_s: float,
    min_coverage: float,
    min_frames: int,
) -> Seen:
    """Choose among the faces seen in ``[start_s, end_s)``.

    Parameters
    ----------
    arrays : mapping
        Output of `follow.FaceTracks.analyse`, or empty where there is no video.
    audio : Audio or None
        What is said; without it only mouth movement and size decide.
    window_s : float
        Time between frames.
    """
    if not arrays:
        return _absent("no video track")
    if len(arrays["time_s"]) == 0:
        return _absent(why_nobody(len(arrays["frame_time_s"])))
    n_frames = len(_within(arrays["frame_time_s"], utterance))
    if n_frames == 0:
        return _absent("no video frame during the utterance")
    rows = _within(arrays["time_s"], utterance)
    if len(rows) == 0:
        return _absent("no face visible during the utterance")
    tracks, counts = np.unique(arrays["track"][rows], return_counts=True)
    best = int(counts.max())
    needed = max(min_coverage * n_frames, min_frames)
    if best < needed:
        coverage = best / n_frames
        if coverage < min_coverage:
            reason = (
                f"face visible in {100 * coverage:.0f} % of the utterance, "
                f"less than {100 * min_coverage:.0f} %"
            )
        else:
            frames = f"{best} frame{'s' if best > 1 else ''}"
            reason = f"face visible in {frames} of the utterance, fewer than {min_frames}"
        return Seen(rows[:0], coverage, len(tracks), reason=reason)
    by_track = {int(t): rows[arrays["track"][rows] == t] for t in tracks[counts >= needed]}
    speaker = choose_speaker(
        [_candidate(arrays, track, own) for track, own in by_track.items()], audio, window_s
    )
    chosen = by_track[speaker.track]
    size_px = float(arrays["size"][chosen].mean())
    return Seen(chosen, len(chosen) / n_frames, len(tracks), speaker.confidence, size_px)


def why_nobody(n_frames: int) -> str:
    """Say why a pass over the frames kept no face, from how many frames there were."""
    if n_frames < MIN_ROWS:
        # A face may well be there: one that is seen so briefly counts as a false alarm.
        frames = "1 frame" if n_frames == 1 else f"{n_frames} frames"
        return f"the video has {frames}, too few to follow a face: {MIN_ROWS} are needed"
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


def _absent(reason: str) -> Seen:
    return Seen(np.empty(0, np.int64), reason=reason)
