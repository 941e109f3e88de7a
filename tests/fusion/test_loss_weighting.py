"""Equation 13 by hand, its minimum, and its gradient."""

from __future__ import annotations

import math

import pytest
import torch

from affect_pipe.fusion.config import LossWeightingSettings, TaskSettings
from affect_pipe.fusion.loss_weighting import LossWeighting

TASKS = (TaskSettings(name="sentiment_class", weight=2.0), TaskSettings(name="emotion_class"))


def losses(first, second):
    return {"sentiment_class": torch.tensor(first), "emotion_class": torch.tensor(second)}


def uncertainty(**fields):
    return LossWeighting(TASKS, LossWeightingSettings(kind="uncertainty", **fields))


def test_fixed_weights_are_a_weighted_sum():
    weighting = LossWeighting(TASKS, LossWeightingSettings())
    assert weighting(losses(0.5, 3.0)).item() == pytest.approx(4.0)
    assert list(weighting.parameters()) == []
    assert weighting.deltas() == {}


def test_uncertainty_at_the_start_by_hand():
    weighting = uncertainty()
    assert weighting.deltas() == {"sentiment_class": 1.0, "emotion_class": 1.0}
    expected = (2 * 0.5) / 2 + math.log(2) + 3.0 / 2 + math.log(2)
    assert weighting(losses(0.5, 3.0)).item() == pytest.approx(expected)


def test_uncertainty_by_hand_at_other_deltas():
    weighting = uncertainty(eta=0.1)
    with torch.no_grad():
        weighting.log_delta["sentiment_class"].fill_(math.log(0.5))
        weighting.log_delta["emotion_class"].fill_(math.log(2.0))
    theta = [torch.tensor([3.0]), torch.tensor([[4.0, 12.0]])]
    expected = 1.0 / (2 * 0.25) + math.log(1.5) + 3.0 / (2 * 4) + math.log(3.0) + 0.1 * 13.0
    assert weighting(losses(0.5, 3.0), theta).item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", [0.05, 1.0, 4.0])
def test_training_finds_the_minimum_of_the_formula(loss):
    """Where the derivative in delta vanishes: loss * (1 + delta) = delta ** 3."""
    weighting = LossWeighting(TASKS[1:], LossWeightingSettings(kind="uncertainty"))
    optimiser = torch.optim.Adam(weighting.parameters(), lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        weighting({"emotion_class": torch.tensor(loss)}).backward()
        optimiser.step()
    delta = weighting.deltas()["emotion_class"]
    assert delta > 0
    assert delta**3 == pytest.approx(loss * (1 + delta), rel=1e-3)


def test_a_task_without_labels_keeps_its_delta():
    weighting = uncertainty()
    weighting({"emotion_class": torch.tensor(3.0)}).backward()
    assert weighting.log_delta["sentiment_class"].grad is None
    assert weighting.log_delta["emotion_class"].grad is not None


def test_the_gradient_of_the_tasks_is_scaled():
    weighting = uncertainty()
    value = torch.tensor(3.0, requires_grad=True)
    weighting({"emotion_class": value}).backward()
    assert value.grad.item() == pytest.approx(0.5)


def test_the_norm_of_zeros_has_a_gradient():
    weighting = uncertainty(eta=1.0)
    theta = torch.zeros(3, requires_grad=True)
    weighting(losses(0.5, 3.0), [theta]).backward()
    assert torch.isfinite(theta.grad).all()


def test_no_loss_is_refused():
    with pytest.raises(ValueError, match="no loss"):
        uncertainty()({})
