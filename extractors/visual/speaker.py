"""Which of the visible faces is speaking: the one whose mouth moves as the voice does.

Evidence for a face is how much its mouth moves, weighted by how well the movement follows the
energy of the speech. Where no face stands out, the largest is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.records import Audio, FloatArray
from affect_pipe.pipeline.timebase import slice_audio

# The lips move before and after the sound they make, by up to about a syllable.
MAX_LAG_FRAMES = 2
# What movement alone counts for, against 1 for movement that follows the voice fully.
BLIND_WEIGHT = 0.1
# Faces whose share of the evidence is this close to the best are told apart by size.
TIE_SHARE = 0.1
# Silence is not minus infinity.
FLOOR = 1e-4

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A face during one utterance.

    Attributes
    ----------
    track : int
    time_s : float64 [n]
        Frames it is seen in, ascending.
    mouth : float32 [n]
        Inner-lip gap in those frames.
    size : float
        Mean size in pixels.
    """

    track: int
    time_s: Times
    mouth: FloatArray
    size: float


@dataclass(frozen=True)
class Speaker:
    """The chosen face and its share of the evidence among the visible faces, in [0, 1]."""

    track: int
    confidence: float


def speech_envelope(audio: Audio, time_s: Times, window_s: float) -> FloatArray:
    """Log root-mean-square energy float32 [n] in a window centred on each time."""
    levels = np.empty(len(time_s), np.float32)
    for k, time in enumerate(time_s):
        samples = slice_audio(audio, max(time - window_s / 2, 0.0), time + window_s / 2)
        power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
        levels[k] = 0.5 * np.log10(power + FLOOR**2)
    return levels


def choose_speaker(
    candidates: Sequence[Candidate], audio: Audio | None, window_s: float
) -> Speaker:
    """Pick the speaking face of one utterance.

    Parameters
    ----------
    candidates : non-empty sequence
    audio : Audio or None
        Without it, only movement counts.
    window_s : float
        Time between frames.
    """
    evidence = np.array([_evidence(face, audio, window_s) for face in candidates])
    total = float(evidence.sum())
    share = evidence / total if total > 0 else np.full(len(candidates), 1 / len(candidates))
    close = [k for k in range(len(candidates)) if share[k] >= share.max() - TIE_SHARE]
    best = max(close, key=lambda k: (candidates[k].size, -candidates[k].track))
    return Speaker(candidates[best].track, float(share[best]))


def _evidence(face: Candidate, audio: Audio | None, window_s: float) -> float:
    if len(face.time_s) < 2:
        return 0.0
    motion = np.abs(np.gradient(face.mouth.astype(np.float64)))
    followed = 0.0
    if audio is not None:
        energy = speech_envelope(audio, face.time_s, window_s).astype(np.float64)
        opening = face.mouth.astype(np.float64)
        followed = max(_follows(opening, energy), _follows(motion, energy))
    return float(motion.mean()) * (BLIND_WEIGHT + followed)


def _follows(movement: npt.NDArray[np.float64], energy: npt.NDArray[np.float64]) -> float:
    """Best correlation in [0, 1] of two series within the lag allowed."""
    n = len(movement)
    scores = [0.0]
    for lag in range(-MAX_LAG_FRAMES, MAX_LAG_FRAMES + 1):
        a = movement[max(lag, 0) : n + min(lag, 0)]
        b = energy[max(-lag, 0) : n + min(-lag, 0)]
        # Four points always correlate somehow.
        if len(a) >= 5 and a.std() > 1e-9 and b.std() > 1e-9:
            scores.append(float(np.corrcoef(a, b)[0, 1]))
    return max(scores)
