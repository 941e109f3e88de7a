"""Metrics from sums over videos against scikit-learn and SciPy on the utterances themselves."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from affect_pipe.fusion.reproduce.moments import Thresholds, evaluate, metrics_of, video_sums

N, VIDEOS = 60, 7
# float32 inputs, float64 sums; only the order of additions differs.
EXACT = 1e-9


def made(seed: int = 0):
    rng = np.random.default_rng(seed)
    return rng, rng.integers(VIDEOS, size=N)


def total(task, metric, target, values, videos, limits=None):
    sums = video_sums(task, metric, target, values, videos, VIDEOS, limits or Thresholds())
    assert len(sums) == VIDEOS
    return float(evaluate(task, metric, sums.sum(axis=0)))


@pytest.mark.parametrize("classes", [2, 3, 5, 7])
def test_class_metrics(classes):
    rng, videos = made(classes)
    target = rng.integers(classes, size=(N, 1)).astype(np.float32)
    values = rng.random((N, classes)).astype(np.float32)
    y, p = target[:, 0].astype(int), values.argmax(axis=1)
    expected = {
        "accuracy": accuracy_score(y, p),
        "weighted_f1": f1_score(y, p, average="weighted", zero_division=0),
        "macro_f1": f1_score(y, p, average="macro", zero_division=0),
        "uar": balanced_accuracy_score(y, p),
    }
    for metric, value in expected.items():
        found = total("sentiment_class", metric, target, values, videos)
        assert found == pytest.approx(value, abs=EXACT), metric


def test_a_class_that_never_occurs_is_no_part_of_macro_f1():
    target = np.array([[0], [0], [2], [2]], np.float32)
    values = np.eye(3, dtype=np.float32)[[0, 2, 2, 2]]
    sums = video_sums(
        "sentiment_class", "macro_f1", target, values, np.zeros(4, int), 1, Thresholds()
    )
    # F1 of class 0: 2/3; of class 2: 4/5; class 1 is nowhere.
    assert evaluate("sentiment_class", "macro_f1", sums[0]) == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_emotion_metrics_use_a_threshold_each():
    rng, videos = made(3)
    target = (rng.random((N, 7)) < 0.4).astype(np.float32)
    values = rng.random((N, 7)).astype(np.float32)
    limits = Thresholds(f1=0.6, w_acc=0.3)
    f1 = np.mean(
        [
            f1_score(target[:, e] > 0, values[:, e] > 0.6, average="weighted", zero_division=0)
            for e in range(7)
        ]
    )
    weighted = []
    for e in range(7):
        y, p = target[:, e] > 0, values[:, e] > 0.3
        positives, negatives = y.sum(), (~y).sum()
        tp, tn = (y & p).sum(), (~y & ~p).sum()
        # Tong et al. 2017, as the papers print it.
        weighted.append((tp * negatives / positives + tn) / (2 * negatives))
    found = total("emotion_class", "emotion_f1", target, values, videos, limits)
    assert found == pytest.approx(f1, abs=EXACT)
    found = total("emotion_class", "emotion_w_acc", target, values, videos, limits)
    assert found == pytest.approx(np.mean(weighted), abs=EXACT)


def test_intensity_metrics_on_the_papers_scale_with_unknown_labels():
    rng, videos = made(4)
    target = rng.uniform(-1, 1, (N, 1)).astype(np.float32)
    values = (0.5 * target + rng.normal(0, 0.3, (N, 1))).astype(np.float32)
    target[::9] = np.nan
    known = ~np.isnan(target[:, 0])
    y, p = 3 * target[known, 0].astype(float), 3 * values[known, 0].astype(float)
    expected = {
        "mae": np.abs(y - p).mean(),
        "mse": ((y - p) ** 2).mean(),
        "pearson": pearsonr(y, p)[0],
        "cosine": y @ p / np.sqrt((y @ y) * (p @ p)),
    }
    for metric, value in expected.items():
        found = total("sentiment_intensity", metric, target, values, videos)
        assert found == pytest.approx(value, abs=EXACT), metric


def test_emotion_intensity_is_the_mean_over_emotions_that_vary():
    rng, videos = made(5)
    target = rng.random((N, 6)).astype(np.float32)
    values = rng.random((N, 6)).astype(np.float32)
    target[:, 4] = 0.0
    each = [pearsonr(target[:, e], values[:, e])[0] for e in range(6) if e != 4]
    found = total("emotion_intensity", "pearson", target, values, videos)
    assert found == pytest.approx(np.mean(each), abs=1e-6)


def test_constant_predictions_have_no_correlation():
    target = np.array([[0.1], [0.5], [-0.3]], np.float32)
    values = np.full((3, 1), 0.2, np.float32)
    assert np.isnan(total("sentiment_intensity", "pearson", target, values, np.zeros(3, int)))


def test_a_metric_of_another_task_is_refused():
    assert "mae" not in metrics_of("sentiment_class")
    with pytest.raises(ValueError, match="no metric 'mae'"):
        evaluate("sentiment_class", "mae", np.zeros((2, 2)))
