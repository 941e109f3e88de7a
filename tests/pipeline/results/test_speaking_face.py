"""Whose face was described: in the records, the JSON and the CSV."""

from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import pytest

from affect_pipe.pipeline.records import FeatureBlock, VideoFeatures, VideoResult
from affect_pipe.pipeline.results.csv_result import columns, to_rows
from affect_pipe.pipeline.results.json_result import schema, to_json
from affect_pipe.pipeline.results.speaking_face import DOUBTFUL, face_of


def faced(result: VideoResult, speakers: tuple[str | None, ...], **changed: Any) -> VideoResult:
    """The talk of `conftest` with a face of each utterance."""
    nan = np.nan
    quality = {
        "face_coverage": [1, 0.51234, 0],
        "n_faces": [1, 3, 2],
        "speaker_confidence": [1, 0.4, nan],
        "face_track": [0, 4, nan],
        "face_of_speaker": [0, 0, nan],
        "face_x0": [0.25, -0.0123, nan],
        "face_y0": [0.25, 0.5, nan],
        "face_x1": [0.5, 0.25, nan],
        "face_y1": [0.5, 0.75, nan],
        **changed,
    }
    block = result.features.blocks["visual"]
    visual = FeatureBlock(
        block.spec,
        np.ones((3, 2), np.float32) * np.float32([[1], [1], [0]]),
        np.array([True, True, False]),
        (None, None, "the speaker's face is not in view"),
        {name: np.array(column, np.float32) for name, column in quality.items()},
    )
    utterances = tuple(
        replace(u, speaker=name)
        for u, name in zip(result.features.utterances, speakers, strict=True)
    )
    blocks = {**result.features.blocks, "visual": visual}
    return replace(result, features=VideoFeatures(utterances, blocks))


def test_the_face_of_each_utterance(result: VideoResult) -> None:
    document = to_json(faced(result, (None, None, None)))
    jsonschema.validate(document, schema())
    first, second, third = document["utterances"]
    assert first["face"] == {
        "track": 0,
        "chosen_by": "only face",
        "confidence": 1.0,
        "n_faces": 1,
        "coverage": 1.0,
        "box": [0.25, 0.25, 0.5, 0.5],
        "doubt": None,
    }
    assert second["face"]["chosen_by"] == "mouth"
    assert second["face"]["box"][0] == -0.012
    assert "3 faces in view" in second["face"]["doubt"]
    assert "face" not in third
    assert "speakers" not in document
    # What the face object says is not said twice.
    assert set(first["modalities"]["visual"]["quality"]) == {
        "face_coverage",
        "n_faces",
        "speaker_confidence",
    }


def test_speakers_and_their_faces(result: VideoResult) -> None:
    told = faced(
        result, ("Ann", "Bob", "Cy"), face_of_speaker=[1, 0, np.nan], speaker_confidence=[0.9, 1, 0]
    )
    document = to_json(told)
    jsonschema.validate(document, schema())
    assert document["speakers"] == [
        {"speaker": "Ann", "tracks": [0], "confidence": 0.9, "utterances": 1},
        {"speaker": "Bob", "tracks": [], "confidence": None, "utterances": 1},
        {"speaker": "Cy", "tracks": [], "confidence": None, "utterances": 1},
    ]
    assert document["utterances"][0]["face"]["chosen_by"] == "speaker"


@pytest.mark.parametrize(
    ("n_faces", "of_speaker", "confidence", "doubtful"),
    [(1, 0, 1.0, False), (2, 0, DOUBTFUL, False), (2, 0, 0.5, True), (1, 1, 0.5, True)],
)
def test_doubt(
    result: VideoResult, n_faces: int, of_speaker: int, confidence: float, doubtful: bool
) -> None:
    told = faced(
        result,
        (None,) * 3,
        n_faces=[n_faces] * 3,
        face_of_speaker=[of_speaker] * 3,
        speaker_confidence=[np.nextafter(np.float32(confidence), np.float32(1))] * 3,
    )
    face = face_of(told.features.blocks["visual"], 0)
    assert face is not None
    assert bool(face.doubt) == doubtful


def test_the_table_has_the_face_where_it_is_told(result: VideoResult) -> None:
    told = faced(result, (None,) * 3)
    assert columns(told)[: len(columns(result))] == columns(result)
    added = columns(told)[len(columns(result)) :]
    assert added == ["n_faces", "face_track", "face_chosen_by", "face_confidence", "face_doubt"]
    first, second, third = to_rows(told)
    assert [first[name] for name in added] == ["1", "0", "only face", "1.0", ""]
    assert second["face_confidence"] == "0.4"
    assert second["face_doubt"] != ""
    assert {third[name] for name in added} == {""}
