"""Which features are suspected of knowing the label."""

from __future__ import annotations

import numpy as np
import pytest

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.datasets.leaks import label_columns, leak_warnings, probe_splits


@pytest.mark.parametrize(
    "name",
    [
        *("Joy Evidence", "angerEvidence", "joy", "Facet_sadness", "happiness_mean", "Contempt"),
        *("neutral", "neutral_evidence", "facet_neutral", "positive", "emotion_fear_intensity"),
        *("Surprise", "valence", "DisgustProb", "FACET 4.2_anger"),
    ],
)
def test_names_of_emotions_are_predictions(name):
    assert label_columns([name]) == (name,)


def test_names_of_measurements_are_none():
    egemaps = (
        *("F0semitoneFrom27.5Hz_sma3nz_amean", "loudness_sma3_percentile20.0"),
        *("slopeUV0-500_sma3nz_amean", "F0semitoneFrom27.5Hz_sma3nz_meanRisingSlope"),
        *("spectralFlux_sma3_stddevNorm", "HNRdBACF_sma3nz_amean", "MeanVoicedSegmentLengthSec"),
    )
    faces = ("AU12_r", "AU01", "gaze_angle_x", "pose_Rx", "neutral_pose_distance", "smile", "blink")
    others = ("NAQ", "MCEP_3", "text_4", "saddle", "enjoyment", "positive_slope_of_pitch")
    assert label_columns((*egemaps, *faces, *others)) == ()


def corpus(kind, rng, n_videos=20, length=8, task="sentiment_class"):
    """Vectors of 30 columns; what they know of the label depends on the kind."""
    dialogues = []
    for video in range(n_videos):
        labels = rng.integers(0, 2, length)
        values = rng.normal(size=(length, 30))
        values[:, 0] += {"honest": 1.5, "learnt": 8.0, "trivial": 8.0}[kind] * labels
        target = labels if task == "sentiment_class" else np.eye(7)[labels]
        dialogues.append(
            Dialogue(
                id=str(video),
                corpus="made",
                features={"acoustic": values.astype(np.float32)},
                present=np.tile([False, True, False], (length, 1)),
                targets={task: target.astype(np.float32)},
            )
        )
    return dialogues


@pytest.mark.parametrize("task", ["sentiment_class", "emotion_class"])
def test_only_what_is_near_perfect_inside_and_far_worse_outside_leaks(task):
    rng = np.random.default_rng(0)
    honest = corpus("honest", rng, task=task)
    learnt = corpus("learnt", rng, task=task)
    trivial = corpus("trivial", rng, task=task)
    for train, other, expected in (
        (honest, corpus("honest", rng, task=task), False),
        (learnt, corpus("honest", rng, task=task), True),
        (trivial, corpus("trivial", rng, task=task), False),
    ):
        (probe,) = probe_splits(train, other, task)
        assert probe.modality == "acoustic"
        assert probe.leaks is expected
    (sentence,) = leak_warnings(learnt, honest, tasks=(task,))
    assert "acoustic features look trained on the labels" in sentence
    assert leak_warnings(honest, honest, {"acoustic": ("F0", "joy")}, (task,)) == (
        "acoustic has columns that are predictions of the label (joy): a model that reads them "
        "repeats another recogniser; leave them out.",
    )


def test_too_little_to_tell_says_nothing():
    rng = np.random.default_rng(0)
    assert probe_splits(corpus("learnt", rng, 3), corpus("honest", rng, 3)) == ()
    assert probe_splits([], []) == ()
