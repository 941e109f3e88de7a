"""Training many small models at once, instead of one after another.

Runs of one backbone with any seeds, learning rates, tasks and subsets of modalities are one batched
model with the dataset resident on the device. Run k of a stack ends where the same plan ends by
itself; without dropout it also ends where `affect_pipe.fusion.training.train` ends, but for the
order in which float32 sums are added. (Dropout draws other masks than there; and a step in which
a task has no label at all still moves its head by the momentum of earlier steps.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import TaskName
from affect_pipe.fusion.epoch_batches import batch_indices
from affect_pipe.fusion.fabric import choose_device
from affect_pipe.fusion.inference import batches, deterministic
from affect_pipe.fusion.normalise import Normaliser
from affect_pipe.fusion.stacked.data import Resident
from affect_pipe.fusion.stacked.graphs import StepRunner
from affect_pipe.fusion.stacked.gru import Steps
from affect_pipe.fusion.stacked.model import StackedModel
from affect_pipe.fusion.stacked.plan import Predictions, RunOutcome, RunPlan, Score, unstackable
from affect_pipe.fusion.training_events import Listener, Pace
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.records import FloatArray, Modality

# Runs at once where the caller does not say. More save no time on a CPU, whose arithmetic is
# busy with one; on a GPU the memory of so many at MOSEI's size is some tens of gigabytes.
_RUNS_AT_ONCE = {"cpu": 4, "cuda": 128}
# Utterances of all runs together in one batch of prediction, padding included.
_PREDICTED_AT_ONCE = {"cpu": 2048, "cuda": 200_000}


def train_stacked(
    plans: Sequence[RunPlan],
    dialogues: Sequence[Dialogue],
    normaliser: Normaliser,
    *,
    evaluated: Mapping[str, Sequence[Dialogue]] | None = None,
    score: Score | None = None,
    keep: Literal["all", "best"] = "all",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int = 1,
    runs_at_once: int | None = None,
    graphs: bool = True,
    listen: Listener | None = None,
) -> list[RunOutcome]:
    """Train every plan on the same dialogues.

    Parameters
    ----------
    plans : sequence of RunPlan
        Of one backbone, width, batch size and number of epochs. Give them one ``order_seed``: runs
        that meet batches in different orders have to be padded one for the other.
    dialogues : sequence of Dialogue
        The training part, raw.
    normaliser : Normaliser
        Fitted on it; of all modalities that any plan reads.
    evaluated : mapping of split name to dialogues, optional
        What is predicted after every epoch.
    score : callable (plan, predictions by split) -> float, optional
        Chooses each run's best epoch, the first of the highest; without it the last is kept.
    keep : {"all", "best"}
        Whose predictions the outcome holds: every epoch's, for cross-fitting, or the best one's.
    runs_at_once : int, optional
        Size of a stack; plans beyond it wait for the next.
    graphs : bool
        On a GPU, replay steps as CUDA graphs.
    listen : callable (TrainingEvent), optional
        Hears of every epoch, counted through all stacks, with the time left.

    Returns
    -------
    list of RunOutcome
        In the order of the plans.

    Raises
    ------
    UsageError
        If the plans cannot be stacked.
    """
    reason = unstackable(plans)
    if reason:
        raise UsageError(f"These runs cannot be trained together: {reason}; train them singly.")
    if not plans:
        return []
    where = choose_device(device)
    size = runs_at_once or _RUNS_AT_ONCE[where.type]
    # Runs with the same modalities fill a stack without blanks; outcomes go back to their places.
    order = sorted(range(len(plans)), key=lambda i: sorted(plans[i].dims))
    stacks = [order[start : start + size] for start in range(0, len(plans), size)]
    dims: dict[Modality, int] = {}
    for plan in plans:
        dims.update(plan.dims)
    names = list(dict.fromkeys(task.name for plan in plans for task in plan.tasks))
    outcomes: dict[int, RunOutcome] = {}
    with deterministic(threads):
        training = Resident.of(dialogues, dims, normaliser, names, where)
        splits = {
            split: Resident.of(found, dims, normaliser, names, where)
            for split, found in (evaluated or {}).items()
        }
        pace = Pace(len(stacks) * plans[0].settings.epochs, 0, listen)
        pace.tell("started", 0)
        for number, places in enumerate(stacks):
            stack = [plans[place] for place in places]
            keeper = _Keeper(stack, score, keep)
            _train(
                stack, training, splits, keeper, StackedModel(stack, where), graphs, pace, number
            )
            outcomes.update(zip(places, keeper.outcomes(), strict=True))
        pace.tell("finished", len(stacks) * plans[0].settings.epochs)
    return [outcomes[place] for place in range(len(plans))]


def _train(
    plans: Sequence[RunPlan],
    training: Resident,
    splits: Mapping[str, Resident],
    keeper: _Keeper,
    model: StackedModel,
    graphs: bool,
    pace: Pace,
    number: int,
) -> None:
    layouts = _Layouts(model.device)
    runner = StepRunner(model, training, graphs)
    at_once = _PREDICTED_AT_ONCE[model.device.type] // len(plans)
    evaluation = {split: _evaluation(data, at_once, layouts) for split, data in splits.items()}
    epochs = plans[0].settings.epochs
    for epoch in range(1, epochs + 1):
        model.begin_epoch(epoch)
        for chosen, steps in epoch_batches(plans, training, epoch, layouts):
            runner.run(chosen, steps)
        predictions = {s: model.predict(splits[s], batches) for s, batches in evaluation.items()}
        keeper.take(epoch, model, predictions)
        pace.tell("epoch", number * epochs + epoch)


class _Layouts:
    """Sequence layouts, each made once."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._make = lru_cache(maxsize=None)(self._steps)

    def _steps(self, lengths: tuple[int, ...]) -> Steps:
        if self.device.type == "cuda":
            # Full steps: few shapes, few graphs; on a GPU idle rows cost nothing.
            lengths = (max(lengths),) * len(lengths)
        return Steps.of(list(lengths), self.device)

    def of(self, lengths: Sequence[int]) -> Steps:
        """Layout for dialogues of these lengths, longest first."""
        return self._make(tuple(lengths))


def epoch_batches(
    plans: Sequence[RunPlan], data: Resident, epoch: int, layouts: _Layouts
) -> list[tuple[Tensor, Steps]]:
    """Batches of an epoch: dialogues int64 [K, B] on the device, and a layout with room for them.

    Each run has the batches it would have by itself.
    """
    lengths = [int(length) for length in data.lengths[:-1]]
    each = [
        batch_indices(lengths, p.settings, np.random.default_rng([p.settings.seed, epoch]), epoch)
        for p in plans
    ]
    found = []
    for groups in zip(*each, strict=True):
        width = max(map(len, groups))
        rows = [sorted(group, key=lambda v: -lengths[v]) for group in groups]
        chosen = np.array([row + [data.blank] * (width - len(row)) for row in rows])
        room = data.lengths[chosen].max(axis=0)
        found.append((torch.from_numpy(chosen).to(data.present.device), layouts.of(room.tolist())))
    return found


def _evaluation(data: Resident, utterances: int, layouts: _Layouts) -> list[tuple[Tensor, Steps]]:
    lengths = [int(length) for length in data.lengths[:-1]]
    found = []
    for group in batches([range(n) for n in lengths], 1, max(1, utterances)):
        chosen = sorted((v for v in group if lengths[v]), key=lambda v: -lengths[v])
        if chosen:
            index = torch.tensor(chosen, device=data.present.device)
            found.append((index, layouts.of([lengths[v] for v in chosen])))
    return found


class _Keeper:
    """Collects what the runs of a stack say after each epoch."""

    def __init__(
        self, plans: Sequence[RunPlan], score: Score | None, keep: Literal["all", "best"]
    ) -> None:
        self._plans, self._score, self._keep = plans, score, keep
        self._losses: list[list[Mapping[str, float]]] = [[] for _ in plans]
        self._scores: list[list[float]] = [[] for _ in plans]
        self._kept: list[list[Mapping[str, Predictions]]] = [[] for _ in plans]
        self._best = [0] * len(plans)
        self._states: list[Mapping[str, Tensor]] = [{} for _ in plans]

    def take(
        self,
        epoch: int,
        model: StackedModel,
        predictions: Mapping[str, Sequence[Mapping[TaskName, Tensor]]],
    ) -> None:
        """Note an epoch."""
        losses = model.losses()
        last = epoch == self._plans[0].settings.epochs
        for run, plan in enumerate(self._plans):
            own: dict[str, Predictions] = {
                split: {task: values.numpy() for task, values in each[run].items()}
                for split, each in predictions.items()
            }
            self._losses[run].append(losses[run])
            better = last
            if self._score is not None:
                scores = self._scores[run]
                value = self._score(plan, own)
                better = not any(value <= earlier for earlier in scores)
                scores.append(value)
            if better:
                self._best[run], self._states[run] = epoch, model.state(run)
            if self._keep == "all":
                self._kept[run].append(own)
            elif better:
                self._kept[run] = [own]

    def outcomes(self) -> list[RunOutcome]:
        """Return what was collected."""
        return [
            RunOutcome(
                plan,
                tuple(self._losses[run]),
                _stacked(self._kept[run]),
                tuple(self._scores[run]),
                self._best[run],
                self._states[run],
            )
            for run, plan in enumerate(self._plans)
        ]


def _stacked(epochs: Sequence[Mapping[str, Predictions]]) -> dict[str, dict[TaskName, FloatArray]]:
    return {
        split: {task: np.stack([epoch[split][task] for epoch in epochs]) for task in first}
        for split, first in epochs[0].items()
    }
