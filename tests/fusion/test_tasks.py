from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from affect_pipe.fusion import losses
from affect_pipe.fusion.batch import target_width
from affect_pipe.fusion.config import (
    ALL_TASK_NAMES,
    EMOTION_CLASSES,
    TASK_WIDTHS,
    TaskSettings,
)
from affect_pipe.fusion.tasks import build_task, decide_emotions, paper_thresholds

NAN = float("nan")


def task(name, **fields):
    return build_task(TaskSettings(name=name, **fields))


def tensors(*rows):
    return torch.tensor(rows, dtype=torch.float32)


@pytest.mark.parametrize("name", ALL_TASK_NAMES)
def test_unknown_labels_and_their_logits_do_not_count(name):
    torch.manual_seed(0)
    logits = torch.randn(5, TASK_WIDTHS[name], requires_grad=True)
    width = target_width(name)
    target, mask = torch.ones(5, width), torch.ones(5, width, dtype=torch.bool)
    mask[3:] = False
    judge = task(name, softmax_weight=1.0)
    whole = judge.loss(logits, target, mask, torch.ones(5))
    some = judge.loss(logits[:3], target[:3], mask[:3], torch.ones(3))
    assert whole.item() == pytest.approx(some.item())
    whole.backward()
    assert not logits.grad[3:].any()
    assert logits.grad[:3].any()
    assert judge.loss(logits, target, torch.zeros_like(mask), torch.ones(5)).item() == 0.0


def test_cross_entropy_by_hand():
    logits = torch.log(tensors([0.2, 0.3, 0.5], [0.6, 0.3, 0.1]))
    target, mask = tensors([2], [0]), torch.ones(2, 1, dtype=torch.bool)
    loss = task("sentiment_class").loss(logits, target, mask, torch.tensor([1.0, 3.0]))
    assert loss.item() == pytest.approx(-(math.log(0.5) + 3 * math.log(0.6)) / 2)


def test_binary_cross_entropy_is_masked_by_element():
    logits = torch.zeros(1, 7)
    mask = torch.tensor([[True] + [False] * 6])
    assert task("emotion_class").loss(
        logits, torch.ones(1, 7), mask, torch.ones(1)
    ).item() == pytest.approx(math.log(2))


def test_spread_cross_entropy_by_hand():
    logits = torch.log(tensors([0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4]))
    target = tensors([1, 1, 0], [0, 0, 1], [0, 0, 0])
    loss = losses.spread_cross_entropy(
        logits, target, torch.ones(3, 3, dtype=torch.bool), torch.ones(3)
    )
    first = -(math.log(0.5) + math.log(0.25)) / 2
    assert loss.item() == pytest.approx((first - math.log(0.8)) / 2)


def test_sentiment_intensity_losses_by_hand():
    logits, target = tensors([0.5], [-1.0]), tensors([-1], [0.2])
    mask, weights = torch.ones(2, 1, dtype=torch.bool), torch.ones(2)
    tanh = [math.tanh(0.5), math.tanh(-1.0)]
    mse = task("sentiment_intensity").loss(logits, target, mask, weights)
    assert mse.item() == pytest.approx(((tanh[0] + 1) ** 2 + (tanh[1] - 0.2) ** 2) / 2)
    bce = task("sentiment_intensity", loss="bce").loss(logits, target, mask, weights)
    p = [(value + 1) / 2 for value in tanh]
    expected = -(math.log(1 - p[0]) + 0.6 * math.log(p[1]) + 0.4 * math.log(1 - p[1])) / 2
    assert bce.item() == pytest.approx(expected, rel=1e-5)


def test_activations_have_the_papers_ranges():
    logits = torch.linspace(-9, 9, 21).reshape(3, 7)
    assert torch.allclose(task("sentiment_class").activate(logits).sum(-1), torch.ones(3))
    assert task("sentiment_intensity").activate(logits).min() < -0.99
    for name in ("emotion_class", "emotion_intensity"):
        values = task(name).activate(logits)
        assert 0 < values.min() < 0.01
        assert 0.99 < values.max() < 1


def test_intensity_scores_are_on_the_papers_scale():
    target, values = np.float32([[1], [-1], [NAN]]), np.float32([[0], [-1], [9]])
    scores = task("sentiment_intensity").score(target, values, {})
    assert scores["mae"] == pytest.approx(1.5)
    assert scores["mse"] == pytest.approx(4.5)


def test_sentiment_class_takes_the_most_probable():
    target = np.float32([[0], [1], [2], [NAN]])
    values = np.float32([[0.6, 0.3, 0.1], [0.4, 0.35, 0.25], [0, 0.1, 0.9], [1, 0, 0]])
    scores = task("sentiment_class").score(target, values, {})
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["uar"] == pytest.approx(2 / 3)


def test_emotions_are_decided_by_each_ones_threshold():
    thresholds = dict.fromkeys(EMOTION_CLASSES, 0.4) | {"happy": 0.9}
    probabilities = np.full((2, 7), 0.5, np.float32)
    decided = decide_emotions(probabilities, thresholds)
    assert decided.sum() == 12
    assert not decided[:, EMOTION_CLASSES.index("happy")].any()


def test_emotion_scores_name_objective_emotion_and_metric():
    target = np.eye(7, dtype=np.float32)
    target[6] = [1, 1, 0, 0, 0, 0, 0]
    values = np.where(target > 0, np.float32(0.3), np.float32(0.1))
    scores = task("emotion_class").score(target, values, paper_thresholds())
    assert scores["w_acc/w_acc"] == scores["w_acc/anger/f1"] == 1.0
    assert scores["f1/anger/w_acc"] == 0.5  # 0.3 is under 0.4: nothing is ever present
    assert scores["top_accuracy"] == 1.0  # over the six rows with one label


def test_tasks_without_labels_score_nothing():
    for name in ALL_TASK_NAMES:
        empty = task(name).score(
            np.full((4, target_width(name)), NAN, np.float32), np.ones((4, 7)), {}
        )
        assert empty == {}


@pytest.mark.parametrize("classes", [2, 3, 5, 7])
def test_sentiment_with_any_number_of_classes(classes):
    judge = task("sentiment_class", classes=classes)
    torch.manual_seed(classes)
    logits = torch.randn(6, judge.settings.width)
    values = judge.activate(logits)
    assert values.shape == (6, classes)
    target = torch.arange(6)[:, None] % classes
    loss = judge.loss(logits, target.float(), torch.ones(6, 1, dtype=bool), torch.ones(6))
    by_hand = -np.log(values.numpy()[np.arange(6), target[:, 0].numpy()]).mean()
    assert loss.item() == pytest.approx(by_hand, rel=1e-5)
    right = np.eye(classes, dtype=np.float32)[target[:, 0].numpy()]
    assert judge.score(target.numpy().astype(np.float32), right, {})["macro_f1"] == 1.0


@pytest.mark.parametrize("name", ["arousal_class", "valence_class"])
def test_steps_are_judged_by_macro_f1(name):
    target = np.float32([[0], [0], [4], [NAN]])
    values = np.eye(5, dtype=np.float32)[[0, 1, 4, 2]]
    scores = task(name).score(target, values, {})
    # class 0: precision 1, recall 1/2; class 1: nothing right; class 4: all right
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert scores["accuracy"] == pytest.approx(2 / 3)


def test_a_temperature_cools_probabilities_and_leaves_the_loss():
    logits = tensors([0.5, -1.0, 3.0])
    warm, plain = task("sentiment_class", temperature=2.0), task("sentiment_class")
    assert torch.equal(warm.activate(logits), plain.activate(logits / 2))
    arguments = (tensors([1.0]), torch.ones(1, 1, dtype=torch.bool), torch.ones(1))
    assert torch.equal(warm.loss(logits, *arguments), plain.loss(logits, *arguments))
    seven = torch.linspace(-2, 2, 7)[None]
    warm = task("emotion_class", temperature=0.5)
    assert torch.equal(warm.activate(seven), torch.sigmoid(seven / 0.5))


def test_intensities_imply_classes():
    """Labels of halves, scaled to a third and back, round as the labels themselves."""
    labels = np.arange(-3, 3.01, 0.5)
    target = (labels / 3).astype(np.float32)[:, None]
    scores = task("sentiment_intensity").score(target, target, {})
    for name in ("acc2", "acc2_nonzero", "f1", "f1_nonzero", "acc5", "ccc"):
        assert scores[name] == pytest.approx(1.0), name
    rounded = (np.round(labels) / 3).astype(np.float32)[:, None]
    assert task("sentiment_intensity").score(target, rounded, {})["acc7"] == 1.0


def test_an_emotion_that_all_or_none_have_scores_nothing():
    target = np.zeros((4, 7), np.float32)
    target[:2, 3] = 1
    found = task("emotion_class").score(target, target, {"f1": dict.fromkeys(EMOTION_CLASSES, 0.5)})
    assert found["f1/happy/f1"] == 1.0
    assert np.isnan(found["f1/anger/f1"])
    assert found["f1/f1"] == 1.0
