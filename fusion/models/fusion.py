"""A fusion model: one backbone and a head for each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from affect_pipe.fusion.batch import Batch
from affect_pipe.fusion.config import HeadSettings, LossWeightingSettings, TaskName, TaskSettings
from affect_pipe.fusion.loss_weighting import LossWeighting
from affect_pipe.fusion.models.backbone import Backbone, build_backbone
from affect_pipe.fusion.tasks import Task, build_task
from affect_pipe.pipeline.records import Modality

# Its place among the losses of the tasks.
AUXILIARY = "auxiliary"


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a model says of a batch: logits ``[B, U, width]`` by task, attention by pair.

    ``auxiliary_loss`` is the backbone's own, in training and where it has one.
    """

    logits: Mapping[TaskName, Tensor]
    attention: Mapping[str, Tensor]
    auxiliary_loss: Tensor | None = None


class Head(nn.Module):
    """From the shared representation to a task's logits."""

    def __init__(self, input_width: int, output_width: int, settings: HeadSettings) -> None:
        super().__init__()
        self.gate = nn.Linear(input_width, input_width) if settings.gate else None
        self.hidden = (
            nn.Linear(input_width, settings.hidden_width) if settings.hidden_width else None
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.output = nn.Linear(settings.hidden_width or input_width, output_width)

    def forward(self, values: Tensor) -> Tensor:
        """Map ``[..., D]`` to ``[..., width]``."""
        if self.gate is not None:
            values = values * torch.sigmoid(self.gate(values))
        if self.hidden is not None:
            values = torch.relu(self.hidden(values))
        logits: Tensor = self.output(self.dropout(values))
        return logits


class FusionModel(nn.Module):
    """One backbone, any set of tasks.

    Parameters
    ----------
    backbone : str
        Name in `affect_pipe.fusion.models.backbone.BACKBONES`.
    backbone_settings : mapping
        Its settings; what is left out takes its default.
    dims : mapping of modality to int
    tasks : sequence of TaskSettings
    """

    def __init__(
        self,
        backbone: str,
        backbone_settings: Mapping[str, Any],
        dims: Mapping[Modality, int],
        tasks: Sequence[TaskSettings],
    ) -> None:
        super().__init__()
        self.dims = dict(dims)
        self.backbone: Backbone = build_backbone(backbone, backbone_settings, dims)
        self.tasks: dict[TaskName, Task] = {task.name: build_task(task) for task in tasks}
        if len(self.tasks) != len(tasks) or not tasks:
            raise ValueError("A model needs at least one task, and each task once")
        width = self.backbone.representation_width
        self.heads = nn.ModuleDict(
            {task.name: Head(width, task.width, task.head) for task in tasks}
        )
        self._fixed = LossWeighting(tasks, LossWeightingSettings())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def forward(self, batch: Batch) -> Outputs:
        """Run a batch through the backbone and every head."""
        representation = self.backbone(batch.features, batch.utterance_mask, batch.modality_mask)
        logits = {
            cast(TaskName, name): head(representation.values) for name, head in self.heads.items()
        }
        return Outputs(logits, representation.attention, representation.auxiliary_loss)

    def losses(self, batch: Batch, outputs: Outputs) -> dict[str, Tensor]:
        """Unweighted loss of each task that has a known label in the batch.

        In training, where the backbone has a loss of its own, that stands under `AUXILIARY`.
        """
        here = batch.utterance_mask
        found: dict[str, Tensor] = {}
        for name, task in self.tasks.items():
            mask = batch.target_masks[name][here]
            if bool(mask.any()):
                logits, target = outputs.logits[name][here], batch.targets[name][here]
                found[name] = task.loss(logits, target, mask, batch.task_weights[name][here])
        if self.training and outputs.auxiliary_loss is not None:
            found[AUXILIARY] = outputs.auxiliary_loss
        return found

    def total_loss(
        self, losses: Mapping[str, Tensor], weighting: LossWeighting | None = None
    ) -> Tensor:
        """Sum of the tasks' losses by their weights, and of the backbone's own.

        Parameters
        ----------
        losses : mapping of name to scalar
            As `losses` gives them.
        weighting : LossWeighting, optional
            How the tasks' losses become one; without it by the weights of the tasks' settings.
        """
        by_task = {cast(TaskName, n): loss for n, loss in losses.items() if n != AUXILIARY}
        total = torch.zeros((), device=self.device)
        if by_task:
            total = (weighting or self._fixed)(by_task, self.parameters())
        return total + losses[AUXILIARY] if AUXILIARY in losses else total
