"""Whose face was described in an utterance, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from affect_pipe.pipeline.records import FeatureBlock, VideoFeatures

# With several faces in view, a face less sure than this to be the speaker's is doubtful: of two
# talking faces, the chosen one is then the wrong one in a quarter to a half of all cases.
DOUBTFUL = 0.6
_DIGITS = 3
# Qualities of a visual block that say which face it is, not how good the evidence is.
FACE_COLUMNS = ("face_track", "face_of_speaker", "face_x0", "face_y0", "face_x1", "face_y1")

Choice = Literal["only face", "mouth", "speaker"]


@dataclass(frozen=True)
class FaceChoice:
    """The face that an utterance's visual features describe.

    Attributes
    ----------
    track : int
        Its number in the video, from 0 in order of first appearance.
    chosen_by : {"only face", "mouth", "speaker"}
        There was no other; its mouth moved as the voice did; it is known from the whole video to
        be the face of the utterance's speaker.
    confidence : float
        That it is the speaker's, in [0, 1].
    n_faces : int
        Faces in view during the utterance.
    coverage : float
        Share in [0, 1] of the utterance's frames that show it.
    box : tuple of float
        x0, y0, x1, y1 as shares of the frame's width and height, the median over the frames; a
        face at the edge may reach beyond 0 or 1.
    """

    track: int
    chosen_by: Choice
    confidence: float
    n_faces: int
    coverage: float
    box: tuple[float, float, float, float]

    @property
    def doubt(self) -> str | None:
        """Say why the choice is not to be relied on, if it is not."""
        if self.chosen_by == "only face" or self.confidence >= DOUBTFUL:
            return None
        if self.chosen_by == "speaker":
            return "little tells that this is the face of the speaker"
        return f"{self.n_faces} faces in view, none of which stands out as the one that speaks"


def face_of(block: FeatureBlock | None, row: int) -> FaceChoice | None:
    """Return the face that one row of a visual block describes.

    None where it describes no face, or does not tell which.
    """
    if block is None or "face_track" not in block.quality or not block.present[row]:
        return None
    found = {name: float(column[row]) for name, column in block.quality.items()}
    if math.isnan(found["face_track"]):
        return None
    chosen_by: Choice = "mouth"
    if found["face_of_speaker"]:
        chosen_by = "speaker"
    elif found["n_faces"] == 1:
        chosen_by = "only face"
    return FaceChoice(
        track=int(found["face_track"]),
        chosen_by=chosen_by,
        confidence=found["speaker_confidence"],
        n_faces=int(found["n_faces"]),
        coverage=found["face_coverage"],
        box=(found["face_x0"], found["face_y0"], found["face_x1"], found["face_y1"]),
    )


def face_to_json(face: FaceChoice) -> dict[str, Any]:
    """Return a choice in the published shape."""
    return {
        "track": face.track,
        "chosen_by": face.chosen_by,
        "confidence": round(face.confidence, _DIGITS),
        "n_faces": face.n_faces,
        "coverage": round(face.coverage, _DIGITS),
        "box": [round(edge, _DIGITS) + 0.0 for edge in face.box],
        "doubt": face.doubt,
    }


def speaking_faces_to_json(features: VideoFeatures) -> list[dict[str, Any]]:
    """Return each speaker of the transcript with the face tracks known to be theirs, in order.

    Empty where the transcript names no speakers.
    """
    block = features.blocks.get("visual")
    found: dict[str, dict[str, Any]] = {}
    for row, utterance in enumerate(features.utterances):
        if utterance.speaker is None:
            continue
        entry = found.setdefault(
            utterance.speaker,
            {"speaker": utterance.speaker, "tracks": [], "confidence": None, "utterances": 0},
        )
        entry["utterances"] += 1
        face = face_of(block, row)
        if face is not None and face.chosen_by == "speaker":
            entry["tracks"] = sorted({*entry["tracks"], face.track})
            entry["confidence"] = round(face.confidence, _DIGITS)
    return list(found.values())
