"""MFN: memory fusion network (Zadeh et al. 2018, AAAI, arXiv 1802.00927).

"Memory fusion network for multi-view sequential learning": a system of LSTMs, one a modality; the
delta-memory attention network (DMAN) over their cells at two neighbouring steps; the multi-view
gated memory over what it attends to.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from affect_pipe.fusion.config import MAX_WIDTH, Settings
from affect_pipe.fusion.models.backbone import Representation
from affect_pipe.fusion.models.inputs import any_present, in_order, masked_inputs
from affect_pipe.fusion.models.layers import SequenceDropout
from affect_pipe.fusion.models.lstm import MAX_STATE_WIDTH, LstmSystem, two_layers
from affect_pipe.pipeline.records import Modality


class MfnSettings(Settings):
    """Widths and dropouts; the paper searched for its own and prints none."""

    lstm_width: int = Field(
        default=64, gt=0, le=MAX_STATE_WIDTH, description="Hidden units of each modality's LSTM."
    )
    memory_width: int = Field(
        default=64, gt=0, le=MAX_WIDTH, description="Of the multi-view gated memory."
    )
    network_width: int = Field(
        default=64, gt=0, le=MAX_WIDTH, description="Of the hidden layer of every network D."
    )
    input_dropout: float = Field(
        default=0.3, ge=0, lt=1, description="Dropout of the inputs, one mask for a sequence."
    )
    dropout: float = Field(default=0.3, ge=0, lt=1, description="Dropout in the networks D.")


def neighbouring_cells(cells: Tensor) -> Tensor:
    """Join each step's cells with those of the step before (zeros before the first).

    Parameters
    ----------
    cells : float [B, U, M, H]

    Returns
    -------
    float [B, U, 2 M H]
        ``c^[t-1, t]``: all modalities at t - 1, then all at t.
    """
    now = cells.flatten(2)
    before = torch.nn.functional.pad(now[:, :-1], (0, 0, 1, 0))
    return torch.cat([before, now], dim=-1)


class GatedMemory(nn.Module):
    """Multi-view gated memory.

    ``u^_t = D_u(c^_t)``, ``gamma_1 = sigmoid(D_g1(c^_t))``, ``gamma_2 = sigmoid(D_g2(c^_t))``,
    ``u_t = gamma_1 * u_{t-1} + gamma_2 * tanh(u^_t)``. The networks see the attended cells alone,
    so only the last line needs a loop over the steps.
    """

    def __init__(self, input_width: int, settings: MfnSettings) -> None:
        super().__init__()
        hidden, width = settings.network_width, settings.memory_width
        self.width = width
        self.update = two_layers(input_width, hidden, width, settings.dropout)
        self.retain = two_layers(input_width, hidden, width, settings.dropout)
        self.admit = two_layers(input_width, hidden, width, settings.dropout)

    def forward(self, attended: Tensor, judged: Tensor) -> Tensor:
        """Run over ``attended [B, U, k]`` where ``judged [B, U]``; returns ``[B, U, width]``."""
        here = judged[..., None]
        # Where an utterance is skipped the memory is kept whole and nothing is added.
        retain = torch.sigmoid(self.retain(attended)).masked_fill(~here, 1.0)
        admitted = torch.sigmoid(self.admit(attended)) * torch.tanh(self.update(attended)) * here
        memory = attended.new_zeros(len(attended), self.width)
        memories = []
        for kept, added in zip(retain.unbind(1), admitted.unbind(1), strict=True):
            memory = kept * memory + added
            memories.append(memory)
        return torch.stack(memories, dim=1)


class Mfn(nn.Module):
    """``[h_t, u_t]`` of each utterance: the LSTMs' states and the gated memory.

    DMAN: ``a = softmax(D_a(c^[t-1, t]))``, ``c^ = a * c^[t-1, t]``. A time step is an utterance,
    and every step is read out, where the paper steps through words and reads the last.

    The LSTM of a modality keeps its state through utterances without it (its cells at t - 1 and
    t are then equal); an utterance without any modality is skipped, DMAN and memory included.
    The networks ``D`` have one hidden ReLU layer and all LSTMs one width, choices made here.

    Parameters
    ----------
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors.
    settings : MfnSettings
    """

    Settings = MfnSettings

    def __init__(self, dims: Mapping[Modality, int], settings: MfnSettings) -> None:
        super().__init__()
        self.modalities = in_order(dims, "MFN")
        width = len(self.modalities) * settings.lstm_width
        self.input_dropout = SequenceDropout(settings.input_dropout)
        self.lstms = LstmSystem({m: dims[m] for m in self.modalities}, settings.lstm_width)
        self.attention = two_layers(2 * width, settings.network_width, 2 * width, settings.dropout)
        self.memory = GatedMemory(2 * width, settings)
        self.representation_width = width + settings.memory_width

    def forward(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """See `affect_pipe.fusion.models.backbone.Backbone`."""
        inputs, present = masked_inputs(self.modalities, features, utterance_mask, modality_mask)
        dropped = {m: self.input_dropout(values) for m, values in inputs.items()}
        hidden, cells = self.lstms(dropped, present)
        judged = any_present(present)
        both = neighbouring_cells(cells)
        attended = torch.softmax(self.attention(both), dim=-1) * both
        memory = self.memory(attended, judged)
        values = torch.cat([hidden.flatten(2), memory], dim=-1)
        return Representation(values * judged[..., None])
