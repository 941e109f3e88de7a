"""A whole set of dialogues as tensors on one device, and batches of it by index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from affect_pipe.fusion.batch import Dialogue, collate
from affect_pipe.fusion.config import TaskName
from affect_pipe.fusion.normalise import Normaliser
from affect_pipe.pipeline.records import MODALITIES, Modality


@dataclass(frozen=True, eq=False)
class Resident:
    """Dialogues laid end to end, R utterances in all, normalised once.

    Row R and dialogue V are blanks that padding points at.

    Attributes
    ----------
    lengths : int64 [V + 1] (numpy)
        Utterances of each dialogue.
    utterances : int64 [V + 1, U]
        Rows of each dialogue.
    features : mapping of modality to float32 [R + 1, d]
    present : bool [R + 1, 3]
    order : int64 [3, V + 1, U]
        Rows of the utterances where a modality is present, one after another.
    counts : int64 [3, V + 1]
        How many they are.
    rank : int64 [3, R + 1]
        Which of them a row is.
    targets, known, weights : mapping of task name to [R + 1, w], [R + 1, w], [R + 1]
        As in `affect_pipe.fusion.batch.Batch`.
    """

    lengths: np.ndarray[tuple[int], np.dtype[np.int64]]
    utterances: Tensor
    features: Mapping[Modality, Tensor]
    present: Tensor
    order: Tensor
    counts: Tensor
    rank: Tensor
    targets: Mapping[TaskName, Tensor]
    known: Mapping[TaskName, Tensor]
    weights: Mapping[TaskName, Tensor]

    @property
    def n_rows(self) -> int:
        """Utterances in all, R; the blank row's number."""
        return len(self.present) - 1

    @property
    def blank(self) -> int:
        """Number of the blank dialogue, V."""
        return len(self.lengths) - 1

    @classmethod
    def of(
        cls,
        dialogues: Sequence[Dialogue],
        dims: Mapping[Modality, int],
        normaliser: Normaliser,
        tasks: Sequence[TaskName],
        device: torch.device,
    ) -> Resident:
        """Normalise dialogues and move them to a device.

        Parameters
        ----------
        dims : mapping of modality to int
            The modalities that any model will read.
        tasks : sequence of task names
            Whose targets will be asked for.
        """
        # One at a time: a corpus padded to its longest dialogue can be ten times its size.
        batches = [collate([d], dims, normaliser, tasks) for d in dialogues if len(d)]
        lengths = np.array([*(len(d) for d in dialogues), 0], dtype=np.int64)
        present = _joined([b.modality_mask for b in batches], (0, len(MODALITIES))).bool()
        utterances, order, counts, rank = _layout(lengths, present.numpy())
        return cls(
            lengths,
            torch.from_numpy(utterances).to(device),
            {
                m: _joined([b.features[m] for b in batches], (0, dim)).to(device)
                for m, dim in dims.items()
            },
            present.to(device),
            torch.from_numpy(order).to(device),
            torch.from_numpy(counts).to(device),
            torch.from_numpy(rank).to(device),
            {t: _joined([b.targets[t] for b in batches], (0, 1)).to(device) for t in tasks},
            {t: _joined([b.target_masks[t] for b in batches], (0, 1)).to(device) for t in tasks},
            {t: _joined([b.task_weights[t] for b in batches], (0,)).to(device) for t in tasks},
        )


def _joined(parts: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
    """Rows of batches of one dialogue end to end, and a blank row."""
    if not parts:
        return torch.zeros(shape[0] + 1, *shape[1:])
    rows = [part[0] for part in parts]
    return torch.cat([*rows, rows[0].new_zeros(1, *rows[0].shape[1:])])


def _layout(
    lengths: np.ndarray[tuple[int], np.dtype[np.int64]],
    present: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.int64]], ...]:
    blank, longest = len(present) - 1, int(lengths.max(initial=1))
    n_modalities = present.shape[1]
    utterances = np.full((len(lengths), longest), blank, dtype=np.int64)
    order = np.full((n_modalities, *utterances.shape), blank, dtype=np.int64)
    counts = np.zeros((n_modalities, len(lengths)), dtype=np.int64)
    rank = np.zeros((n_modalities, len(present)), dtype=np.int64)
    start = 0
    for v, length in enumerate(lengths):
        rows = np.arange(start, start + length)
        utterances[v, :length] = rows
        for m in range(n_modalities):
            here = rows[present[rows, m]]
            order[m, v, : len(here)] = here
            counts[m, v] = len(here)
            rank[m, here] = np.arange(len(here))
        start += int(length)
    return utterances, order, counts, rank
