"""Dialogues, the unit of training and prediction, and their padded batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.config import SINGLE_LABEL_TASKS, TASK_WIDTHS, TaskName
from affect_pipe.fusion.normalise import Normaliser
from affect_pipe.pipeline.records import MODALITIES, FloatArray, Modality

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Dialogue:
    """One video's or dialogue's sequence of ``U`` utterances, with what is known about them.

    Attributes
    ----------
    id : str
        Unique within its corpus.
    corpus : str
        Where it comes from.
    features : mapping of modality to float32 [U, d_m]
        Raw vectors, zero where absent. A modality that is absent throughout may be left out.
    present : bool [U, 3]
        Which modalities were measured, in the order of `MODALITIES`.
    targets : mapping of task name to float32 [U, width]
        NaN where unknown; a task left out is unknown throughout. ``sentiment_class`` [U, 1]: index
        of the class (`affect_pipe.fusion.encoding`); ``sentiment_intensity`` [U, 1]: [-1, 1];
        ``emotion_class`` [U, 7]: 0 or 1 each; ``emotion_intensity`` [U, 6]: [0, 1];
        ``arousal_class`` and ``valence_class`` [U, 1]: index of the class, where a row is a step
        of 250 ms. One-dimensional arrays are taken as [U, 1].
    weights : float32 [U], optional
        Factor of each utterance's loss; ones by default.
    task_weights : mapping of task name to float32 [U]
        Further factors of single tasks' losses; a task left out has ones.
    """

    id: str
    corpus: str
    features: Mapping[Modality, FloatArray]
    present: npt.NDArray[np.bool_]
    targets: Mapping[TaskName, FloatArray] = field(default_factory=dict)
    weights: FloatArray | None = None
    task_weights: Mapping[TaskName, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.present)
        if self.present.shape != (n, len(MODALITIES)) or self.present.dtype != np.bool_:
            raise ValueError(
                f"Dialogue {self.id}: present must be bool [U, {len(MODALITIES)}], "
                f"got {self.present.dtype} {list(self.present.shape)}"
            )
        for index, modality in enumerate(MODALITIES):
            values = self.features.get(modality)
            if values is None:
                if self.present[:, index].any():
                    raise ValueError(f"Dialogue {self.id}: {modality} present without vectors")
            elif values.ndim != 2 or len(values) != n or values.dtype != np.float32:
                raise ValueError(
                    f"Dialogue {self.id}: {modality} must be float32 [{n}, d], "
                    f"got {values.dtype} {list(values.shape)}"
                )
        targets = {name: _as_columns(target) for name, target in self.targets.items()}
        for name, target in targets.items():
            expected = (n, target_width(name))
            if target.shape != expected:
                raise ValueError(
                    f"Dialogue {self.id}: target {name} must be {list(expected)}, "
                    f"got {list(target.shape)}"
                )
        object.__setattr__(self, "targets", targets)
        if self.weights is not None and self.weights.shape != (n,):
            raise ValueError(f"Dialogue {self.id}: weights must be [{n}], got {self.weights.shape}")
        for name, factors in self.task_weights.items():
            if factors.shape != (n,):
                raise ValueError(
                    f"Dialogue {self.id}: weights of {name} must be [{n}], got {factors.shape}"
                )

    def __len__(self) -> int:
        return len(self.present)

    def __repr__(self) -> str:
        return f"Dialogue({self.corpus}/{self.id}, {len(self)} utterances, {sorted(self.targets)})"

    def without(self, dropped: npt.NDArray[np.bool_]) -> Dialogue:
        """Return it with modalities taken away.

        Parameters
        ----------
        dropped : bool [U, 3] or broadcastable
            True where a modality is to be absent. Its raw vectors stay but count for nothing.
        """
        return replace(self, present=self.present & ~dropped)


def target_width(task: TaskName) -> int:
    """Columns of a task's target: classes are given by index, everything else by value."""
    return 1 if task in SINGLE_LABEL_TASKS else TASK_WIDTHS[task]


def _as_columns(target: npt.NDArray[np.floating[Any]]) -> FloatArray:
    values = np.asarray(target, dtype=np.float32)
    return values[:, None] if values.ndim == 1 else values


@dataclass(frozen=True, eq=False)
class Batch:
    """Padded dialogues as tensors.

    Attributes
    ----------
    features : mapping of modality to float32 [B, U, d_m]
        Normalised; zero in padding and where absent.
    utterance_mask : bool [B, U]
        True for real utterances.
    modality_mask : bool [B, U, 3]
        Which modalities are present; False in padding.
    targets, target_masks : mapping of task name to [B, U, width], float32 and bool
        Zero and False where unknown, in padding, and where no modality is present: an utterance
        with nothing to judge by teaches nothing.
    weights : float32 [B, U]
    task_weights : mapping of task name to float32 [B, U]
        The weights times the task's own.
    """

    features: Mapping[Modality, torch.Tensor]
    utterance_mask: torch.Tensor
    modality_mask: torch.Tensor
    targets: Mapping[TaskName, torch.Tensor]
    target_masks: Mapping[TaskName, torch.Tensor]
    weights: torch.Tensor
    task_weights: Mapping[TaskName, torch.Tensor]
    ids: tuple[str, ...]

    def to(self, device: torch.device) -> Batch:
        """Return the batch on another device."""
        return replace(
            self,
            features={name: values.to(device) for name, values in self.features.items()},
            utterance_mask=self.utterance_mask.to(device),
            modality_mask=self.modality_mask.to(device),
            targets={name: values.to(device) for name, values in self.targets.items()},
            target_masks={name: mask.to(device) for name, mask in self.target_masks.items()},
            weights=self.weights.to(device),
            task_weights={name: values.to(device) for name, values in self.task_weights.items()},
        )


def collate(
    dialogues: Sequence[Dialogue],
    dims: Mapping[Modality, int],
    normaliser: Normaliser | None = None,
    tasks: Sequence[TaskName] = (),
) -> Batch:
    """Pad dialogues to the longest of them.

    Parameters
    ----------
    dialogues : sequence of Dialogue
        At least one.
    dims : mapping of modality to int
        The model's modalities and their widths, after normalisation; other modalities of the
        dialogues are left out.
    normaliser : Normaliser, optional
        Applied to each dialogue by itself; None leaves the vectors as they are.
    tasks : sequence of task names
        Whose targets to collect.

    Raises
    ------
    ValueError
        If a dialogue's vectors have another width than the model's.
    """
    import torch

    lengths = np.array([len(dialogue) for dialogue in dialogues])
    mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
    # Rows of all dialogues, end to end, land in the padded array in one assignment.
    present = np.zeros((*mask.shape, len(MODALITIES)), dtype=np.bool_)
    present[mask] = np.concatenate([dialogue.present for dialogue in dialogues])
    for index, modality in enumerate(MODALITIES):
        if modality not in dims:
            present[..., index] = False
    features = {
        modality: _pad_features(
            dialogues,
            modality,
            dim if normaliser is None else normaliser.input_dims[modality],
            mask,
            present,
            normaliser,
        )
        for modality, dim in dims.items()
    }
    weights = np.zeros(mask.shape, dtype=np.float32)
    weights[mask] = np.concatenate(
        [np.ones(len(d), np.float32) if d.weights is None else d.weights for d in dialogues]
    )
    targets, target_masks, task_weights = {}, {}, {}
    for task in tasks:
        target = np.full((*mask.shape, target_width(task)), np.nan, dtype=np.float32)
        target[mask] = np.concatenate([_target(dialogue, task) for dialogue in dialogues])
        known = ~np.isnan(target) & present.any(axis=-1, keepdims=True)
        targets[task] = torch.from_numpy(np.where(known, target, np.float32(0.0)))
        target_masks[task] = torch.from_numpy(known)
        factors = np.zeros(mask.shape, dtype=np.float32)
        factors[mask] = np.concatenate([_factors(dialogue, task) for dialogue in dialogues])
        task_weights[task] = torch.from_numpy(weights * factors)
    return Batch(
        features={modality: torch.from_numpy(values) for modality, values in features.items()},
        utterance_mask=torch.from_numpy(mask),
        modality_mask=torch.from_numpy(present),
        targets=targets,
        target_masks=target_masks,
        weights=torch.from_numpy(weights),
        task_weights=task_weights,
        ids=tuple(dialogue.id for dialogue in dialogues),
    )


def _pad_features(
    dialogues: Sequence[Dialogue],
    modality: Modality,
    dim: int,
    mask: npt.NDArray[np.bool_],
    present: npt.NDArray[np.bool_],
    normaliser: Normaliser | None,
) -> FloatArray:
    padded = np.zeros((*mask.shape, dim), dtype=np.float32)
    for row, dialogue in enumerate(dialogues):
        values = dialogue.features.get(modality)
        if values is None:
            continue
        if values.shape[1] != dim:
            raise ValueError(
                f"Dialogue {dialogue.id}: {modality} vectors are {values.shape[1]} wide, "
                f"the model's are {dim}"
            )
        padded[row, : len(dialogue)] = values
    here = present[..., MODALITIES.index(modality)]
    if normaliser is not None:
        return normaliser.apply(modality, padded, here)
    padded[~here] = 0.0
    return padded


def _target(dialogue: Dialogue, task: TaskName) -> FloatArray:
    target = dialogue.targets.get(task)
    if target is None:
        return np.full((len(dialogue), target_width(task)), np.nan, dtype=np.float32)
    return target


def _factors(dialogue: Dialogue, task: TaskName) -> FloatArray:
    factors = dialogue.task_weights.get(task)
    return np.ones(len(dialogue), dtype=np.float32) if factors is None else factors
