"""Predictions against annotations: matching by time, and metrics known on paper."""

from __future__ import annotations

import json

import pytest
from sklearn.metrics import f1_score

from affect_pipe.fusion.datasets.annotated import AnnotatedUtterance, AnnotatedVideo
from affect_pipe.fusion.datasets.annotated_values import Labels
from affect_pipe.fusion.gold import evaluate_gold, match
from affect_pipe.pipeline.results.result_file import Result
from affect_pipe.pipeline.results.result_parts import ResultParts, UtterancePart

HERE = {"present": True, "reason": None, "quality": {}}


def person(start_s, end_s, labels=None, speaker=None):
    return AnnotatedUtterance(start_s, end_s, "", speaker, labels or Labels())


def model(start_s, end_s, label="neutral", intensity=None, emotions=None, speaker=None, **fields):
    names = fields.pop("names", ("negative", "neutral", "positive"))
    return UtterancePart.model_validate(
        {
            "index": 0,
            "start_s": start_s,
            "end_s": end_s,
            "text": "",
            **({} if speaker is None else {"speaker": speaker}),
            "sentiment": {
                "label": label,
                "probabilities": dict.fromkeys(names, 1 / len(names)),
                "intensity": intensity,
            },
            "emotions": {
                name: {"probability": 0.5, "present": present, "intensity": degree}
                for name, (present, degree) in (emotions or {}).items()
            },
            "modalities": {name: HERE for name in ("text", "acoustic", "visual")},
            **fields,
        }
    )


def report(people, models, tmp_path, least=0.5):
    video = AnnotatedVideo(tmp_path / "gold.eaf", "talk.mp4", tuple(people))
    parts = ResultParts.model_construct(utterances=tuple(models))
    result = Result("talk", "", parts, {"media": {"file": "talk.mp4"}})
    return evaluate_gold(video, result, least)


def test_utterances_are_the_same_from_half_of_their_time_on():
    # Shared 2 of 4 seconds; shared 1 of 3; the same; none.
    gold = [person(0, 4), person(10, 12), person(20, 21), person(30, 31)]
    found = match(gold, [model(0, 2), model(11, 13), model(20, 21), model(40, 41)])
    assert found == [(0.5, 0, 0), (1.0, 2, 2)]
    assert match(gold[1:2], [model(11, 13)], 1 / 3) == [(pytest.approx(1 / 3), 0, 0)]


def test_each_utterance_is_matched_once_the_best_overlap_first():
    # The person cut in two what the model took for one, and the model again elsewhere.
    found = match([person(0, 6), person(6, 10), person(20, 30)], [model(0, 10), model(20, 26)])
    assert [(g, p) for _, g, p in found] == [(0, 0), (2, 1)]


def test_of_two_who_speak_at_once_the_speaker_decides():
    gold = [person(0, 4, speaker="Ann"), person(0, 4, speaker="Bo")]
    found = match(gold, [model(0, 4, speaker="Bo"), model(0, 4, speaker="Ann")])
    assert sorted((g, p) for _, g, p in found) == [(0, 1), (1, 0)]


def test_matching_does_not_depend_on_the_order_of_either_side():
    gold = [person(i, i + 0.9) for i in range(50)]
    predicted = [model(i + 0.1, i + 1.0) for i in range(50)]
    forward = match(gold, predicted)
    backward = match(gold[::-1], predicted[::-1])
    assert len(forward) == 50
    assert sorted((49 - g, 49 - p) for _, g, p in backward) == sorted((g, p) for _, g, p in forward)


def test_metrics_are_over_what_both_sides_know(tmp_path):
    people = [
        person(0, 1, Labels(sentiment_class="positive", sentiment=2.0)),
        person(1, 2, Labels(sentiment_class="negative", sentiment=-1.0)),
        person(2, 3, Labels(sentiment=-3.0)),
        person(3, 4),
        person(50, 51, Labels(sentiment_class="neutral")),
    ]
    models = [
        model(0, 1, "positive", 1.0),
        model(1, 2, "positive", 1.0),
        model(2, 3, "negative", -2.0),
        model(3, 4, "neutral", 0.0),
        model(60, 61, "neutral", 0.0),
    ]
    found = report(people, models, tmp_path)
    assert (found.matched, found.gold_unmatched, found.predicted_unmatched) == (4, 1, 1)
    assert found.gold_without_labels == 1
    # A class that nobody named is that of the intensity: three are known.
    assert found.value("sentiment", "accuracy") == pytest.approx(2 / 3)
    assert found.value("sentiment", "weighted_f1") == pytest.approx(
        f1_score([2, 0, 0], [2, 2, 0], average="weighted")
    )
    assert found.value("sentiment intensity", "mae") == pytest.approx((1 + 2 + 1) / 3)
    assert found.value("sentiment intensity", "acc2") == pytest.approx(2 / 3)
    assert json.loads(found.as_json())["matched"] == 4
    assert "1 only annotated, 1 only predicted" in found.as_text()


def test_emotions_are_judged_one_by_one(tmp_path):
    here, away = (
        Labels(present={"happy": True}, degrees={"happy": 2.0}),
        Labels(present={"happy": False}),
    )
    people = [person(i, i + 1, labels) for i, labels in enumerate((here, here, away, away))]
    predicted = [(True, 1.5), (False, 0.5), (False, 0.0), (True, 1.0)]
    models = [model(i, i + 1, emotions={"happy": p}) for i, p in enumerate(predicted)]
    found = report(people, models, tmp_path)
    assert found.value("happy", "f1") == pytest.approx(0.5)
    assert found.value("happy", "w_acc") == pytest.approx(0.5)
    # Of an emotion that is not there the degree is 0.
    assert found.value("happy intensity", "mae") == pytest.approx((0.5 + 1.5 + 0 + 1) / 4)
    assert found.value("emotion, mean", "f1") == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("names", "predicted", "named", "right"),
    [
        (("negative", "non-negative"), "non-negative", "neutral", True),
        (("negative", "non-negative"), "non-negative", "negative", False),
        (
            ("strong negative", "weak negative", "neutral", "weak positive", "strong positive"),
            *("weak negative", "negative", True),
        ),
        (
            ("strong negative", "weak negative", "neutral", "weak positive", "strong positive"),
            *("weak negative", "strong negative", False),
        ),
        (("negative", "neutral", "positive"), "positive", "weak positive", True),
    ],
)
def test_classes_are_compared_in_the_finest_scheme_both_know(
    tmp_path, names, predicted, named, right
):
    people = [person(0, 1, Labels(sentiment_class=named))]
    found = report(people, [model(0, 1, predicted, names=names)], tmp_path)
    assert found.value("sentiment", "accuracy") == float(right)


def test_nothing_in_common_is_told_and_gives_no_figures(tmp_path):
    found = report([person(0, 1)], [model(5, 6)], tmp_path)
    assert found.figures == ()
    assert "no utterance of the annotation" in found.warnings[0]
    assert json.loads(found.as_json())["mean_overlap"] is None


def test_what_is_undefined_is_no_part_of_a_mean(tmp_path):
    people = [person(i, i + 1, Labels(degrees={"happy": 1.0, "sad": float(i)})) for i in range(3)]
    models = [model(i, i + 1, emotions={"happy": (True, i), "sad": (True, i)}) for i in range(3)]
    found = report(people, models, tmp_path)
    for metric in ("pearson", "ccc"):
        assert str(found.value("happy intensity", metric)) == "nan"
        assert found.value("emotion intensity, mean", metric) == pytest.approx(1.0)


def test_an_annotation_without_labels_is_told(tmp_path):
    found = report([person(0, 1)], [model(0, 1)], tmp_path)
    assert found.figures == ()
    assert "gold.eaf labels nothing" in found.warnings[-1]
