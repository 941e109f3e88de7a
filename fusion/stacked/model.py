"""A stack of runs as one model: weights, forward pass, one training step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from affect_pipe.fusion.config import TaskName
from affect_pipe.fusion.models.fusion import FusionModel
from affect_pipe.fusion.stacked.batch import StackBatch
from affect_pipe.fusion.stacked.cim import StackedCim
from affect_pipe.fusion.stacked.data import Resident
from affect_pipe.fusion.stacked.gru import Steps
from affect_pipe.fusion.stacked.heads import StackedHeads
from affect_pipe.fusion.stacked.optimiser import StackedAdam
from affect_pipe.fusion.stacked.plan import RunPlan, cim_settings
from affect_pipe.fusion.training import seeded
from affect_pipe.fusion.training_settings import learning_rate


class StackedModel:
    """K runs of one backbone, made from the very models that single training starts from.

    Parameters
    ----------
    plans : sequence of RunPlan
        That `affect_pipe.fusion.stacked.plan.unstackable` has nothing against.
    device : torch.device
    """

    def __init__(self, plans: Sequence[RunPlan], device: torch.device) -> None:
        self.plans, self.device = tuple(plans), device
        modalities = [tuple(plan.dims) for plan in plans]
        self.backbone = StackedCim(modalities, [cim_settings(plan) for plan in plans], device)
        columns = [self.backbone.columns(k) for k in range(len(plans))]
        places = self.backbone.places
        self.heads = StackedHeads([p.tasks for p in plans], modalities, columns, places, device)
        states = [_initial(plan) for plan in plans]
        gathered = {**self.backbone.gather(states), **self.heads.gather(states)}
        self.weights: dict[str, Tensor] = {}
        runs: dict[str, Tensor] = {}
        for name, (values, owners) in gathered.items():
            self.weights[name] = values.contiguous().to(device).requires_grad_()
            runs[name] = owners
        self.optimiser = StackedAdam(
            self.weights,
            runs,
            [plan.settings.weight_decay for plan in plans],
            [plan.settings.gradient_clip for plan in plans],
            shared_rate=len({_rates(plan) for plan in plans}) == 1,
        )
        self._seeds = torch.tensor([plan.settings.seed for plan in plans], device=device)
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._sums = [torch.zeros(2, len(g.members), device=device) for g in self.heads.groups]

    def begin_epoch(self, epoch: int) -> None:
        """Set the rates of an epoch, and forget the last one's losses."""
        self.optimiser.set_rates([learning_rate(plan.settings, epoch) for plan in self.plans])
        for sums in self._sums:
            sums.zero_()

    def train_step(self, data: Resident, dialogues: Tensor, steps: Steps) -> None:
        """Move every run by one batch of its own; nothing here waits for the device.

        Parameters
        ----------
        dialogues : int64 [K, B]
        """
        batch = StackBatch.of(data, dialogues, steps)
        values = self.backbone(self.weights, batch, self._seeds, self._step)
        logits = self.heads(self.weights, values, self._seeds, self._step)
        total = torch.zeros((), device=self.device)
        found = self.heads.losses(logits, batch)
        for group, sums, (loss, known) in zip(self.heads.groups, self._sums, found, strict=True):
            total = total + (group.weights * loss).sum()
            with torch.no_grad():
                sums[0] += torch.where(known, loss, 0.0)
                sums[1] += known
        self.optimiser.zero()
        total.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self._step += 1

    def losses(self) -> list[dict[str, float]]:
        """Mean loss of each task since the epoch began, and their weighted sum, of each run."""
        found: list[dict[str, float]] = [{} for _ in self.plans]
        for group, sums in zip(self.heads.groups, self._sums, strict=True):
            totals, counts = sums.cpu().tolist()
            for run, total, count in zip(group.members, totals, counts, strict=True):
                if count:
                    found[run][group.task.name] = total / count
        for plan, losses in zip(self.plans, found, strict=True):
            weights = {task.name: task.weight for task in plan.tasks}
            losses["total"] = sum(
                weights[task.name] * losses[task.name] for task in plan.tasks if task.name in losses
            )
        return found

    @torch.no_grad()
    def predict(
        self, data: Resident, batches: Sequence[tuple[Tensor, Steps]]
    ) -> list[dict[TaskName, Tensor]]:
        """Predict every utterance with every run.

        Parameters
        ----------
        batches : sequence of (int64 [B], Steps)
            The dialogues, all of them once, longest first in each batch.

        Returns
        -------
        list of dict of task name to float32 [R, width]
            One a run, on the CPU.
        """
        wide = [
            torch.zeros(
                len(g.members),
                data.n_rows + 1,
                self.weights[f"{g.label}.bias"].shape[1],
                device=self.device,
            )
            for g in self.heads.groups
        ]
        for dialogues, steps in batches:
            batch = StackBatch.of(data, dialogues.expand(len(self.plans), -1), steps)
            logits = self.heads(self.weights, self.backbone(self.weights, batch))
            rows = batch.rows[0].reshape(-1)
            for group, values, own in zip(self.heads.groups, wide, logits, strict=True):
                values[:, rows] = group.task.activate(own).flatten(1, 2)
        found: list[dict[TaskName, Tensor]] = [{} for _ in self.plans]
        for group, values in zip(self.heads.groups, wide, strict=True):
            here = values[:, :-1].cpu()
            for index, run in enumerate(group.members):
                found[run][group.task.name] = here[index]
        return found

    def state(self, run: int) -> dict[str, Tensor]:
        """Copy of one run's weights, by the names of `FusionModel`."""
        weights: Mapping[str, Tensor] = {n: w.detach() for n, w in self.weights.items()}
        own = {**self.backbone.scatter(weights, run), **self.heads.scatter(weights, run)}
        return {name: value.cpu().contiguous().clone() for name, value in own.items()}


def _initial(plan: RunPlan) -> Mapping[str, Tensor]:
    with seeded(plan.settings.seed):
        model = FusionModel(plan.backbone, plan.backbone_settings, plan.dims, plan.tasks)
    return model.state_dict()


def _rates(plan: RunPlan) -> tuple[float, float | None]:
    return plan.settings.learning_rate, plan.settings.final_learning_rate
