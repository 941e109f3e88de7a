"""What the backbones' forward passes begin with: clean inputs and where they are present."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from affect_pipe.pipeline.records import MODALITIES, Modality


def in_order(dims: Mapping[Modality, int], backbone: str) -> tuple[Modality, ...]:
    """Modalities of ``dims`` in the order of `MODALITIES`.

    Raises
    ------
    ValueError
        If there is none.
    """
    modalities = tuple(modality for modality in MODALITIES if modality in dims)
    if not modalities:
        raise ValueError(f"{backbone} needs at least one modality")
    return modalities


def masked_inputs(
    modalities: Sequence[Modality],
    features: Mapping[Modality, Tensor],
    utterance_mask: Tensor,
    modality_mask: Tensor,
) -> tuple[dict[Modality, Tensor], dict[Modality, Tensor]]:
    """Zero whatever lies in masked rows, NaN included.

    Parameters
    ----------
    modalities : sequence of modality
        Those to read; the others are left out.
    features : mapping of modality to float [B, U, d_m]
    utterance_mask : bool [B, U]
    modality_mask : bool [B, U, 3]

    Returns
    -------
    inputs : dict of modality to float [B, U, d_m]
    present : dict of modality to bool [B, U]
        False in padding.
    """
    present = {m: modality_mask[..., MODALITIES.index(m)] & utterance_mask for m in modalities}
    inputs = {m: features[m].masked_fill(~present[m][..., None], 0.0) for m in modalities}
    return inputs, present


def any_present(present: Mapping[Modality, Tensor]) -> Tensor:
    """Where at least one modality is present, bool ``[B, U]``."""
    return torch.stack(list(present.values())).any(dim=0)
