"""Batches for a stack of runs, and where their sequences stand when absent elements are skipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from affect_pipe.fusion.stacked.data import Resident
from affect_pipe.fusion.stacked.gru import Steps


@dataclass(frozen=True, eq=False)
class StackBatch:
    """A batch of dialogues for each of K runs, all laid out alike.

    Attributes
    ----------
    data : Resident
    dialogues : int64 [K, B]
        Numbers of dialogues, each run's longest first.
    steps : Steps
        A layout that has room for all runs' dialogues.
    rows : int64 [K, B, U]
        Their utterances.
    """

    data: Resident
    dialogues: Tensor
    steps: Steps
    rows: Tensor

    @classmethod
    def of(cls, data: Resident, dialogues: Tensor, steps: Steps) -> StackBatch:
        """Look the utterances up."""
        return cls(data, dialogues, steps, data.utterances[dialogues][..., : len(steps.counts)])


@dataclass(frozen=True, eq=False)
class Placing:
    """The present elements of n runs' sequences of one modality, from either end.

    Attributes
    ----------
    rows : int64 [n, 2, P]
        Utterance of each packed row; the blank one where a sequence has ended.
    picked : int64 [n, B * U, 2]
        Packed row of each utterance in both directions; 0 where absent.
    inverse : int64 [n, 2, P]
        Utterance ``b * U + u`` of each packed row; 0 where a sequence has ended.
    filled : bool [n, 2, P]
        Where it has not.
    """

    rows: Tensor
    picked: Tensor
    inverse: Tensor
    filled: Tensor

    @classmethod
    def of(cls, batch: StackBatch, modality: int, runs: Tensor) -> Placing:
        """Place the sequences of some runs and one modality, given by numbers."""
        data, steps = batch.data, batch.steps
        own, shown = batch.dialogues[runs], batch.rows[runs]
        n_utterances = data.order.shape[2]
        counts = data.counts[modality][own]
        last = counts[:, steps.sequence] - 1
        ranks = torch.stack([steps.time.expand_as(last), last - steps.time], dim=1)
        filled = (ranks >= 0) & (ranks <= last[:, None])
        start = (own[:, steps.sequence] * n_utterances)[:, None]
        rows = data.order[modality].reshape(-1)[start + ranks.clamp(0, n_utterances - 1)]
        rows = rows.where(filled, data.n_rows)
        first = data.utterances[:, 0][own][:, steps.sequence][:, None]
        inverse = steps.sequence * len(steps.counts) + rows - first
        rank = data.rank[modality][shown]
        here = data.present[:, modality][shown]
        both = torch.stack([rank, counts[..., None] - 1 - rank], dim=-1)
        sequence = torch.arange(own.shape[1], device=own.device)[:, None, None]
        picked = steps.offset[both.clamp(0, len(steps.counts) - 1)] + sequence
        picked = picked.where(here[..., None], 0).flatten(1, 2)
        return cls(rows, picked, inverse.where(filled, 0), filled)


class _Pick(torch.autograd.Function):
    """Select rows that are selected once at most, so that the way back selects as well."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor, inverse: Tensor, filled: Tensor) -> Tensor:
        """Return ``values[index]``; ``inverse`` says where each row went, if ``filled``."""
        ctx.save_for_backward(inverse, filled)
        return values.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """Bring each row's gradient back."""
        inverse, filled = ctx.saved_tensors
        return grad.index_select(0, inverse) * filled[:, None], None, None, None


def pick_states(states: Tensor, placing: Placing) -> Tensor:
    """Bring packed states back to the utterances.

    Parameters
    ----------
    states : float [2 n, P, h]
        Each run's two directions.

    Returns
    -------
    float [n, B * U, 2 h]
        Where an utterance is absent the values mean nothing and nothing may be learnt from them.
    """
    n, n_places, _ = placing.picked.shape
    n_packed, width = states.shape[1:]
    sides = torch.arange(2 * n, device=states.device)
    index = placing.picked + (sides * n_packed).view(n, 1, 2)
    run = torch.arange(n, device=states.device)[:, None, None]
    inverse = (run * n_places + placing.inverse) * 2 + sides[:2, None]
    flat: Tensor = _Pick.apply(  # type: ignore[no-untyped-call]
        states.reshape(-1, width), index.view(-1), inverse.view(-1), placing.filled.reshape(-1)
    )
    return flat.view(n, n_places, 2 * width)
