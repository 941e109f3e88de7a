"""MARN: multi-attention recurrent network (Zadeh et al. 2018, AAAI, arXiv 1802.00923).

"Multi-attention recurrent network for human communication comprehension": one long-short term
hybrid memory (LSTHM) a modality, and the multi-attention block (MAB) that gives all of them a
cross-view code at each step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from affect_pipe.fusion.config import MAX_WIDTH, Settings
from affect_pipe.fusion.models.backbone import Representation
from affect_pipe.fusion.models.inputs import any_present, in_order, masked_inputs
from affect_pipe.fusion.models.layers import SequenceDropout
from affect_pipe.fusion.models.lstm import (
    MAX_STATE_WIDTH,
    GateInputs,
    lstm_update,
    step_masks,
    two_layers,
)
from affect_pipe.pipeline.records import Modality


class MarnSettings(Settings):
    """Widths and dropouts; the paper searched for its own and prints none."""

    lsthm_width: int = Field(
        default=64, gt=0, le=MAX_STATE_WIDTH, description="Hidden units of each modality's LSTHM."
    )
    attentions: int = Field(default=4, gt=0, le=16, description="Number K of attentions.")
    reduced_width: int = Field(
        default=32, gt=0, le=MAX_WIDTH, description="Of each modality's reduced attended states."
    )
    code_width: int = Field(default=32, gt=0, le=MAX_WIDTH, description="Of the cross-view code z.")
    input_dropout: float = Field(
        default=0.3, ge=0, lt=1, description="Dropout of the inputs, one mask for a sequence."
    )
    dropout: float = Field(default=0.3, ge=0, lt=1, description="Dropout in the network G.")


class MultiAttentionBlock(nn.Module):
    """MAB: from all modalities' states to the cross-view code.

    ``a^k = softmax(A(h))_k`` for k = 1..K over all of ``h = [h^m]``; ``h~^k = a^k * h``;
    ``s^m = C_m([h~^1_m, ..., h~^K_m])``; ``z = G([s^m])``. A is affine, C_m affine with a ReLU
    and G has one hidden ReLU layer as wide as the code: choices of this implementation.
    """

    def __init__(self, modalities: tuple[Modality, ...], settings: MarnSettings) -> None:
        super().__init__()
        n, width = len(modalities), settings.lsthm_width
        self.n, self.k, self.width = n, settings.attentions, width
        self.scores = nn.Linear(n * width, self.k * n * width)
        self.reductions = nn.ModuleDict(
            {m: nn.Linear(self.k * width, settings.reduced_width) for m in modalities}
        )
        self.code = two_layers(
            n * settings.reduced_width, settings.code_width, settings.code_width, settings.dropout
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Map ``hidden [M, B, H]`` to ``z [B, code_width]``."""
        joined = hidden.transpose(0, 1).flatten(1)
        weights = torch.softmax(self.scores(joined).view(len(joined), self.k, -1), dim=-1)
        attended = (weights * joined[:, None, :]).view(len(joined), self.k, self.n, self.width)
        reduced = [
            torch.relu(layer(attended[:, :, place].flatten(1)))
            for place, layer in enumerate(self.reductions.values())
        ]
        code: Tensor = self.code(torch.cat(reduced, dim=-1))
        return code


class Marn(nn.Module):
    """``[h_t, z_t]`` of each utterance: the LSTHMs' states and the cross-view code.

    LSTHM: every gate of modality m is ``W^m x^m_t + U^m h^m_{t-1} + V^m z_{t-1} + b^m``, the rest
    is an LSTM. A time step is an utterance, and every step is read out, where the paper steps
    through words and reads the last.

    The LSTHM of a modality keeps its state through utterances without it, and the block attends
    over the kept state; an utterance without any modality is skipped, the code included.

    Parameters
    ----------
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors.
    settings : MarnSettings
    """

    Settings = MarnSettings

    def __init__(self, dims: Mapping[Modality, int], settings: MarnSettings) -> None:
        super().__init__()
        self.modalities = in_order(dims, "MARN")
        n, width, code = len(self.modalities), settings.lsthm_width, settings.code_width
        self.settings = settings
        self.input_dropout = SequenceDropout(settings.input_dropout)
        self.gate_inputs = GateInputs({m: dims[m] for m in self.modalities}, width)
        # U^m over V^m, so that one batched product takes [h^m, z].
        self.recurrence = nn.Parameter(torch.empty(n, width + code, 4 * width))
        nn.init.uniform_(self.recurrence, -1 / math.sqrt(width), 1 / math.sqrt(width))
        self.block = MultiAttentionBlock(self.modalities, settings)
        self.representation_width = n * width + code

    def forward(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """See `affect_pipe.fusion.models.backbone.Backbone`."""
        inputs, present = masked_inputs(self.modalities, features, utterance_mask, modality_mask)
        gates = self.gate_inputs({m: self.input_dropout(x) for m, x in inputs.items()})
        judged = any_present(present)
        n, n_videos = gates.shape[1:3]
        hidden = gates.new_zeros(n, n_videos, self.settings.lsthm_width)
        cell, code = hidden, gates.new_zeros(n_videos, self.settings.code_width)
        outputs = []
        for gate, now, judge in zip(gates, step_masks(present), judged.t()[..., None], strict=True):
            state = torch.cat([hidden, code.expand(n, -1, -1)], dim=-1)
            new_hidden, new_cell = lstm_update(gate + torch.bmm(state, self.recurrence), cell)
            hidden = torch.where(now, new_hidden, hidden)
            cell = torch.where(now, new_cell, cell)
            code = torch.where(judge, self.block(hidden), code)
            outputs.append(torch.cat([hidden.transpose(0, 1).flatten(1), code], dim=-1))
        return Representation(torch.stack(outputs, dim=1) * judged[..., None])
