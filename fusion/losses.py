"""Losses over the elements whose label is known.

Every function takes logits, targets, a mask of known elements and a weight an utterance, and
returns the weighted sum over known elements divided by their number (zero when there are none).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (the name torch's own documentation uses)
from torch import Tensor


def masked_mean(losses: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum over known elements, divided by how many are known.

    Parameters
    ----------
    losses : float [N, k]
    mask : bool [N, k]
    weights : float [N]
    """
    kept = torch.where(mask, losses, torch.zeros_like(losses)) * weights[:, None]
    return kept.sum() / mask.sum().clamp_min(1)


def softmax_cross_entropy(logits: Tensor, target: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of classes ``logits [N, k]`` against class indices ``target [N, 1]``."""
    losses = F.cross_entropy(logits, target[:, 0].long(), reduction="none")
    return masked_mean(losses[:, None], mask, weights)


def spread_cross_entropy(logits: Tensor, target: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Softmax cross-entropy of ``logits [N, k]`` against 0/1 labels, spread over the ones.

    A row counts where all its labels are known and at least one is set; with exactly one set this
    is the usual cross-entropy.
    """
    total = target.sum(dim=1, keepdim=True)
    known = mask.all(dim=1, keepdim=True) & (total > 0)
    losses = -(F.log_softmax(logits, dim=1) * target / total.clamp_min(1)).sum(dim=1, keepdim=True)
    return masked_mean(losses, known, weights)


def binary_cross_entropy(logits: Tensor, target: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of the sigmoid of each logit against a target in [0, 1], all [N, k]."""
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return masked_mean(losses, mask, weights)


def squared_error(values: Tensor, target: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Squared error of ``values [N, k]``."""
    return masked_mean((values - target) ** 2, mask, weights)
