"""Lightning Fabric around a model: device, precision, several devices."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from affect_pipe.fusion.batch import Batch
from affect_pipe.fusion.loss_weighting import LossWeighting
from affect_pipe.fusion.models.fusion import FusionModel, Outputs
from affect_pipe.fusion.training_settings import TrainingSettings
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.optional import require


def choose_device(device: str) -> torch.device:
    """Return the device to train on: ``auto`` takes a GPU if there is one."""
    name = device
    if device == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        # Without it cuBLAS picks its workspace freely and sums differ between runs.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device(name)


class Boxed:
    """Carries a batch through Fabric, which would take a frozen dataclass apart."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch


class LossStep(nn.Module):
    """A model whose forward pass is its losses, which is what data parallelism wraps.

    The model runs in the precision asked for, the losses in float32. Trained weights of the losses
    are part of it, so that processes that share a training share their gradients too.
    """

    def __init__(self, model: FusionModel, weighting: LossWeighting) -> None:
        super().__init__()
        self.model = model
        self.weighting = weighting

    def forward(self, boxed: Boxed) -> dict[str, Tensor]:
        """Losses by name, and under ``total`` what is to be minimised.

        Without any label there is nothing but a total of zero, through which every process of
        several can still take its part in the step.
        """
        outputs: Outputs = self.model(boxed.batch)
        with torch.autocast(self.model.device.type, enabled=False):
            exact = replace(outputs, logits={n: v.float() for n, v in outputs.logits.items()})
            losses: Mapping[Any, Tensor] = self.model.losses(boxed.batch, exact)
            if not losses:
                return {"total": 0.0 * torch.stack([v.sum() for v in exact.logits.values()]).sum()}
            return {**losses, "total": self.model.total_loss(losses, self.weighting)}


class Engine:
    """One model and its optimiser, set up by Fabric.

    Parameters
    ----------
    model : FusionModel
        Moved to the device.
    settings : TrainingSettings

    Attributes
    ----------
    weighting : LossWeighting
        How the tasks' losses become one; what is trained of it is in the optimiser.

    Raises
    ------
    MissingDependencyError
        If Lightning Fabric is not installed.
    UsageError
        If the device cannot do what the settings ask.
    """

    def __init__(self, model: FusionModel, settings: TrainingSettings) -> None:
        lightning = require("lightning_fabric", feature="Training", extra="train")
        device = choose_device(settings.device)
        if device.type == "cpu" and settings.precision == "16-mixed":
            raise UsageError("precision 16-mixed needs a GPU: on a CPU use 32-true or bf16-mixed.")
        self.fabric = lightning.Fabric(
            accelerator=device.type,
            devices=settings.devices,
            strategy=_strategy(settings),
            precision=settings.precision,
        )
        self.fabric.launch()
        model.to(self.fabric.device)
        self.model = model
        tasks = [task.settings for task in model.tasks.values()]
        self.weighting = LossWeighting(tasks, settings.loss_weighting).to(self.fabric.device)
        self._clip = settings.gradient_clip
        # Without weight decay AdamW is Adam. The fused step takes a fifth of the time on a CPU, but
        # hides the scale of float16 gradients from clipping.
        fused = not (settings.precision == "16-mixed" and self._clip is not None)
        groups: list[dict[str, Any]] = [{"params": list(model.parameters())}]
        if deltas := list(self.weighting.parameters()):
            # Decay would pull each delta towards 1.
            groups.append({"params": deltas, "weight_decay": 0.0})
        optimiser = torch.optim.AdamW(
            groups, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=fused
        )
        self._step, self.optimiser = self.fabric.setup(LossStep(model, self.weighting), optimiser)

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes."""
        return bool(self.fabric.is_global_zero)

    @property
    def rank(self) -> int:
        """Number of this process among those that share the training."""
        return int(self.fabric.global_rank)

    @property
    def world_size(self) -> int:
        """How many processes share the training."""
        return int(self.fabric.world_size)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Run a batch forward; see `LossStep`."""
        found: dict[str, Tensor] = self._step(Boxed(batch))
        return found

    def step(self, total: Tensor) -> None:
        """Move the weights down the gradient of a loss."""
        self.optimiser.zero_grad(set_to_none=True)
        self.fabric.backward(total)
        if self._clip is not None:
            self.fabric.clip_gradients(
                self._step, self.optimiser, max_norm=self._clip, error_if_nonfinite=False
            )
        self.optimiser.step()

    def scaler(self) -> dict[str, Any]:
        """Return the state of the float16 loss scale; empty for other precisions."""
        state: dict[str, Any] = self.fabric.strategy.precision.state_dict()
        return state

    def load_scaler(self, state: dict[str, Any]) -> None:
        """Put the loss scale back."""
        if state:
            self.fabric.strategy.precision.load_state_dict(state)


def _strategy(settings: TrainingSettings) -> Any:
    if settings.devices == 1:
        return "auto"
    strategies = require("lightning_fabric.strategies", feature="Training", extra="train")
    # A batch without a label of some task leaves that task's head out of the graph.
    return strategies.DDPStrategy(find_unused_parameters=True)
