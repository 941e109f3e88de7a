"""What a stack of runs is given and gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from affect_pipe.fusion.config import CimSettings, LossWeightingSettings, TaskName, TaskSettings
from affect_pipe.fusion.training_settings import TrainingSettings
from affect_pipe.pipeline.records import FloatArray, Modality

if TYPE_CHECKING:
    from torch import Tensor

Predictions = Mapping[TaskName, FloatArray]
"""By task, float32 [R, width]: every utterance of a split, dialogue after dialogue."""


@dataclass(frozen=True)
class RunPlan:
    """One training of a grid.

    Attributes
    ----------
    name : str
        Unique in its grid.
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors; any subset.
    tasks : tuple of TaskSettings
    settings : TrainingSettings
        ``device``, ``threads`` and ``devices`` are the stack's, not the run's.
    backbone, backbone_settings : str, mapping
        As `affect_pipe.fusion.models.fusion.FusionModel` takes them.
    """

    name: str
    dims: Mapping[Modality, int]
    tasks: tuple[TaskSettings, ...]
    settings: TrainingSettings
    backbone: str = "cim"
    backbone_settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class RunOutcome:
    """What came of one run.

    Attributes
    ----------
    losses : tuple of dict
        Of each epoch: mean loss of each task and ``total``; not finite where a run diverged.
    predictions : mapping of split to mapping of task to float32 [epochs, R, width]
        As `Task.activate` gives them, of every epoch, or of the best one alone, ``[1, R, width]``.
    scores : tuple of float
        Of each epoch, where a score was asked for.
    best_epoch : int
        The epoch with the highest score, counted from 1; without scores the last.
    state : mapping of name to tensor
        Weights of that epoch, for `FusionModel.load_state_dict`.
    """

    plan: RunPlan
    losses: tuple[Mapping[str, float], ...]
    predictions: Mapping[str, Predictions]
    scores: tuple[float, ...]
    best_epoch: int
    state: Mapping[str, Tensor]


Score = Callable[[RunPlan, Mapping[str, Predictions]], float]
"""Of one epoch's predictions by split; the higher the better."""


def unstackable(plans: Sequence[RunPlan]) -> str:
    """Say why runs cannot be trained as one stack; empty if they can."""
    for plan in plans:
        reason = _unsupported(plan)
        if reason:
            return f"{plan.name}: {reason}"
    for what, values in (
        ("widths of the backbone", {_widths(plan) for plan in plans}),
        ("numbers of epochs", {plan.settings.epochs for plan in plans}),
        ("batch sizes", {(p.settings.batch_size, p.settings.batch_utterances) for p in plans}),
    ):
        if len(values) > 1:
            return f"the runs have different {what}"
    for modality in {m for plan in plans for m in plan.dims}:
        if len({plan.dims[modality] for plan in plans if modality in plan.dims}) > 1:
            return f"the runs have {modality} vectors of different widths"
    return ""


def cim_settings(plan: RunPlan) -> CimSettings:
    """Return the backbone's settings, defaults filled in."""
    return CimSettings.model_validate(dict(plan.backbone_settings))


def _widths(plan: RunPlan) -> tuple[int, int]:
    settings = cim_settings(plan)
    return settings.gru_width, settings.dense_width


def _unsupported(plan: RunPlan) -> str:
    if plan.backbone != "cim":
        return f"backbone {plan.backbone!r} has no stacked form, only 'cim' has"
    backbone, training = cim_settings(plan), plan.settings
    checks = {
        "skip_width": backbone.skip_width,
        "presence_flags": backbone.presence_flags,
        "a gate": any(task.head.gate for task in plan.tasks),
        "a hidden layer in a head": any(task.head.hidden_width for task in plan.tasks),
        "average_decay": training.average_decay,
        "patience": training.patience,
        "loss_weighting": training.loss_weighting != LossWeightingSettings(),
        f"precision {training.precision}": training.precision != "32-true",
    }
    found = [name for name, asked in checks.items() if asked]
    return f"no stacked form for {', '.join(found)}" if found else ""
