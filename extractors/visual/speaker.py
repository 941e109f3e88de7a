"""Which of the visible faces is speaking: the one whose mouth moves as the voice does.

Evidence for a face is how much its mouth moves, weighted by how well the movement follows the
loudness of the speech. Where no face stands out, the largest is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.mapped import let_go
from affect_pipe.pipeline.records import Audio, FloatArray

# The lips move before the sound they make or, less often, after it, by up to about a syllable; and
# sound and picture are seldom aligned to better than a frame. Steps finer than a frame matter: six
# frames a second see a syllable once.
LAGS_S = tuple(round(0.05 * k, 2) for k in range(-2, 7))
# What movement alone counts for, against 1 for movement that follows the voice fully.
BLIND_WEIGHT = 0.1
# Mean movement of the lips a frame, in eye-corner distances, at which more says little more: a
# mouth that opens twice as wide is not twice as likely to be the speaker's. Talkers show 0.01 to
# 0.04, landmarks of a photograph jitter by 0.0003 (faces 60 pixels wide) to 0.003 (15 pixels).
AMPLE_MOTION = 0.05
# Faces whose share of the evidence is this close to the best are told apart by size.
TIE_SHARE = 0.1
# Loudness grows as this power of a sound's energy (Stevens 1955).
LOUDNESS_POWER = 0.3
# Four points always correlate somehow.
MIN_POINTS = 5

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


def loudness(audio: Audio, time_s: Times, window_s: float) -> Times:
    """Loudness float64 [n], in arbitrary units from 0, in a window centred on each time."""
    rate_hz = audio.sample_rate_hz
    edges = np.array([[-0.5], [0.5]]) * window_s + np.asarray(time_s, np.float64) - audio.start_s
    first, last = np.clip(np.rint(edges * rate_hz), 0, len(audio.samples)).astype(np.int64)
    power = np.zeros(len(time_s))
    for k in np.flatnonzero(last > first):
        power[k] = np.mean(np.square(audio.samples[first[k] : last[k]], dtype=np.float64))
    let_go(audio.samples)
    return np.asarray(power**LOUDNESS_POWER, np.float64)


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
    return pick(candidates, [evidence(face, audio, window_s) for face in candidates])


def pick(candidates: Sequence[Candidate], found: Sequence[float]) -> Speaker:
    """Pick a face by its evidence, or by its size where evidence does not tell faces apart."""
    total = float(sum(found))
    n = len(candidates)
    share = np.array(found) / total if total > 0 else np.full(n, 1 / n)
    close = [k for k in range(n) if share[k] >= share.max() - TIE_SHARE]
    best = max(close, key=lambda k: (candidates[k].size, -candidates[k].track))
    return Speaker(candidates[best].track, float(share[best]))


def evidence(face: Candidate, audio: Audio | None, window_s: float) -> float:
    """How much speaks for a face being the speaker's, in [0, 1.1], from its mouth alone.

    On clips of single talkers, two to four seconds at a time, the face that talks has 0.06 to 0.3,
    faces that listen, smile or grimace beside it 0 to 0.1 mostly.
    """
    if len(face.time_s) < 2:
        return 0.0
    opening = face.mouth.astype(np.float64)
    motion = np.abs(np.gradient(opening))
    followed = 0.0 if audio is None else _follows(opening, motion, face.time_s, audio, window_s)
    ample = float(motion.mean() / (motion.mean() + AMPLE_MOTION))
    return ample * (BLIND_WEIGHT + followed)


def _follows(opening: Times, motion: Times, time_s: Times, audio: Audio, window_s: float) -> float:
    """Best correlation in [0, 1] of opening or movement with loudness, within the lags allowed."""
    if len(time_s) < MIN_POINTS:
        return 0.0
    best = 0.0
    for lag_s in LAGS_S:
        heard = loudness(audio, time_s + lag_s, window_s)
        if heard.std() < 1e-9:
            continue
        for movement in (opening, motion):
            if movement.std() > 1e-9:
                best = max(best, float(np.corrcoef(movement, heard)[0, 1]))
    return best
