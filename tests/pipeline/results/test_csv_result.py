import csv
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affect_pipe.pipeline import atomic
from affect_pipe.pipeline.errors import ResultError
from affect_pipe.pipeline.records import (
    EmotionPrediction,
    Prediction,
    UtterancePrediction,
    VideoFeatures,
    VideoResult,
)
from affect_pipe.pipeline.results.csv_result import columns, neutralise, restore, write_csv

HEADER = (
    "index,start_s,end_s,speaker,text,sentiment,sentiment_intensity,"
    "p_negative,p_neutral,p_positive,"
    "anger_probability,anger_present,anger_intensity,"
    "disgust_probability,disgust_present,disgust_intensity,"
    "fear_probability,fear_present,fear_intensity,"
    "happy_probability,happy_present,happy_intensity,"
    "sad_probability,sad_present,sad_intensity,"
    "surprise_probability,surprise_present,surprise_intensity,"
    "no_emotion_probability,no_emotion_present,no_emotion_intensity,"
    "text_present,text_reason,acoustic_present,acoustic_reason,visual_present,visual_reason"
)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def with_text(result: VideoResult, text: str) -> VideoResult:
    utterances = (replace(result.features.utterances[0], text=text),)
    return replace(result, features=VideoFeatures(utterances, {}), prediction=Prediction((None,)))


def test_the_rows_read_back(result: VideoResult, tmp_path: Path) -> None:
    write_csv(result, tmp_path / "r.csv")
    first, second, third = read(tmp_path / "r.csv")
    assert first["text"] == "I am glad, so glad, to see each and every one of you again!"
    assert (float(first["start_s"]), float(first["end_s"])) == (0.5, 2.0)
    assert (first["sentiment"], float(first["sentiment_intensity"])) == ("positive", 1.2346)
    assert [float(first[f"p_{k}"]) for k in ("negative", "neutral", "positive")] == [
        0.25, 0.125, 0.625,
    ]  # fmt: skip
    assert (first["happy_present"], float(first["happy_intensity"])) == ("true", 1.5)
    assert (first["sad_present"], float(first["sad_probability"])) == ("false", 0.1)
    assert (first["visual_present"], first["visual_reason"]) == ("true", "")
    assert (second["speaker"], second["visual_reason"]) == ("Ann", "no face")
    assert third["sentiment"] == third["happy_present"] == third["p_neutral"] == ""
    assert third["text_reason"] == "no words recognised"


def test_the_header_is_there_with_no_utterances(
    result: VideoResult, empty: VideoResult, tmp_path: Path
) -> None:
    write_csv(empty, tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text("utf-8") == HEADER + "\n"
    assert columns(result) == columns(empty) == HEADER.split(",")


def test_labels_of_another_model_follow_the_usual_ones(result: VideoResult) -> None:
    other = UtterancePrediction(
        "mixed", {"mixed": 1.0}, 0.0, {"awe": EmotionPrediction(1, True, 1)}
    )
    found = columns(replace(result, prediction=Prediction((other, None, None))))
    assert "p_mixed" in found
    assert "awe_intensity" in found
    assert [name for name in found if name in HEADER.split(",")] == HEADER.split(",")


def test_arousal_valence_and_evidence(levels: VideoResult, tmp_path: Path) -> None:
    write_csv(levels, tmp_path / "r.csv")
    first, second, third = read(tmp_path / "r.csv")
    assert (first["arousal"], first["valence"]) == ("high", "very low")
    assert (first["p_arousal_medium"], first["p_valence_very_low"]) == ("0.25", "1.0")
    assert (first["sentiment"], first["sentiment_intensity"]) == ("", "")
    assert first["evidence_sufficient"] == "false"
    assert first["evidence_reasons"] == "no words; =1 of 2 modalities are usable"
    assert (second["evidence_sufficient"], second["evidence_reasons"]) == ("true", "")
    assert (third["arousal"], third["evidence_sufficient"]) == ("", "false")
    assert not [name for name in first if name.startswith(("anger", "p_neg"))]


def test_seven_classes_and_intensities_alone(seven: VideoResult, tmp_path: Path) -> None:
    write_csv(seven, tmp_path / "r.csv")
    first, *_ = read(tmp_path / "r.csv")
    assert first["sentiment"] == "moderate negative"
    assert [float(first[f"p_{d}_negative"]) for d in ("strong", "moderate", "weak")] == [
        0.125, 0.5, 0.375,
    ]  # fmt: skip
    assert (first["sad_intensity"], first["sad_present"], first["sad_probability"]) == (
        "1.25", "", "",
    )  # fmt: skip
    assert "evidence_sufficient" not in first


def test_the_header_of_any_model_is_there_with_no_utterances(
    levels: VideoResult, seven: VideoResult, empty: VideoResult
) -> None:
    for one in (levels, seven):
        assert columns(replace(empty, model=one.model)) == columns(one)


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r\n=1", "'=1", "''@x", "\uff1d1", "\xa0-1"],
)
def test_no_text_is_a_formula(result: VideoResult, tmp_path: Path, text: str) -> None:
    write_csv(with_text(result, text), tmp_path / "r.csv")
    (row,) = read(tmp_path / "r.csv")
    assert row["text"] == "'" + text
    assert restore(row["text"]) == text


@pytest.mark.parametrize("text", ["", "plain", "1 - 1 = 0", "'tis", "'", "a@b", 'say "x", y\nz\r'])
def test_other_text_is_left_alone(result: VideoResult, tmp_path: Path, text: str) -> None:
    write_csv(with_text(result, text), tmp_path / "r.csv")
    assert read(tmp_path / "r.csv")[0]["text"] == text


@given(st.text(alphabet=st.sampled_from("'=+-@ \ta")) | st.text())
def test_neutralising_can_be_undone(text: str) -> None:
    cell = neutralise(text)
    assert restore(cell) == text
    assert not cell.lstrip().startswith(("=", "+", "-", "@"))


def test_half_a_character_does_not_stop_the_file(result: VideoResult, tmp_path: Path) -> None:
    write_csv(with_text(result, "x\udc80y"), tmp_path / "r.csv")
    assert read(tmp_path / "r.csv")[0]["text"] == "x?y"


def test_a_failing_write_leaves_the_old_file(
    result: VideoResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.csv").write_text("old")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(atomic.os, "replace", refuse)
    with pytest.raises(ResultError, match=r"r\.csv cannot be written \(Permission denied\).*--out"):
        write_csv(result, tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text() == "old"
    assert os.listdir(tmp_path) == ["r.csv"]
