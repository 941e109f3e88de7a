from __future__ import annotations

import itertools

import numpy as np
import pytest

from affect_pipe.fusion import metrics
from affect_pipe.fusion.config import EMOTION_CLASSES, TaskSettings
from affect_pipe.fusion.metrics import weighted_accuracy
from affect_pipe.fusion.tasks import build_task, decide_emotions
from affect_pipe.fusion.thresholds import (
    GRID,
    calibrate,
    grid_scores,
    non_dominated,
    pareto_front,
    positive_f1,
)


def test_positive_f1_by_hand():
    reference, estimate = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert positive_f1(reference, estimate) == 0.5
    assert positive_f1(~reference & reference, reference & ~reference) == 0.0


def test_a_separable_emotion_gets_the_middle_of_the_gap():
    target = np.zeros((40, 7), np.float32)
    target[20:, 0] = 1
    target[:3, 1] = 1  # too few positives to choose by
    target[:, 2] = np.nan
    probabilities = np.full((40, 7), 0.5, np.float32)
    probabilities[:, 0] = np.where(target[:, 0] > 0, 0.75, 0.15)
    found = calibrate(target, probabilities, positive_f1, default=0.4)
    assert set(found) == set(EMOTION_CLASSES)
    assert found["anger"] == pytest.approx(0.45, abs=0.02)
    assert found["disgust"] == found["fear"] == 0.4


@pytest.mark.parametrize("objective", [positive_f1, weighted_accuracy])
def test_no_single_threshold_does_better(objective):
    rng = np.random.default_rng(2)
    target = (rng.random((300, 7)) < 0.2).astype(np.float32)
    probabilities = np.clip(0.3 * target + rng.random((300, 7)) * 0.6, 0, 1).astype(np.float32)
    found = calibrate(target, probabilities, objective, default=0.5)
    for index, emotion in enumerate(EMOTION_CLASSES):
        reference = target[:, index] > 0
        chosen = objective(reference, probabilities[:, index] > found[emotion])
        each = [objective(reference, probabilities[:, index] > limit) for limit in GRID]
        assert chosen == pytest.approx(max(each))


@pytest.mark.parametrize("seed", range(3))
def test_scores_on_the_grid_are_the_metrics(seed):
    rng = np.random.default_rng(seed)
    reference = rng.random(60) < 0.3
    # Values of the grid themselves among them.
    probabilities = np.round(rng.random(60), 2).astype(np.float32)
    found = grid_scores(reference, probabilities)
    for limit, (f1, w_acc) in list(zip(GRID, found, strict=True))[::7]:
        limits = dict.fromkeys(EMOTION_CLASSES, limit)
        decided = decide_emotions(np.tile(probabilities[:, None], 7), limits)[:, 0]
        assert f1 == pytest.approx(metrics.weighted_f1(reference, decided))
        assert w_acc == pytest.approx(weighted_accuracy(reference, decided))


@pytest.mark.parametrize("seed", range(5))
def test_non_dominated_points_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 8, (40, 2)) / 8
    found = non_dominated(points)
    expected = {
        tuple(p) for p in points if not any((q >= p).all() and (q > p).any() for q in points)
    }
    assert {tuple(p) for p in points[found]} == expected
    assert len(found) == len(expected)
    assert (np.diff(points[found, 0]) < 0).all()
    assert (np.diff(points[found, 1]) > 0).all()
    assert len(non_dominated(np.empty((0, 2)))) == 0


def emotions(n, seed, n_judged=7):
    rng = np.random.default_rng(seed)
    target = (rng.random((n, 7)) < rng.uniform(0.05, 0.5, 7)).astype(np.float32)
    target[0], target[1] = 1, 0
    target[:, n_judged:] = 0
    probabilities = np.clip(0.25 * target + rng.random((n, 7)) * 0.7, 0, 1).astype(np.float32)
    return target, probabilities


def test_the_front_of_two_emotions_is_that_of_all_pairs_of_thresholds():
    target, probabilities = emotions(25, seed=1, n_judged=2)
    target[3, 0] = np.nan
    own = [
        grid_scores(target[known, i] > 0, probabilities[known, i])
        for i, known in ((0, ~np.isnan(target[:, 0])), (1, ~np.isnan(target[:, 1])))
    ]
    every = np.array([(a + b) / 2 for a, b in itertools.product(*own)])
    expected = every[non_dominated(every)]
    found = pareto_front(target, probabilities, default=0.33)
    np.testing.assert_allclose([(c.f1, c.w_acc) for c in found], expected, atol=1e-12)
    assert {c.thresholds["no-emotion"] for c in found} == {0.33}


def test_the_front_is_what_its_thresholds_give():
    target, probabilities = emotions(80, seed=2)
    front = pareto_front(target, probabilities)
    assert len(front) > 5
    task = build_task(TaskSettings(name="emotion_class"))
    for one in front[:: len(front) // 4]:
        scores = task.score(target, probabilities, {"any": one.thresholds})
        assert (scores["any/f1"], scores["any/w_acc"]) == pytest.approx((one.f1, one.w_acc))
    assert all(a.f1 > b.f1 and a.w_acc < b.w_acc for a, b in itertools.pairwise(front))


def test_no_thresholds_beat_the_front():
    target, probabilities = emotions(60, seed=3)
    front = pareto_front(target, probabilities)
    rng = np.random.default_rng(4)
    own = [grid_scores(target[:, i] > 0, probabilities[:, i]) for i in range(7)]
    for _ in range(2000):
        f1, w_acc = np.mean([scores[rng.integers(len(GRID))] for scores in own], axis=0)
        assert any(c.f1 >= f1 - 1e-12 and c.w_acc >= w_acc - 1e-12 for c in front)
    # The ends are the best of each objective by itself.
    ends = np.mean([scores.max(axis=0) for scores in own], axis=0)
    assert front[0].f1 == pytest.approx(ends[0])
    assert front[-1].w_acc == pytest.approx(ends[1])


def test_nothing_to_choose_by_has_no_front():
    assert pareto_front(np.zeros((5, 7), np.float32), np.ones((5, 7), np.float32)) == []
