"""Whose face is whose: the speakers of a diarised transcript and the face tracks of the video.

A face belongs to a speaker when its mouth shows more signs of speech while that speaker talks than
while others do. Each speaker gets one face at most and each face one speaker, by the assignment of
the greatest summed evidence (Kuhn 1955); a speaker whose best face shows no more than a listener
would gets none. Faces that were lost and found again under another number then follow the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

# Mean evidence (see `speaker.evidence`) that faces of listeners show: less than this, a face does
# not speak.
LISTENER = 0.08
# How a face listens is known from other speakers' talk; before that has lasted about so long, a
# usual listener is assumed: one sentence given to the wrong speaker must not decide.
USUAL_S = 10.0
# What speaks against a cast face besides the next best: evidence-seconds that chance can give.
# A talker gains about 0.1 a second on a listener.
CHANCE = 0.2


@dataclass(frozen=True)
class Sighting:
    """A face in view during an utterance: whose utterance, how long in view, what it showed."""

    speaker: str
    track: int
    seconds: float
    evidence: float


@dataclass(frozen=True)
class Part:
    """The face tracks of one speaker, in order, and how sure that is, in [0, 1)."""

    tracks: tuple[int, ...]
    confidence: float


@dataclass(frozen=True)
class Cast:
    """Which faces belong to which speaker; a speaker who is not in view is not in it."""

    parts: Mapping[str, Part] = field(default_factory=dict)

    def speaker_of(self, track: int) -> str | None:
        """Return whose face a track is, if anybody's."""
        return next((name for name, part in self.parts.items() if track in part.tracks), None)


def cast_faces(
    sightings: Sequence[Sighting], together: frozenset[frozenset[int]] = frozenset()
) -> Cast:
    """Assign faces to speakers.

    Parameters
    ----------
    sightings : sequence
        Of several speakers; with one there is nothing to tell apart.
    together : set of pairs of tracks
        Tracks that are in view at the same time, which cannot be one person.
    """
    speakers = sorted({s.speaker for s in sightings})
    tracks = sorted({s.track for s in sightings})
    if not speakers:
        return Cast()
    from scipy.optimize import linear_sum_assignment

    gains = _gains(sightings, speakers, tracks)
    # As many faces more that nobody has, for speakers who are not in view.
    padded = np.hstack([gains, np.zeros((len(speakers), len(speakers)))])
    rows, columns = linear_sum_assignment(-padded)
    owned = {
        int(row): [int(column)]
        for row, column in zip(rows, columns, strict=True)
        if column < len(tracks) and gains[row, column] > 0
    }
    confidence = {row: _confidence(gains, row, own[0]) for row, own in owned.items()}
    _follow_on(gains, owned, tracks, together)
    return Cast(
        {
            speakers[row]: Part(tuple(sorted(tracks[k] for k in own)), confidence[row])
            for row, own in sorted(owned.items())
        }
    )


def _gains(
    sightings: Sequence[Sighting], speakers: Sequence[str], tracks: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Evidence-seconds [n_speakers, n_tracks] by which a face exceeds one that listens."""
    seconds = np.zeros((len(speakers), len(tracks)))
    summed = np.zeros_like(seconds)
    for s in sightings:
        at = speakers.index(s.speaker), tracks.index(s.track)
        seconds[at] += s.seconds
        summed[at] += s.seconds * s.evidence
    other_s = seconds.sum(axis=0) - seconds
    others = summed.sum(axis=0) - summed
    listening = (others + USUAL_S * LISTENER) / (other_s + USUAL_S)
    return np.asarray(summed - seconds * np.maximum(listening, LISTENER), np.float64)


def _confidence(gains: npt.NDArray[np.float64], row: int, column: int) -> float:
    """Share of a pair's evidence in it, the next best of both sides and chance."""
    own = gains[row, column]
    rivals = np.concatenate([np.delete(gains[row], column), np.delete(gains[:, column], row), [0]])
    return float(own / (own + rivals.max() + CHANCE))


def _follow_on(
    gains: npt.NDArray[np.float64],
    owned: dict[int, list[int]],
    tracks: Sequence[int],
    together: frozenset[frozenset[int]],
) -> None:
    """Give further tracks of the same face to its speaker: those never in view beside its own."""
    taken = {k for own in owned.values() for k in own}
    for column in np.argsort(-gains.max(axis=0), kind="stable"):
        row = int(gains[:, column].argmax())
        if column in taken or gains[row, column] <= CHANCE or row not in owned:
            continue
        pairs = (frozenset((tracks[k], tracks[column])) for k in owned[row])
        if not any(pair in together for pair in pairs):
            owned[row].append(int(column))
