"""Values worked out by hand, and those of scikit-learn, SciPy and torchmetrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.spatial
import scipy.stats
import sklearn.metrics
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


def drawn(seed, n=137):
    """Intensities in [-3, 3] with zeros, halves and estimates off the scale among them."""
    rng = np.random.default_rng(seed)
    reference = np.round(rng.uniform(-3, 3, n) * 6) / 6
    reference[::9] = 0
    estimate = reference * 0.6 + rng.normal(0, 1.2, n)
    estimate[::13] = 0
    return reference, estimate


@pytest.mark.parametrize("seed", range(5))
def test_class_metrics_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    reference, estimate = rng.integers(0, 5, 80), rng.integers(0, 6, 80)
    binary = rng.random((2, 80)) < 0.3
    assert metrics.accuracy(reference, estimate) == pytest.approx(
        sklearn.metrics.accuracy_score(reference, estimate)
    )
    for average, metric in (("weighted", metrics.weighted_f1), ("macro", metrics.macro_f1)):
        assert metric(reference, estimate) == pytest.approx(
            sklearn.metrics.f1_score(reference, estimate, average=average, zero_division=0)
        )
    assert metrics.unweighted_average_recall(reference, estimate) == pytest.approx(
        sklearn.metrics.recall_score(
            reference, estimate, labels=np.unique(reference), average="macro"
        )
    )
    assert metrics.weighted_accuracy(*binary) == pytest.approx(balanced_accuracy_score(*binary))


@pytest.mark.parametrize("seed", range(5))
def test_value_metrics_are_those_of_scipy_and_scikit_learn(seed):
    reference, estimate = drawn(seed)
    expected = {
        metrics.mean_absolute_error: sklearn.metrics.mean_absolute_error(reference, estimate),
        metrics.mean_squared_error: sklearn.metrics.mean_squared_error(reference, estimate),
        metrics.pearson: scipy.stats.pearsonr(reference, estimate).statistic,
        metrics.cosine: 1 - scipy.spatial.distance.cosine(reference, estimate),
    }
    for metric, value in expected.items():
        assert metric(reference, estimate) == pytest.approx(value, rel=1e-9)
        assert metric(np.float32(reference), np.float32(estimate)) == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_torchmetrics(seed):
    torch = pytest.importorskip("torch")
    torchmetrics = pytest.importorskip("torchmetrics.functional")
    reference, estimate = drawn(seed, n=2000)
    pair = torch.from_numpy(estimate), torch.from_numpy(reference)
    # torchmetrics divides by n - 1, Lin by n.
    assert metrics.ccc(reference, estimate) == pytest.approx(
        torchmetrics.concordance_corrcoef(*pair).item(), abs=1 / len(reference)
    )
    assert metrics.pearson(reference, estimate) == pytest.approx(
        torchmetrics.pearson_corrcoef(*pair).item(), rel=1e-6
    )
    assert metrics.cosine(reference, estimate) == pytest.approx(
        torchmetrics.cosine_similarity(pair[0][None], pair[1][None]).item(), rel=1e-6
    )
    seven = [(values.clamp(-3, 3).round() + 3).long() for values in pair]
    assert metrics.acc7(reference, estimate) == pytest.approx(
        torchmetrics.accuracy(*seven, task="multiclass", num_classes=7, average="micro").item()
    )
    five = [(values.clamp(-2, 2).round() + 2).long() for values in pair]
    assert metrics.acc5(reference, estimate) == pytest.approx(
        torchmetrics.accuracy(*five, task="multiclass", num_classes=5, average="micro").item()
    )
    assert metrics.unweighted_average_recall(seven[1].numpy(), seven[0].numpy()) == pytest.approx(
        torchmetrics.recall(*seven, task="multiclass", num_classes=7, average="macro").item(),
        rel=1e-6,
    )


def test_both_conventions_of_two_classes_by_hand():
    reference, estimate = np.array([-1.0, 0.0, 0.5, 0.0, 2.0]), np.array([-2.0, 0.0, -0.1, -1, 1])
    # non-negative: reference - + + + +, estimate - + - - +
    assert metrics.acc2(reference, estimate) == pytest.approx(3 / 5)
    # zeros left out: reference - + +, estimate - - +
    assert metrics.acc2(reference, estimate, zeros="excluded") == pytest.approx(2 / 3)
    # An estimate of zero is no positive where zeros are left out.
    assert metrics.acc2(np.array([1.0]), np.array([0.0]), zeros="excluded") == 0.0
    assert metrics.acc2(np.array([1.0]), np.array([0.0])) == 1.0
    for zeros in ("non-negative", "excluded"):
        left, right = metrics.binary_labels(reference, estimate, zeros)
        assert metrics.binary_f1(reference, estimate, zeros) == pytest.approx(
            sklearn.metrics.f1_score(left, right, average="weighted")
        )


def test_rounded_accuracies_by_hand():
    reference = np.array([-3.0, 2.4, 0.5, 1.0])
    estimate = np.array([-9.0, 2.9, 0.4, 1.6])
    # seven: -3 -3 | 2 3 | 0 0 | 1 2; five: -2 -2 | 2 2 | 0 0 | 1 2
    assert metrics.acc7(reference, estimate) == 0.5
    assert metrics.acc5(reference, estimate) == 0.75


def test_ccc_by_hand():
    # means 2 and 3, variances 2/3 and 2/3, covariance 2/3
    reference, estimate = np.array([1.0, 2, 3]), np.array([2.0, 3, 4])
    assert metrics.ccc(reference, estimate) == pytest.approx(2 * (2 / 3) / (4 / 3 + 1))
    assert metrics.ccc(reference, reference) == pytest.approx(1.0)
    assert metrics.ccc(reference, -reference + 4) == pytest.approx(-1.0)
    # As with Pearson's, nothing is measured by a constant or a single value.
    for left, right in ((reference, np.full(3, 2.0)), (np.ones(3), reference), ([1.0], [2.0])):
        assert math.isnan(metrics.ccc(np.asarray(left), np.asarray(right)))
    assert math.isnan(metrics.ccc(np.ones(3), np.ones(3)))


@pytest.mark.filterwarnings("error")
def test_nothing_to_judge_is_not_a_number():
    nothing = np.empty(0)
    for metric in (
        metrics.accuracy,
        metrics.weighted_f1,
        metrics.macro_f1,
        metrics.unweighted_average_recall,
        metrics.acc2,
        metrics.binary_f1,
        metrics.acc5,
        metrics.acc7,
        metrics.mean_absolute_error,
        metrics.mean_squared_error,
        metrics.pearson,
        metrics.ccc,
        metrics.cosine,
    ):
        assert math.isnan(metric(nothing, nothing)), metric.__name__
    zeros = np.zeros(4)
    assert math.isnan(metrics.acc2(zeros, zeros, zeros="excluded"))
