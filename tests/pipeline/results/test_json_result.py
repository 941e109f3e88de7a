import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from affect_pipe.pipeline import atomic
from affect_pipe.pipeline.errors import ResultError
from affect_pipe.pipeline.records import (
    Prediction,
    Segment,
    Transcript,
    Utterance,
    VideoFeatures,
    VideoResult,
)
from affect_pipe.pipeline.results.json_result import schema, to_json, write_json


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema())


def test_the_published_schema_is_sound() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def objects(node: Any) -> Iterator[dict[str, Any]]:
    """Every part of a schema that describes an object."""
    if isinstance(node, dict):
        if "object" in np.atleast_1d(node.get("type", "")):
            yield node
        for inner in node.values():
            yield from objects(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from objects(inner)


def test_the_schema_lets_no_unknown_field_through() -> None:
    for part in objects(schema()):
        if "properties" in part and "if" not in part:
            assert part["additionalProperties"] is False, part
            assert set(part["required"]) <= set(part["properties"])


def test_results_follow_the_schema(
    validator: jsonschema.Draft202012Validator, result: VideoResult, empty: VideoResult
) -> None:
    validator.validate(to_json(result))
    validator.validate(to_json(empty))


@pytest.mark.parametrize(
    "path",
    [
        ("utterances", 0, "sentiment", "intensity", 3.5),
        ("utterances", 0, "sentiment", "probabilities", "positive", 1.5),
        ("utterances", 0, "sentiment", None),
        ("utterances", 0, "emotions", "happy", "intensity", -0.5),
        ("utterances", 0, "emotions", "happy", "extra", 1),
        ("utterances", 0, "modalities", "visual", "reason", "present yet missing"),
        ("utterances", 2, "modalities", "visual", "reason", None),
        ("utterances", 0, "start_s", -1.0),
        ("utterances", 0, "start_s", None),
        ("media", "path", "/home/someone"),
        ("attention", "text-visual/N1", [1.0]),
        ("attention", "text-visual/N1", [[[0, 1.5]]]),
        ("attention", "text-visual/N1", [[[0, 0.5, 0.5]]]),
        ("schema", "affect-pipe/2"),
    ],
)
def test_the_schema_refuses_what_is_wrong(
    validator: jsonschema.Draft202012Validator, result: VideoResult, path: tuple[Any, ...]
) -> None:
    document = to_json(result)
    *way, last, value = path
    node: Any = document
    for step in way:
        node = node[step]
    node[last] = value
    assert not validator.is_valid(document)


def test_other_models_follow_the_schema(
    validator: jsonschema.Draft202012Validator, levels: VideoResult, seven: VideoResult
) -> None:
    for one in (levels, seven):
        validator.validate(to_json(one))


def test_what_a_model_does_not_predict_is_left_out(levels: VideoResult, seven: VideoResult) -> None:
    first, second, third = to_json(levels)["utterances"]
    assert "sentiment" not in first
    assert "emotions" not in first
    assert first["arousal"]["label"] == "high"
    assert list(first["arousal"]["probabilities"].values()) == [0, 0, 0.25, 0.75, 0]
    assert first["evidence"] == {
        "sufficient": False,
        "reasons": ["no words", "=1 of 2 modalities are usable"],
    }
    assert second["evidence"] == {"sufficient": True, "reasons": []}
    assert third["arousal"] is None
    assert third["evidence"] == {"sufficient": False, "reasons": ["no words, voice or face"]}
    first, *_ = to_json(seven)["utterances"]
    assert first["sentiment"]["intensity"] is None
    assert first["emotions"]["sad"] == {"probability": None, "present": None, "intensity": 1.25}
    assert not {"arousal", "valence", "evidence"} & set(first)


@pytest.mark.parametrize(
    "path",
    [
        ("utterances", 0, "evidence", {"sufficient": True, "reasons": ["no words"]}),
        ("utterances", 0, "evidence", {"sufficient": False, "reasons": []}),
        ("utterances", 2, "evidence", {"sufficient": True, "reasons": []}),
        ("utterances", 0, "arousal", None),
        ("utterances", 0, "arousal", "probabilities", {}),
        ("utterances", 0, "dominance", {"label": "high", "probabilities": {"high": 1.0}}),
    ],
)
def test_the_schema_refuses_half_a_judgement(
    validator: jsonschema.Draft202012Validator, levels: VideoResult, path: tuple[Any, ...]
) -> None:
    document = to_json(levels)
    *way, last, value = path
    node: Any = document
    for step in way:
        node = node[step]
    node[last] = value
    assert not validator.is_valid(document)


def test_the_values_are_those_of_the_records(result: VideoResult) -> None:
    document = to_json(result)
    assert document["schema"] == "affect-pipe/1"
    assert document["media"]["file"] == "a talk.mp4"
    assert document["media"]["duration_s"] == 3703.123
    assert document["asr"]["source"] == "srt"
    assert [spec["name"] for spec in document["features"]] == ["minilm", "egemaps", "facemesh"]
    first, second, third = document["utterances"]
    assert (first["index"], first["start_s"], first["end_s"]) == (0, 0.5, 2.0)
    assert first["sentiment"] == {
        "label": "positive",
        "probabilities": {"negative": 0.25, "neutral": 0.125, "positive": 0.625},
        "intensity": 1.2346,
    }
    assert first["emotions"]["happy"] == {"probability": 0.9, "present": True, "intensity": 1.5}
    assert list(first["emotions"])[-1] == "no-emotion"
    assert "speaker" not in first
    assert second["speaker"] == "Ann"
    assert second["end_s"] == 64.0
    assert second["modalities"]["visual"] == {
        "present": False,
        "reason": "no face",
        "quality": {"face_coverage": 0.0},
    }
    assert second["modalities"]["acoustic"]["quality"] == {"snr_db": 3.142}
    assert third["sentiment"] is None
    assert third["emotions"] is None
    assert {name: m["reason"] for name, m in third["modalities"].items()} == {
        "text": "no words recognised",
        "acoustic": "silent",
        "visual": "no face",
    }
    assert document["attention"] == {"text-visual/N1": [[[1, 0.6667], [0, 0.3333]], [[0, 1.0]], []]}
    assert document["timings_s"] == {"decode": 1.235, "fusion": 0.1}


def test_long_talks_list_the_strongest_attention(result: VideoResult) -> None:
    n = 100
    weights = np.full((n, n), 0.001, np.float32)
    weights[0, 7:37] = np.linspace(0.01, 0.3, 30)
    weights[1] = 0.00001
    attention = {"text-visual/N1": weights}
    document = to_json(replace(result, prediction=replace(result.prediction, attention=attention)))
    first, second, third, *_ = document["attention"]["text-visual/N1"]
    assert [index for index, _ in first] == list(range(36, 16, -1))
    assert first[0] == [36, 0.3]
    assert second == []
    assert third == [[index, 0.001] for index in range(20)]


def test_a_modality_the_model_does_not_use_says_so(empty: VideoResult) -> None:
    utterances = (Utterance(0, 0.0, 1.0, "x"),)
    unused = replace(empty, features=VideoFeatures(utterances, {}), prediction=Prediction((None,)))
    (utterance,) = to_json(unused)["utterances"]
    assert utterance["modalities"]["visual"] == {
        "present": False,
        "reason": "the model does not use it",
        "quality": {},
    }


def test_what_is_not_a_number_is_null(result: VideoResult) -> None:
    document = to_json(result)
    assert document["utterances"][2]["modalities"]["acoustic"]["quality"] == {"snr_db": None}
    json.dumps(document, allow_nan=False)
    video = replace(result.media.video, average_rate_hz=float("inf"))
    document = to_json(replace(result, media=replace(result.media, video=video)))
    assert document["media"]["video"]["average_rate_hz"] is None


def test_zero_has_no_sign(result: VideoResult) -> None:
    assert str(to_json(result)["utterances"][1]["sentiment"]["intensity"]) == "0.0"


def test_no_folder_of_the_user_is_told(result: VideoResult, tmp_path: Path) -> None:
    write_json(result, tmp_path / "r.json")
    assert "someone" not in (tmp_path / "r.json").read_text("utf-8")


def test_the_file_reads_back_as_the_document(
    result: VideoResult, empty: VideoResult, tmp_path: Path
) -> None:
    for number, one in enumerate((result, empty)):
        path = tmp_path / "new" / "folder" / f"{number} 😀.json"
        write_json(one, path)
        text = path.read_bytes().decode("utf-8")
        assert json.loads(text) == to_json(one)
        assert text.endswith("}\n")
        assert max(map(len, text.splitlines())) < 200


def test_only_the_timings_tell_two_runs_apart(result: VideoResult, tmp_path: Path) -> None:
    write_json(result, tmp_path / "1.json")
    moved = replace(result.media, path=Path("/elsewhere/a talk.mp4"))
    write_json(replace(result, media=moved, timings_s={"decode": 9.0}), tmp_path / "2.json")
    one, two = ((tmp_path / f"{n}.json").read_text("utf-8") for n in (1, 2))
    cut = '"timings_s"'
    assert one.partition(cut)[0] == two.partition(cut)[0]
    assert one != two


def test_any_text_can_be_written(result: VideoResult, tmp_path: Path) -> None:
    text = 'a "quote" \\ \x00\x1b[31m \u2028 é 😀 \udc80'
    utterances = (replace(result.features.utterances[0], text=text),)
    features = VideoFeatures(utterances, {})
    odd = replace(result, features=features, prediction=Prediction((None,)))
    write_json(odd, tmp_path / "r.json")
    read = json.loads((tmp_path / "r.json").read_bytes())
    assert read["utterances"][0]["text"] == text


def test_a_failing_write_leaves_the_old_result(
    result: VideoResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.json"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(ResultError, match=r"r\.json cannot be written \(No space.*--out"):
        write_json(result, path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["r.json"]


def test_a_file_in_place_of_the_folder_is_one_clear_sentence(
    result: VideoResult, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResultError, match=r"cannot be written .*--out"):
        write_json(result, tmp_path / "file" / "r.json")


def test_what_the_recogniser_tells_of_its_segments_is_told(
    validator: jsonschema.Draft202012Validator, result: VideoResult
) -> None:
    assert "segments" not in to_json(result)["asr"]
    segments = (
        Segment(1.0, 2.00049, "Hello.", (), quality={"no_speech_probability": 0.01234}),
        Segment(2.0, 3.0, "no no no no no", (), doubt="it looped"),
    )
    document = to_json(replace(result, transcript=Transcript(segments, "whisper")))
    validator.validate(document)
    assert document["asr"]["segments"] == [
        {
            "start_s": 1.0,
            "end_s": 2.0,
            "text": "Hello.",
            "doubt": None,
            "quality": {"no_speech_probability": 0.012},
        },
        {
            "start_s": 2.0,
            "end_s": 3.0,
            "text": "no no no no no",
            "doubt": "it looped",
            "quality": {},
        },
    ]
