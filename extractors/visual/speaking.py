"""The speaking faces of a video's utterances, for every feature that describes faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.visual.casting import Cast, Sighting, cast_faces
from affect_pipe.extractors.visual.speaker import Speaker, evidence, pick
from affect_pipe.extractors.visual.visible import NOT_IN_VIEW, Seen, View, view
from affect_pipe.pipeline.interfaces import Arrays, Source
from affect_pipe.pipeline.records import FloatArray, Utterance

# Evidence at which a face that belongs to nobody counts as talking: listeners reach it once in ten
# utterances, talkers in nine of ten.
TALKER = 0.1


@dataclass(frozen=True)
class SpeakingFaces:
    """The chosen face of each utterance, ready for a `FeatureBlock`.

    Attributes
    ----------
    seen : tuple of Seen, one an utterance
        ``rows`` of the chosen face in the arrays of the face pass, or a ``reason`` for none.
    cast : Cast
        Which faces are whose, where the transcript tells several speakers apart.
    """

    seen: tuple[Seen, ...]
    cast: Cast = field(default_factory=Cast)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which utterances have a face: bool [n_utterances]."""
        return np.array([face.reason is None for face in self.seen], np.bool_)

    @property
    def reasons(self) -> tuple[str | None, ...]:
        """Why an utterance has none; None where it has."""
        return tuple(face.reason for face in self.seen)

    @property
    def quality(self) -> Mapping[str, FloatArray]:
        """Columns float32 [n_utterances] for a block's quality; NaN without a face.

        ``face_coverage`` share in [0, 1] of the utterance's frames that show the chosen face;
        ``n_faces`` seen in it; ``speaker_confidence`` in [0, 1], that the chosen face is the
        speaker's: its share of the evidence among the faces in view, or how sure its speaker's
        face is; ``face_size_px`` its outer eye-corner distance; ``face_track`` its number;
        ``face_of_speaker`` 1 where it is known to be the face of the transcript's speaker, 0 where
        it was chosen for this utterance; ``face_x0``, ``face_y0``, ``face_x1``, ``face_y1`` its box
        as shares of the frame.
        """
        missing = float("nan")
        found = [face.reason is None for face in self.seen]
        columns: dict[str, list[float]] = {
            "face_coverage": [face.coverage for face in self.seen],
            "n_faces": [face.n_faces for face in self.seen],
            "speaker_confidence": [face.confidence for face in self.seen],
            "face_size_px": [face.size_px for face in self.seen],
            "face_track": [missing if f.track is None else f.track for f in self.seen],
            "face_of_speaker": [
                float(face.of_speaker) if there else missing
                for face, there in zip(self.seen, found, strict=True)
            ],
        }
        for k, edge in enumerate(("x0", "y0", "x1", "y1")):
            columns[f"face_{edge}"] = [face.box[k] for face in self.seen]
        return {name: np.array(column, np.float32) for name, column in columns.items()}


def speaking_faces(
    source: Source,
    arrays: Arrays,
    utterances: Sequence[Utterance],
    *,
    rate_hz: float,
    min_coverage: float = 0.2,
    min_frames: int = 2,
) -> SpeakingFaces:
    """Choose the speaking face of every utterance of a video.

    Without speakers, by the mouths in view during the utterance. Where the transcript tells several
    speakers apart, each speaker's face is found over the whole video first (`casting`); an
    utterance then has the face of its speaker, or none: the face of someone who listens is not
    described as the speaker's.

    Parameters
    ----------
    source : Source
        Its audio is decoded only where there are faces to choose from.
    arrays : mapping
        Output of a pass over the faces, or empty where there is no video: ``frame_time_s``
        [n_frames], and per face and frame ``time_s``, ``track``, ``box`` (x0, y0, x1, y1 as shares
        of the frame), ``size`` (pixels), ``mouth`` (inner-lip gap in any unit that does not change
        with the face's size). See `tracks.tracked`.
    utterances : sequence
    rate_hz : float
        Frames per second of the pass.
    min_coverage : float
        An utterance has a face when one is seen in at least this share of its frames.
    min_frames : int
        And in at least this many frames.
    """
    views = [
        view(arrays, utterance, min_coverage=min_coverage, min_frames=min_frames)
        for utterance in utterances
    ]
    speakers = {u.speaker for u in utterances if u.speaker is not None}
    # Mouths are compared with the voice only where there is something to choose.
    several = len(speakers) > 1 or any(len(found.faces) > 1 for found in views)
    audio = source.audio if several else None
    shown = [
        [evidence(face, audio, 1.0 / rate_hz) for face in found.faces] if several else []
        for found in views
    ]
    if len(speakers) < 2:
        cast = Cast()
    else:
        cast = cast_faces(_sightings(utterances, views, shown, rate_hz), _together(arrays))
    seen = [
        _choose(found, signs, arrays, utterance.speaker if len(speakers) > 1 else None, cast)
        for utterance, found, signs in zip(utterances, views, shown, strict=True)
    ]
    return SpeakingFaces(tuple(seen), cast)


def _choose(
    found: View, signs: Sequence[float], arrays: Arrays, speaker: str | None, cast: Cast
) -> Seen:
    """Choose a face of one utterance; ``speaker`` is None where it is not known who speaks."""
    if found.reason is not None:
        return found.absent(found.reason)
    if speaker is None:
        # One face alone is taken without a look at its mouth.
        signs = signs or [0.0] * len(found.faces)
        return found.chosen(pick(found.faces, signs), arrays)
    part = cast.parts.get(speaker)
    if part is not None:
        own = [k for k, face in enumerate(found.faces) if face.track in part.tracks]
        if own:
            best = max(own, key=lambda k: (len(found.rows[k]), -k))
            chosen = Speaker(found.faces[best].track, part.confidence)
            return found.chosen(chosen, arrays, of_speaker=True)
    # Faces of other speakers listen. One that nobody owns may be the speaker's, seen too briefly
    # to be known, but then it must look like talking: a listener must not be taken for the speaker.
    free = [
        k
        for k, face in enumerate(found.faces)
        if cast.speaker_of(face.track) is None and signs[k] >= TALKER
    ]
    if not free:
        return found.absent(NOT_IN_VIEW)
    picked = pick([found.faces[k] for k in free], [signs[k] for k in free])
    # Its share among all faces in view, not among those that were left.
    sign = signs[next(k for k in free if found.faces[k].track == picked.track)]
    return found.chosen(replace(picked, confidence=sign / sum(signs)), arrays)


def _sightings(
    utterances: Sequence[Utterance],
    views: Sequence[View],
    shown: Sequence[Sequence[float]],
    rate_hz: float,
) -> list[Sighting]:
    return [
        Sighting(utterance.speaker, face.track, len(face.time_s) / rate_hz, sign)
        for utterance, found, signs in zip(utterances, views, shown, strict=True)
        for face, sign in zip(found.faces, signs, strict=True)
        if utterance.speaker is not None
    ]


def _together(arrays: Arrays) -> frozenset[frozenset[int]]:
    """Pairs of tracks that share a frame."""
    if not arrays or len(arrays["time_s"]) == 0:
        return frozenset()
    cuts = np.flatnonzero(np.diff(arrays["time_s"]) != 0) + 1
    frames = {tuple(part) for part in map(np.ndarray.tolist, np.split(arrays["track"], cuts))}
    return frozenset(frozenset(pair) for frame in frames for pair in combinations(frame, 2))
