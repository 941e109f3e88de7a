"""A curve worked out by hand, brute force over limits, and data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from affect_pipe.fusion.selection import (
    RiskCoverage,
    limit_for_accuracy,
    limit_for_coverage,
    risk_coverage,
)


def test_a_curve_by_hand():
    confidence = np.array([0.9, 0.6, 0.8, 0.6, 0.5])
    correct = np.array([True, True, False, False, True])
    curve = risk_coverage(confidence, correct)
    assert curve.limits.tolist() == [0.9, 0.8, 0.6, 0.5]
    assert curve.coverage.tolist() == pytest.approx([0.2, 0.4, 0.8, 1.0])
    assert curve.risk.tolist() == pytest.approx([0, 1 / 2, 2 / 4, 2 / 5])
    assert curve.area == pytest.approx(0.2 * 0 + 0.2 * 0.5 + 0.4 * 0.5 + 0.2 * 0.4)


@pytest.mark.parametrize("seed", range(4))
def test_every_point_is_what_its_limit_gives(seed):
    rng = np.random.default_rng(seed)
    confidence = np.round(rng.random(60), 1 + seed)
    correct = rng.random(60) < confidence
    curve = risk_coverage(confidence, correct)
    for limit, coverage, risk in zip(curve.limits, curve.coverage, curve.risk, strict=True):
        kept = confidence >= limit
        assert coverage == pytest.approx(kept.mean())
        assert risk == pytest.approx((~correct[kept]).mean())
    assert len(curve.limits) == len(np.unique(confidence))
    for wanted in (0.3, 0.7, 0.95):
        point = limit_for_accuracy(curve, wanted)
        good = [x for x in np.unique(confidence) if correct[confidence >= x].mean() >= wanted]
        assert (point and point.limit) == (min(good) if good else None)
        point = limit_for_coverage(curve, wanted)
        enough = [x for x in np.unique(confidence) if (confidence >= x).mean() >= wanted]
        assert point.limit == max(enough)


def test_calibrated_confidences_give_the_accuracy_on_new_data():
    """Confidence uniform in [1/2, 1] and true: those from c on are right (1 + c) / 2 of times."""
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 40_000)
    correct = rng.random(40_000) < confidence
    point = limit_for_accuracy(risk_coverage(confidence[::2], correct[::2]), 0.9)
    assert point.limit == pytest.approx(0.8, abs=0.02)
    assert point.coverage == pytest.approx(0.4, abs=0.04)
    new = confidence[1::2] >= point.limit
    assert correct[1::2][new].mean() == pytest.approx(0.9, abs=0.01)


def test_out_of_reach():
    curve = risk_coverage(np.array([0.9, 0.8]), np.array([False, False]))
    assert limit_for_accuracy(curve, 0.5) is None
    assert limit_for_coverage(curve, 1.0).coverage == 1.0


def test_what_is_no_curve_is_refused():
    for confidence, correct in (([], []), ([0.5], [True, True])):
        with pytest.raises(ValueError, match="two arrays"):
            risk_coverage(np.array(confidence), np.array(correct, bool))
    with pytest.raises(ValueError, match="finite"):
        risk_coverage(np.array([np.nan]), np.array([True]))
    assert isinstance(risk_coverage(np.array([0.5]), np.array([True])), RiskCoverage)
