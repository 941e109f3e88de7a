"""Trained loss weights inside a model, by the formula on paper."""

import math

import pytest
import torch

from affect_pipe.fusion.config import LossWeightingSettings, TaskSettings
from affect_pipe.fusion.models.fusion import AUXILIARY
from affect_pipe.fusion.reproduce.weighted import WeightedFusionModel


def test_total_loss_and_its_trained_weights():
    tasks = (TaskSettings(name="arousal_class"), TaskSettings(name="valence_class"))
    model = WeightedFusionModel(
        "cim",
        {"gru_width": 2, "dense_width": 2},
        {"text": 3},
        tasks,
        LossWeightingSettings(kind="uncertainty"),
    )
    losses = {
        "arousal_class": torch.tensor(2.0),
        "valence_class": torch.tensor(4.0),
        AUXILIARY: torch.tensor(0.5),
    }
    # jiang2021, equation 13, with both deltas at their start of 1.
    assert model.total_loss(losses).item() == pytest.approx(1 + 2 + 2 * math.log(2) + 0.5)
    trained = {name for name, _ in model.named_parameters() if "weighting" in name}
    assert len(trained) == 2
