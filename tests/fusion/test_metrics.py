"""Values worked out by hand, and scikit-learn's where it has the metric under another name."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from affect_pipe.fusion import metrics


def test_perfect_and_hopeless():
    labels = np.array([0, 1, 2, 1])
    for metric in (
        metrics.accuracy,
        metrics.weighted_f1,
        metrics.macro_f1,
        metrics.unweighted_average_recall,
    ):
        assert metric(labels, labels) == 1.0
        assert metric(labels, labels + 10) == 0.0


def test_f1_by_hand():
    reference, estimate = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    # class 0: precision 1, recall 2/3 -> 0.8; class 1: precision 1/2, recall 1 -> 2/3
    assert metrics.weighted_f1(reference, estimate) == pytest.approx(0.75 * 0.8 + 0.25 * 2 / 3)
    assert metrics.macro_f1(reference, estimate) == pytest.approx((0.8 + 2 / 3) / 2)
    assert metrics.accuracy(reference, estimate) == 0.75


def test_weighted_accuracy_by_hand():
    # P = 2, N = 4, TP = 1, TN = 3: (1 * 4 / 2 + 3) / 8
    reference = np.array([1, 1, 0, 0, 0, 0], bool)
    estimate = np.array([1, 0, 1, 0, 0, 0], bool)
    assert metrics.weighted_accuracy(reference, estimate) == pytest.approx(5 / 8)


def test_weighted_accuracy_and_uar_are_balanced_accuracy():
    rng = np.random.default_rng(0)
    reference, estimate = rng.random(200) < 0.2, rng.random(200) < 0.4
    expected = balanced_accuracy_score(reference, estimate)
    assert metrics.weighted_accuracy(reference, estimate) == pytest.approx(expected)
    assert metrics.unweighted_average_recall(reference, estimate) == pytest.approx(expected)


def test_weighted_accuracy_needs_both_classes():
    assert math.isnan(metrics.weighted_accuracy(np.ones(3, bool), np.ones(3, bool)))


def test_errors_and_similarities_by_hand():
    reference, estimate = np.array([1.0, -2.0, 3.0]), np.array([2.0, -2.0, 1.0])
    assert metrics.mean_absolute_error(reference, estimate) == pytest.approx(1.0)
    assert metrics.mean_squared_error(reference, estimate) == pytest.approx(5 / 3)
    assert metrics.cosine(reference, estimate) == pytest.approx(9 / math.sqrt(14 * 9))
    assert metrics.pearson(reference, estimate) == pytest.approx(
        np.corrcoef(reference, estimate)[0, 1]
    )
    assert metrics.pearson(reference, 7 - 2 * reference) == pytest.approx(-1.0)


def test_similarities_without_variation_are_undefined():
    assert math.isnan(metrics.pearson(np.ones(3), np.arange(3.0)))
    assert math.isnan(metrics.pearson(np.ones(1), np.ones(1)))
    assert math.isnan(metrics.cosine(np.zeros(3), np.ones(3)))
