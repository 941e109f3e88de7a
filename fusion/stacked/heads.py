"""The heads and losses of many runs at once; runs with the same task share one tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from affect_pipe.fusion.config import TaskName, TaskSettings
from affect_pipe.fusion.stacked.batch import StackBatch
from affect_pipe.fusion.stacked.dropout import Rates, keys
from affect_pipe.fusion.tasks import Task, build_task
from affect_pipe.pipeline.records import MODALITIES, Modality

_HEAD_SITE = 16


@dataclass(frozen=True, eq=False)
class HeadGroup:
    """The runs that learn one task in one way.

    Attributes
    ----------
    task : Task
    members : tuple of int
        The runs, and as a tensor ``runs``.
    weights : float32 [n]
        Of the task in each run's total loss.
    rates : Rates
        Dropout of the head's input.
    label : str
        Of its tensors.
    """

    task: Task
    members: tuple[int, ...]
    runs: Tensor
    weights: Tensor
    rates: Rates
    label: str


class StackedHeads:
    """One linear head for each task of each run.

    Parameters
    ----------
    tasks : sequence of sequences of TaskSettings
        Of each run.
    modalities : sequence of sequences of modality
        Of each run: an utterance with none of them teaches it nothing.
    columns : sequence of int64 tensors
        Which of the representation's columns are a run's own.
    places : int32 [D]
        Which elements of a representation with every part the columns are, for dropout's sake.
    device : torch.device
    """

    def __init__(
        self,
        tasks: Sequence[Sequence[TaskSettings]],
        modalities: Sequence[Sequence[Modality]],
        columns: Sequence[Tensor],
        places: Tensor,
        device: torch.device,
    ) -> None:
        self._columns, self._places, self._device = columns, places, device
        self._reads = torch.tensor(
            [[m in own for m in MODALITIES] for own in modalities], device=device
        )
        found: dict[str, list[tuple[int, TaskSettings]]] = {}
        for run, own in enumerate(tasks):
            for settings in own:
                same = settings.model_copy(update={"weight": 1.0}).model_dump_json()
                found.setdefault(same, []).append((run, settings))
        self.groups = [self._group(i, pairs) for i, pairs in enumerate(found.values())]

    def _group(self, number: int, pairs: Sequence[tuple[int, TaskSettings]]) -> HeadGroup:
        members = tuple(run for run, _ in pairs)
        settings = pairs[0][1]
        return HeadGroup(
            build_task(settings),
            members,
            torch.tensor(members, device=self._device),
            torch.tensor([own.weight for _, own in pairs], device=self._device),
            Rates([settings.head.dropout] * len(members), self._device),
            f"head.{number}.{settings.name}",
        )

    def gather(self, states: Sequence[Mapping[str, Tensor]]) -> dict[str, tuple[Tensor, Tensor]]:
        """Stack the heads' weights; columns that a run does not have are zero, and stay zero.

        Returns
        -------
        dict of name to (tensor, int64)
            And the run that each of its first indices belongs to.
        """
        found = {}
        for group in self.groups:
            prefix = f"heads.{group.task.name}.output."
            wide = []
            for run in group.members:
                own = states[run][f"{prefix}weight"]
                weight = own.new_zeros(len(self._places), own.shape[0])
                weight[self._columns[run]] = own.t()
                wide.append(weight)
            biases = [states[run][f"{prefix}bias"] for run in group.members]
            found[f"{group.label}.weight"] = (torch.stack(wide), group.runs)
            found[f"{group.label}.bias"] = (torch.stack(biases), group.runs)
        return found

    def scatter(self, weights: Mapping[str, Tensor], run: int) -> dict[str, Tensor]:
        """Take one run's heads out again; undoes `gather`."""
        found = {}
        for group in self.groups:
            if run in group.members:
                index, prefix = group.members.index(run), f"heads.{group.task.name}.output."
                weight = weights[f"{group.label}.weight"][index]
                found[f"{prefix}weight"] = weight[self._columns[run].to(weight.device)].t()
                found[f"{prefix}bias"] = weights[f"{group.label}.bias"][index]
        return found

    def __call__(
        self,
        weights: Mapping[str, Tensor],
        values: Tensor,
        seeds: Tensor | None = None,
        step: Tensor | None = None,
    ) -> list[Tensor]:
        """Logits of each group, float [n, B, U, width], from the runs' ``[K, B, U, D]``."""
        found = []
        for group in self.groups:
            own = values
            if len(group.members) < len(values):
                own = values.index_select(0, group.runs)
            if seeds is not None and step is not None and group.rates.any:
                # Tasks of one run drop differently, whatever the number of their group.
                site = _HEAD_SITE + sum(map(ord, group.task.name))
                drawn = keys(seeds[group.runs], step, site)
                own = own * group.rates.factors(drawn, own.shape[1:], self._places)
            weight, bias = weights[f"{group.label}.weight"], weights[f"{group.label}.bias"]
            logits = torch.baddbmm(bias[:, None], own.flatten(1, 2), weight)
            found.append(logits.view(*own.shape[:-1], -1))
        return found

    def losses(self, logits: Sequence[Tensor], batch: StackBatch) -> list[tuple[Tensor, Tensor]]:
        """Loss of each group's runs, float [n], and whether they have a known label, bool [n]."""
        found = []
        for group, own in zip(self.groups, logits, strict=True):
            name: TaskName = group.task.name
            rows = batch.rows[group.runs].flatten(1)
            data = batch.data
            read = (data.present[rows] & self._reads[group.runs][:, None]).any(dim=-1)
            mask = data.known[name][rows] & read[..., None]
            loss = torch.vmap(group.task.loss)(
                own.flatten(1, 2), data.targets[name][rows], mask, data.weights[name][rows]
            )
            found.append((loss, mask.flatten(1).any(dim=1)))
        return found
