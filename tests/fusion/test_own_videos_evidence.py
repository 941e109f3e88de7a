"""The limit a checkpoint of own videos stands by, counted again over what its predictor says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from affect_pipe.fusion.checkpoint import read_config
from affect_pipe.fusion.datasets.folder_labels import read_labels
from affect_pipe.fusion.predict import CheckpointPredictor
from affect_pipe.fusion.recipes.own_videos import OwnVideosSettings, build
from affect_pipe.fusion.training_settings import TrainingSettings
from affect_pipe.pipeline.records import FeatureBlock, FeatureSpec, Utterance, VideoFeatures

SPEC = FeatureSpec("made", "text", 3, ("a", "b", "c"), "1")
UTTERANCES = 5
VIDEOS = {"train": 40, "dev": 16, "test": 10}
ACCURACY = 0.9
HEADER = "video,start_s,end_s,split,sentiment\n"


def folder_of(path, videos, columns, turned):
    """Videos whose first column tends to the sentiment: the larger it is, the more often."""
    rng = np.random.default_rng(3)
    low = -1 if columns == HEADER else 0
    path.mkdir()
    rows, features, right = [columns], {}, {}
    for split, number in videos.items():
        for index in range(number):
            name = f"{split}{index}"
            (path / f"{name}.mp4").write_bytes(b"nobody decodes this")
            values = rng.normal(0, 1, (UTTERANCES, 3)).astype(np.float32)
            positive = values[:, 0] + rng.normal(0, 0.7, UTTERANCES) > 0
            if split == "dev" and turned:
                positive = values[:, 0] < 0
            features[name] = {
                "text": FeatureBlock(SPEC, values, np.ones(UTTERANCES, bool), (None,) * UTTERANCES)
            }
            right[name] = ["positive" if p else "negative" for p in positive]
            rows += [
                f"{name},{u},{u + 1},{split},{1 if p else low}\n" for u, p in enumerate(positive)
            ]
    (path / "labels.csv").write_text("".join(rows), encoding="utf-8")
    return read_labels(path / "labels.csv", path), features, right


def trained(tmp_path, videos, accuracy=ACCURACY, columns=HEADER, turned=False):
    labelled, features, right = folder_of(tmp_path / "videos", videos, columns, turned)
    settings = OwnVideosSettings(
        backbone="mlp",
        backbone_settings={"widths": [8], "input_dropout": 0.0, "dropout": 0.0},
        evidence_accuracy=accuracy,
        training=TrainingSettings(epochs=8, learning_rate=0.02, device="cpu"),
    )
    said = []
    out = tmp_path / "run"
    report = build(labelled, features, out, settings, name="own", tell=said.append)
    return report, features, right, said


def counted(report, features, right, split):
    """Share of utterances with evidence enough, and share of those that are right."""
    predictor = CheckpointPredictor(report.checkpoint)
    kept = []
    for name in report.splits[split]:
        utterances = tuple(Utterance(i, i, i + 1.0, "") for i in range(UTTERANCES))
        judged = predictor.predict(VideoFeatures(utterances, features[name])).utterances
        kept += [
            (said.evidence.sufficient, said.sentiment_label == label)
            for said, label in zip(judged, right[name], strict=True)
        ]
    sufficient, correct = np.array(kept).T
    return sufficient.mean(), correct[sufficient].mean(), correct.mean()


def test_of_what_is_kept_so_many_are_right(tmp_path):
    report, features, right, said = trained(tmp_path, VIDEOS)
    evidence = read_config(report.checkpoint).evidence
    assert evidence.min_probability == {"sentiment_class": report.evidence.dev.limit}
    coverage, accuracy, without = counted(report, features, right, "dev")
    assert without < ACCURACY <= accuracy
    assert 0.2 < coverage < 1
    assert report.evidence.dev.coverage == pytest.approx(coverage)
    assert report.evidence.dev.accuracy == pytest.approx(accuracy)
    coverage, accuracy, without = counted(report, features, right, "test")
    assert (report.evidence.test.coverage, report.evidence.test.accuracy) == (
        pytest.approx(coverage),
        pytest.approx(accuracy),
    )
    assert accuracy > without
    assert f"{report.evidence.dev.coverage:.0%}" in report.as_text()
    written = json.loads((report.checkpoint.parent / "report.json").read_text("utf-8"))
    assert written["evidence"]["dev"]["limit"] == report.evidence.dev.limit
    assert report.evidence.as_text() in (report.checkpoint / "README.md").read_text("utf-8")
    assert not any("evidence" in line for line in said)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"videos": {"train": 6, "dev": 9}}, "45 utterances with a sentiment label"),
        ({"columns": HEADER.replace("sentiment", "happy")}, "no sentiment to be right about"),
        ({"turned": True}, "at none are 90.0% of dev's sentiments right"),
    ],
)
def test_no_limit_is_said_with_the_reason(tmp_path, fields, reason):
    report, _, _, said = trained(tmp_path, **{"videos": VIDEOS, **fields})
    assert read_config(report.checkpoint).evidence is None
    assert report.evidence is None
    assert any(reason in line for line in said)
    assert any(reason in warning for warning in report.warnings)


def test_nothing_is_chosen_unasked(tmp_path):
    report, _, _, said = trained(tmp_path, {"train": 6, "dev": 12}, None)
    assert read_config(report.checkpoint).evidence is None
    assert not any("evidence" in line for line in said)
