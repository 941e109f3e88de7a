"""A fusion model whose tasks' losses are weighed by trained numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from affect_pipe.fusion.config import LossWeightingSettings, TaskName, TaskSettings
from affect_pipe.fusion.loss_weighting import LossWeighting
from affect_pipe.fusion.models.fusion import AUXILIARY, FusionModel
from affect_pipe.pipeline.records import Modality


class WeightedFusionModel(FusionModel):
    """A `FusionModel` with the total loss of jiang2021, equation 13.

    The weights are parameters of the model, so that whatever trains it trains them too; prediction
    does not read them.
    """

    def __init__(
        self,
        backbone: str,
        backbone_settings: Mapping[str, Any],
        dims: Mapping[Modality, int],
        tasks: Sequence[TaskSettings],
        weighting: LossWeightingSettings,
    ) -> None:
        super().__init__(backbone, backbone_settings, dims, tasks)
        self.weighting = LossWeighting(tasks, weighting)

    def total_loss(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Weigh the tasks' losses; a backbone's own is added as it is."""
        of_tasks: dict[TaskName, Tensor] = {
            name: losses[name] for name in self.tasks if name in losses
        }
        theta = [value for name, value in self.named_parameters() if "weighting" not in name]
        total: Tensor = self.weighting(of_tasks, theta)
        return total + losses[AUXILIARY] if AUXILIARY in losses else total
