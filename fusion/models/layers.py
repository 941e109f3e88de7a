"""Layers that every backbone shares: masked recurrence, masked softmax, sequence dropout."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from affect_pipe.fusion.models.recurrence import run_bidirectional


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis, over the elements where ``mask`` is True.

    Elsewhere the weight is exactly zero, and a row without any element is all zeros.

    Parameters
    ----------
    scores : float [..., n]
    mask : bool, broadcastable to scores
    """
    mask = mask.expand_as(scores)
    lowest = torch.finfo(scores.dtype).min
    filled = scores.masked_fill(~mask, lowest)
    # The maximum comes off before the exponential, so large matching scores cannot overflow.
    shifted = filled - filled.amax(dim=-1, keepdim=True).detach()
    weights = shifted.exp().masked_fill(~mask, 0.0)
    return weights / weights.sum(dim=-1, keepdim=True).clamp_min(torch.finfo(scores.dtype).tiny)


class SequenceDropout(nn.Module):
    """Dropout with one mask for a whole sequence ``[B, U, d]``, as Keras' recurrent layers have."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, values: Tensor) -> Tensor:
        """Zero the same columns in every utterance of a sequence, and scale up the others."""
        if not self.training or self.probability == 0.0:
            return values
        keep = 1.0 - self.probability
        shape = (values.shape[0], 1, values.shape[2])
        mask = torch.empty(shape, device=values.device).bernoulli_(keep) / keep
        return values * mask


class MaskedBiGRU(nn.Module):
    """Bidirectional GRU over the present elements of each sequence.

    Absent elements are skipped, not fed as zeros: the state passes from one present element to
    the next, so neither padding nor the values of absent rows can have any influence.
    """

    def __init__(self, input_width: int, hidden_width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(input_width, hidden_width, batch_first=True, bidirectional=True)
        self.width = 2 * hidden_width

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """Run over ``values [B, U, d]`` where ``present [B, U]``; returns ``[B, U, 2 * hidden]``.

        Rows of absent elements are zero.
        """
        return run_bidirectional([self.gru], [values], [present])[0]
