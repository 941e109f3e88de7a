"""The settings of the training loop. No torch here: the command line reads them first."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from affect_pipe.fusion.config import LossWeightingSettings, Settings

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


class TrainingSettings(Settings):
    """How a model is trained; the defaults are akhtar2020's, Table 2 and section 4.4."""

    epochs: int = Field(default=50, gt=0)
    learning_rate: float = Field(default=1e-3, gt=0, allow_inf_nan=False, description="Of Adam.")
    loss_weighting: LossWeightingSettings = Field(
        default=LossWeightingSettings(), description="How the tasks' losses become one."
    )
    final_learning_rate: float | None = Field(
        default=None, gt=0, description="Reached by a cosine over the epochs; null keeps the rate."
    )
    weight_decay: float = Field(
        default=0.0, ge=0, description="Decoupled from the gradient (AdamW)."
    )
    batch_size: int = Field(
        default=16,
        gt=0,
        description="Dialogues a batch (the paper: 16 and 32); of each device, where there are "
        "several.",
    )
    batch_utterances: int | None = Field(
        default=None,
        gt=0,
        description="Utterances a batch instead, padding included, so that a corpus of single "
        "utterances makes few batches.",
    )
    gradient_clip: float | None = Field(
        default=None, gt=0, description="Largest norm of the gradient."
    )
    average_decay: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Validate and keep an exponential moving average of the weights, with this "
        "decay a step; 0 for none.",
    )
    average_from_epoch: int = Field(
        default=1,
        gt=0,
        description="Epoch with which the average begins anew: from then on all steps count the "
        "same until the decay takes over (stochastic weight averaging, Izmailov et al. 2018).",
    )
    patience: int | None = Field(
        default=None, gt=0, description="Stop after so many epochs without a better score."
    )
    keep: Literal["best", "last"] = Field(
        default="best", description="Which epoch's weights training ends with."
    )
    seed: int = Field(default=1, ge=0)
    order_seed: int | None = Field(
        default=None,
        ge=0,
        description="Seed of the order of the batches (not of what is in them); null takes "
        "`seed`. Runs that share it meet batches of one length at one time, which lets them be "
        "trained together without padding one for the other.",
    )
    threads: int = Field(
        default=1,
        gt=0,
        description="CPU threads. Their number changes sums in the last bits, and more than one "
        "seldom pays at these widths: on a busy machine two are many times slower.",
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices: int = Field(
        default=1,
        gt=0,
        description="How many GPUs (or CPU processes) share each step, by data parallelism: one "
        "batch each, gradients averaged.",
    )
    precision: Precision = Field(
        default="32-true",
        description="Of the arithmetic: float32, or bfloat16 or float16 (GPU only) where that is "
        "safe and float32 elsewhere. Weights and losses are float32 always.",
    )


def learning_rate(settings: TrainingSettings, epoch: int) -> float:
    """Learning rate of an epoch, counted from 1."""
    if settings.final_learning_rate is None or settings.epochs == 1:
        return settings.learning_rate
    done = (epoch - 1) / (settings.epochs - 1)
    share = (1 + math.cos(math.pi * done)) / 2
    low, high = settings.final_learning_rate, settings.learning_rate
    return low + (high - low) * share
