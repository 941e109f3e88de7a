"""The speaking faces of a video's utterances, for every feature that describes faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.visual.visible import Seen, speaking_face
from affect_pipe.pipeline.interfaces import Arrays, Source
from affect_pipe.pipeline.records import FloatArray, Utterance


@dataclass(frozen=True)
class SpeakingFaces:
    """The chosen face of each utterance, ready for a `FeatureBlock`.

    Attributes
    ----------
    seen : tuple of Seen, one an utterance
        ``rows`` of the chosen face in the arrays of the face pass, or a ``reason`` for none.
    """

    seen: tuple[Seen, ...]

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
        """Columns float32 [n_utterances] for a block's quality.

        ``face_coverage`` share in [0, 1] of the utterance's frames that show the chosen face,
        ``n_faces`` seen in it, ``speaker_confidence`` in [0, 1], ``face_size_px`` its outer
        eye-corner distance; NaN without a face.
        """
        columns = {
            "face_coverage": [face.coverage for face in self.seen],
            "n_faces": [face.n_faces for face in self.seen],
            "speaker_confidence": [face.confidence for face in self.seen],
            "face_size_px": [face.size_px for face in self.seen],
        }
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
    several = bool(arrays) and len(np.unique(arrays["track"])) > 1
    audio = source.audio if several and utterances else None
    return SpeakingFaces(
        tuple(
            speaking_face(
                arrays,
                audio,
                utterance,
                window_s=1.0 / rate_hz,
                min_coverage=min_coverage,
                min_frames=min_frames,
            )
            for utterance in utterances
        )
    )
