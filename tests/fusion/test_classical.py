"""The classical baselines on problems whose answer is known, and their handling of absence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from affect_pipe.fusion.classical import ClassicalSettings, design, fit_classical
from affect_pipe.fusion.config import TASK_NAMES, TaskSettings
from affect_pipe.pipeline.records import MODALITIES

KINDS = ("majority", "logistic", "svm", "random-forest")
TASKS = tuple(TaskSettings(name=name) for name in TASK_NAMES)
SMALL = {"trees": 20}


def labelled(dialogue, n, seed, present=1.0):
    """Sentiment is the sign and size of the first text column; anger is that of the voice."""
    made = dialogue(n, seed, present=present)
    text, voice = made.features["text"][:, 0] - 3, made.features["acoustic"][:, 0] - 3
    intensity = np.clip(text / 4, -1, 1).astype(np.float32)
    emotions = np.zeros((n, 7), np.float32)
    emotions[:, 0] = voice > 0
    emotions[:, 6] = voice <= 0
    degrees = np.zeros((n, 6), np.float32)
    degrees[:, 0] = np.clip(voice / 4, 0, 1)
    targets = {
        "sentiment_class": np.digitize(intensity, [-0.2, 0.2]).astype(np.float32),
        "sentiment_intensity": intensity,
        "emotion_class": emotions,
        "emotion_intensity": degrees,
    }
    return replace(made, targets=targets)


def settings(kind, **fields):
    return ClassicalSettings(kind=kind, **{**SMALL, **fields})


@pytest.mark.parametrize(
    ("kind", "fields"), [*((kind, {}) for kind in KINDS), ("svm", {"kernel": "rbf"})]
)
def test_what_is_linear_in_the_features_is_found(kind, fields, dialogue, normaliser):
    train = [labelled(dialogue, 40, seed) for seed in range(8)]
    test = [labelled(dialogue, 40, seed) for seed in range(50, 54)]
    scores = fit_classical(settings(kind, **fields), TASKS, train, normaliser()).evaluate(test)
    assert set(scores) == set(TASK_NAMES)
    if kind == "majority":
        assert scores["sentiment_class"]["accuracy"] < 0.6
        assert np.isnan(scores["sentiment_intensity"]["pearson"])
    else:
        assert scores["sentiment_class"]["accuracy"] > 0.75
        assert scores["sentiment_intensity"]["pearson"] > 0.8
        assert scores["emotion_class"]["f1/anger/w_acc"] > 0.8
        assert scores["emotion_intensity"]["anger/pearson"] > 0.7


def test_majority_is_the_shares_of_the_training_labels(dialogue, normaliser):
    labels = np.array([0, 2, 2, 1, 2, 0, 2, np.nan], np.float32)
    made = dialogue(8, 1, present=1.0)
    made = replace(made, targets={"sentiment_class": labels, "sentiment_intensity": labels - 1})
    model = fit_classical(settings("majority"), TASKS, [made], normaliser())
    assert set(model.tasks) == {"sentiment_class", "sentiment_intensity"}
    (values,) = model.predict_values([dialogue(3, 2)])
    np.testing.assert_allclose(values["sentiment_class"], [[2 / 7, 1 / 7, 4 / 7]] * 3, rtol=1e-6)
    np.testing.assert_allclose(values["sentiment_intensity"], [[2 / 7]] * 3, rtol=1e-6)


def test_logistic_regression_is_the_minimum_of_its_loss(dialogue, normaliser):
    """At scikit-learn's solution the gradient of C * cross-entropy + |w|^2 / 2 is zero."""
    train = [labelled(dialogue, 30, seed) for seed in range(3)]
    task = TaskSettings(name="sentiment_class")
    model = fit_classical(settings("logistic", strength=0.5), [task], train, normaliser())
    rows = design(train, normaliser())
    values = np.concatenate([v["sentiment_class"] for v in model.predict_values(train)])
    labels = np.concatenate([d.targets["sentiment_class"][:, 0] for d in train]).astype(int)
    (output,) = model.outputs["sentiment_class"]
    gradient = 0.5 * (values - np.eye(3)[labels]).T @ rows + output.estimator.coef_
    np.testing.assert_allclose(gradient, 0, atol=0.02)  # lbfgs stops at 1e-4 of a mean loss


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_probabilities_and_fits_repeat(kind, dialogue, normaliser):
    train = [labelled(dialogue, 30, seed, present=0.6) for seed in range(4)]
    test = [dialogue(7, 60), dialogue(1, 61), dialogue(0, 62)]
    runs = [fit_classical(settings(kind), TASKS, train, normaliser()) for _ in range(2)]
    first, second = (run.predict_values(test) for run in runs)
    for one, other, made in zip(first, second, test, strict=True):
        for task in TASKS:
            assert one[task.name].shape == (len(made), task.width)
            assert one[task.name].dtype == np.float32
            np.testing.assert_array_equal(one[task.name], other[task.name])
        np.testing.assert_allclose(one["sentiment_class"].sum(axis=1), 1, rtol=1e-5)
        assert (np.abs(one["sentiment_intensity"]) <= 1).all()
        assert ((one["emotion_intensity"] >= 0) & (one["emotion_intensity"] <= 1)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_absent_rows_and_other_dialogues_change_nothing(kind, dialogue, normaliser):
    train = [labelled(dialogue, 30, seed, present=0.6) for seed in range(4)]
    test = [dialogue(n, 70 + n, present=0.5) for n in (6, 2, 9)]

    def spoilt(dialogues):
        return [
            replace(
                d,
                features={
                    m: np.where(d.present[:, [MODALITIES.index(m)]], v, np.float32(np.nan))
                    for m, v in d.features.items()
                },
            )
            for d in dialogues
        ]

    reference = fit_classical(settings(kind), TASKS, train, normaliser())
    estimate = fit_classical(settings(kind), TASKS, spoilt(train), normaliser())
    expected = reference.predict_values(test)
    found = estimate.predict_values(spoilt(test)[::-1])[::-1]
    for one, other in zip(expected, found, strict=True):
        for name in one:
            np.testing.assert_allclose(one[name], other[name], rtol=0, atol=1e-6)


def test_weights_of_zero_leave_utterances_out(dialogue, normaliser):
    kept = [labelled(dialogue, 20, seed) for seed in range(3)]
    other = [labelled(dialogue, 20, seed) for seed in range(90, 93)]
    muted = [replace(d, weights=np.zeros(20, np.float32)) for d in other]
    test = [dialogue(9, 5)]
    for kind in ("majority", "logistic"):
        alone = fit_classical(settings(kind), TASKS, kept, normaliser()).predict_values(test)
        both = fit_classical(settings(kind), TASKS, kept + muted, normaliser()).predict_values(test)
        for name, values in alone[0].items():
            np.testing.assert_allclose(both[0][name], values, rtol=0, atol=1e-6)


def test_a_class_that_never_occurs_has_no_probability(dialogue, normaliser):
    made = labelled(dialogue, 40, 1)
    targets = {"sentiment_class": np.where(made.targets["sentiment_class"] > 1, 2, 0)}
    made = replace(made, targets={k: v.astype(np.float32) for k, v in targets.items()})
    for kind in KINDS:
        model = fit_classical(settings(kind), TASKS, [made], normaliser())
        (values,) = model.predict_values([made])
        assert not values["sentiment_class"][:, 1].any()
        np.testing.assert_allclose(values["sentiment_class"].sum(axis=1), 1, rtol=1e-5)


def test_any_subset_of_modalities(dialogue, normaliser):
    train = [labelled(dialogue, 20, seed) for seed in range(3)]
    for dims in ({"text": 6}, {"acoustic": 5, "visual": 4}):
        norm = normaliser("z", dims)
        assert design(train, norm).shape == (60, sum(dims.values()) + len(dims))
        model = fit_classical(settings("logistic"), TASKS, train, norm)
        assert set(model.evaluate(train)) == set(TASK_NAMES)


def test_no_label_at_all_is_refused(dialogue, normaliser):
    with pytest.raises(ValueError, match="needs a label"):
        fit_classical(settings("logistic"), TASKS, [dialogue(5, 1)], normaliser())
