"""MV-LSTM: multi-view LSTM (Rajagopalan et al. 2016, ECCV).

"Extending long short-term memory for multi-view structured learning": the memory is partitioned
by view (here: modality), and two numbers, alpha and beta, say how much of its own and of the other
views' last states a partition sees.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from affect_pipe.fusion.config import Settings
from affect_pipe.fusion.models.backbone import Representation
from affect_pipe.fusion.models.inputs import any_present, in_order, masked_inputs
from affect_pipe.fusion.models.layers import SequenceDropout
from affect_pipe.fusion.models.lstm import MAX_STATE_WIDTH, GateInputs, lstm_update
from affect_pipe.pipeline.records import Modality


class MvLstmSettings(Settings):
    """The topology and the widths.

    The paper's families: view-specific (alpha 1, beta 0), coupled (0, 1), fully connected (1, 1)
    and hybrid, in between. The default is a hybrid.
    """

    view_width: int = Field(
        default=64,
        gt=0,
        le=MAX_STATE_WIDTH,
        description="Hidden units of each modality's partition.",
    )
    alpha: float = Field(
        default=2 / 3, ge=0, le=1, description="Share of its own units that a partition sees."
    )
    beta: float = Field(
        default=1 / 3, ge=0, le=1, description="Share of each other partition's units it sees."
    )
    input_dropout: float = Field(
        default=0.3, ge=0, lt=1, description="Dropout of the inputs, one mask for a sequence."
    )
    dropout: float = Field(default=0.3, ge=0, lt=1, description="Dropout of the hidden states.")


class MvLstm(nn.Module):
    """``[h^T_t, h^A_t, h^V_t]``, each from its own input and selected units of all partitions.

    Every gate of partition m is ``W^m x^m_t + sum_n U^mn (S^mn * h^n_{t-1}) + b^m``, where ``S``
    selects the first ``round(alpha H)`` units of m itself and the first ``round(beta H)`` of each
    other n; the rest is an LSTM a partition. Which units are the selected ones is this
    implementation's choice (the weights learn their meaning), and so is one width for all.

    A time step is an utterance. The partition of a modality keeps its state through utterances
    without it, and the others go on seeing that state.

    Parameters
    ----------
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors.
    settings : MvLstmSettings
    """

    Settings = MvLstmSettings
    selection: Tensor

    def __init__(self, dims: Mapping[Modality, int], settings: MvLstmSettings) -> None:
        super().__init__()
        self.modalities = in_order(dims, "MV-LSTM")
        n, width = len(self.modalities), settings.view_width
        self.width = width
        self.input_dropout = SequenceDropout(settings.input_dropout)
        self.gate_inputs = GateInputs({m: dims[m] for m in self.modalities}, width)
        self.recurrence = nn.Parameter(torch.empty(n, n * width, 4 * width))
        nn.init.uniform_(self.recurrence, -1 / math.sqrt(width), 1 / math.sqrt(width))
        # Not a weight: it follows from the settings and is not stored.
        self.register_buffer("selection", selection(n, settings), persistent=False)
        self.dropout = nn.Dropout(settings.dropout)
        self.representation_width = n * width

    def forward(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """See `affect_pipe.fusion.models.backbone.Backbone`."""
        inputs, present = masked_inputs(self.modalities, features, utterance_mask, modality_mask)
        # [U, B, M, 4 H]: the state is one vector a video, partitions end to end.
        gates = self.gate_inputs({m: self.input_dropout(x) for m, x in inputs.items()})
        gates = gates.transpose(1, 2)
        here = torch.stack(list(present.values()), dim=-1).transpose(0, 1)[..., None]
        n_videos, n = gates.shape[1:3]
        weights = self.recurrence * self.selection[:, :, None]
        weights = weights.transpose(0, 1).flatten(1)
        hidden = gates.new_zeros(n_videos, n, self.width)
        cell = hidden
        outputs = []
        for gate, now in zip(gates, here, strict=True):
            seen = (hidden.flatten(1) @ weights).view(n_videos, n, -1)
            new_hidden, new_cell = lstm_update(gate + seen, cell)
            hidden = torch.where(now, new_hidden, hidden)
            cell = torch.where(now, new_cell, cell)
            outputs.append(hidden.flatten(1))
        values = self.dropout(torch.stack(outputs, dim=1))
        return Representation(values * any_present(present)[..., None])


def selection(n_views: int, settings: MvLstmSettings) -> Tensor:
    """Which units each partition sees, 0 or 1, float ``[M, M H]``."""
    width = settings.view_width
    units = torch.arange(width)
    own = (units < round(settings.alpha * width)).float()
    other = (units < round(settings.beta * width)).float()
    rows = [
        torch.cat([own if source == view else other for source in range(n_views)])
        for view in range(n_views)
    ]
    return torch.stack(rows)
