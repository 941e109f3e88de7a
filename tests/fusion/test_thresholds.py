from __future__ import annotations

import numpy as np
import pytest

from affect_pipe.fusion.config import EMOTION_CLASSES
from affect_pipe.fusion.metrics import weighted_accuracy
from affect_pipe.fusion.thresholds import GRID, calibrate, positive_f1


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
