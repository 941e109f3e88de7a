"""Tests and intervals against SciPy, against known distributions, and at their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from affect_pipe.fusion import metrics
from affect_pipe.fusion.statistics import cluster_bootstrap, paired_t_test, summarise


def test_a_summary_by_hand():
    found = summarise([1.0, 2.0, 3.0, 4.0])
    assert (found.mean, found.n) == (2.5, 4)
    assert found.std == pytest.approx(math.sqrt(5 / 3))
    half = 3.182446 * found.std / 2  # t of 97.5 % at 3 degrees of freedom, from a table
    assert (found.interval.low, found.interval.high) == pytest.approx((2.5 - half, 2.5 + half))
    assert str(found) == "2.5 +- 1.3"


def test_one_seed_has_no_interval():
    found = summarise([0.5])
    assert found.mean == 0.5
    assert math.isnan(found.std)
    assert math.isnan(found.interval.low)
    with pytest.raises(ValueError, match="n > 0"):
        summarise([])
    with pytest.raises(ValueError, match="between 0 and 1"):
        summarise([1, 2], confidence=95)


@pytest.mark.parametrize("n", [2, 5, 40])
def test_a_paired_test_is_scipys(n):
    rng = np.random.default_rng(n)
    first = rng.normal(0, 1, n)
    second = first + rng.normal(0.3, 0.5, n)
    found = paired_t_test(first, second)
    expected = scipy.stats.ttest_1samp(second - first, 0.0)
    assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    interval = expected.confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == pytest.approx((interval.low, interval.high))
    assert found.difference == pytest.approx(np.mean(second - first))
    assert paired_t_test(second, first).t == pytest.approx(-found.t)


@pytest.mark.filterwarnings("error")
def test_equal_differences():
    same = paired_t_test([0.5, 0.75], [0.5, 0.75])
    assert (same.t, same.p, same.difference) == (0.0, 1.0, 0.0)
    shifted = paired_t_test([0.75, 1.0], [0.5, 0.75])
    assert (shifted.t, shifted.p) == (-math.inf, 0.0)
    for pair in ([1.0], [2.0]), ([1.0, 2.0], [1.0, 2.0, 3.0]):
        with pytest.raises(ValueError, match="two or more pairs"):
            paired_t_test(*pair)


def bootstrap(values, clusters, seed=0, **fields):
    rng = np.random.default_rng(seed)
    return cluster_bootstrap(lambda v: float(v.mean()), (values,), clusters, rng, **fields)


def test_videos_are_drawn_whole():
    """With all of a video alike, the mean's spread is that of the videos, not the utterances."""
    rng = np.random.default_rng(0)
    of_video = rng.normal(0, 1, 40)
    values, clusters = np.repeat(of_video, 25), np.repeat(np.arange(40), 25)
    found = bootstrap(values, clusters)
    error = of_video.std() / math.sqrt(40)
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.25 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.25 * error)
    single = bootstrap(values, np.arange(len(values)))
    assert single.high - single.low < (found.high - found.low) / 3


def test_one_utterance_a_video_is_scipys_bootstrap():
    values = np.random.default_rng(1).exponential(1, 60)
    found = bootstrap(values, [f"v{i}" for i in range(60)], n_resamples=4000)
    expected = scipy.stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert found.low == pytest.approx(expected.low, abs=0.03)
    assert found.high == pytest.approx(expected.high, abs=0.03)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    covered = 0
    for trial in range(100):
        values = np.repeat(rng.normal(0, 1, 50), 3) + rng.normal(0, 0.5, 150)
        found = bootstrap(values, np.repeat(np.arange(50), 3), seed=trial, n_resamples=200)
        covered += found.low <= 0 <= found.high
    assert 86 <= covered <= 100


def test_the_order_of_utterances_does_not_matter_and_the_seed_decides():
    rng = np.random.default_rng(4)
    values, clusters = rng.integers(0, 100, 30).astype(float), np.repeat(np.arange(6), 5)
    found = bootstrap(values, clusters)
    assert found == bootstrap(values, clusters)
    assert found != bootstrap(values, clusters, seed=1)
    order = rng.permutation(30)
    assert bootstrap(values[order], clusters[order]) == found


def test_a_difference_of_two_systems():
    rng = np.random.default_rng(5)
    gold = rng.integers(0, 2, 300)
    good = np.where(rng.random(300) < 0.9, gold, 1 - gold)
    bad = np.where(rng.random(300) < 0.6, gold, 1 - gold)

    def difference(reference, one, other):
        return metrics.accuracy(reference, one) - metrics.accuracy(reference, other)

    found = cluster_bootstrap(
        difference, (gold, good, bad), np.arange(300) // 10, rng, n_resamples=300
    )
    assert 0.15 < found.low < difference(gold, good, bad) < found.high < 0.45


def test_a_metric_that_is_mostly_undefined_has_no_interval():
    def sometimes(values):
        return float("nan") if values[0] else 1.0

    flags = np.arange(10) < 2
    rng = np.random.default_rng(0)
    assert cluster_bootstrap(sometimes, (flags,), np.arange(10), rng, n_resamples=50).low == 1.0
    assert math.isnan(cluster_bootstrap(sometimes, (~flags,), np.arange(10), rng).low)
    with pytest.raises(ValueError, match="have a video"):
        cluster_bootstrap(sometimes, (flags,), np.arange(3), rng)
    with pytest.raises(ValueError, match="have a video"):
        cluster_bootstrap(sometimes, (flags[:0],), [], rng)
