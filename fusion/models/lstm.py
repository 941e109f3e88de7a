"""Recurrences of the sequence baselines, exact under masks.

A time step is one utterance of the video: the inputs are utterance vectors, where several of the
papers step through words. Absent elements are skipped, not fed as zeros: a state passes from one
present element to the next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from affect_pipe.pipeline.records import Modality

# Recurrent weights grow with the square of this; a checkpoint from elsewhere shall not ask for all
# the memory there is.
MAX_STATE_WIDTH = 1024


class MaskedLSTM(nn.Module):
    """LSTM over the present elements of each sequence (Hochreiter and Schmidhuber 1997)."""

    def __init__(self, input_width: int, hidden_width: int, *, bidirectional: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            input_width, hidden_width, batch_first=True, bidirectional=bidirectional
        )
        self.width = (2 if bidirectional else 1) * hidden_width

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """Run over ``values [B, U, d]`` where ``present [B, U]``; returns ``[B, U, width]``.

        Rows of absent elements are zero.
        """
        out = values.new_zeros(*values.shape[:2], self.width)
        counts = present.sum(dim=1)
        rows = counts > 0
        if not bool(rows.any()):
            return out
        lengths = counts[rows]
        front = torch.arange(int(lengths.max()), device=values.device) < lengths[:, None]
        gathered = values.new_zeros(*front.shape, values.shape[2])
        # Boolean selection and assignment walk in the same order: sequence, then position.
        gathered[front] = values[present]
        packed = pack_padded_sequence(
            gathered, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        out[present] = states[front].to(out.dtype)
        return out


def lstm_update(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """One step of an LSTM from its summed gate inputs.

    ``c' = sigmoid(f) * c + sigmoid(i) * tanh(g)`` and ``h' = sigmoid(o) * tanh(c')``.

    Parameters
    ----------
    gates : float [..., 4 H]
        i, f, g, o, one after the other.
    cell : float [..., H]

    Returns
    -------
    hidden, cell : float [..., H]
    """
    i, f, g, o = gates.chunk(4, dim=-1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


class GateInputs(nn.Module):
    """``W_m x_m + b_m`` of every modality's four gates, for all time steps at once."""

    def __init__(self, dims: Mapping[Modality, int], width: int) -> None:
        super().__init__()
        layers: dict[str, nn.Module] = {}
        for modality, dim in dims.items():
            layers[modality] = uniform_(nn.Linear(dim, 4 * width), width)
        self.layers = nn.ModuleDict(layers)

    def forward(self, inputs: Mapping[Modality, Tensor]) -> Tensor:
        """Map ``[B, U, d_m]`` each to ``[U, M, B, 4 H]`` together, ready to be stepped through."""
        projected = [layer(inputs[name]) for name, layer in self.layers.items()]  # type: ignore[index]
        return torch.stack(projected).permute(2, 0, 1, 3)


class LstmSystem(nn.Module):
    """One LSTM a modality, side by side and blind to each other, cells included in the result.

    All have the same width, so that one batched product steps them all. The state of a modality
    stays as it is where the modality is absent.

    Parameters
    ----------
    dims : mapping of modality to int
    width : int
        Hidden units of each.
    """

    def __init__(self, dims: Mapping[Modality, int], width: int) -> None:
        super().__init__()
        self.width = width
        self.gate_inputs = GateInputs(dims, width)
        self.recurrence = nn.Parameter(torch.empty(len(dims), width, 4 * width))
        nn.init.uniform_(self.recurrence, -1 / math.sqrt(width), 1 / math.sqrt(width))

    def forward(
        self, inputs: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Step through ``[B, U, d_m]``; returns hidden states and cells, each ``[B, U, M, H]``."""
        gates = self.gate_inputs(inputs)
        here = step_masks(present)
        hidden = gates.new_zeros(*gates.shape[1:3], self.width)
        cell = hidden
        hiddens, cells = [], []
        for gate, now in zip(gates, here, strict=True):
            new_hidden, new_cell = lstm_update(gate + torch.bmm(hidden, self.recurrence), cell)
            hidden = torch.where(now, new_hidden, hidden)
            cell = torch.where(now, new_cell, cell)
            hiddens.append(hidden)
            cells.append(cell)
        return (
            torch.stack(hiddens).permute(2, 0, 1, 3),
            torch.stack(cells).permute(2, 0, 1, 3),
        )


def step_masks(present: Mapping[Modality, Tensor]) -> Tensor:
    """Presence ``[B, U]`` of each modality as bool ``[U, M, B, 1]``."""
    return torch.stack(list(present.values())).permute(2, 0, 1)[..., None]


def uniform_(layer: nn.Linear, width: int) -> nn.Linear:
    """Draw a layer's weights as torch draws those of an LSTM of this hidden width."""
    bound = 1 / math.sqrt(width)
    nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.uniform_(layer.bias, -bound, bound)
    return layer


def two_layers(input_width: int, hidden_width: int, output_width: int, dropout: float) -> nn.Module:
    """Affine, ReLU, dropout, affine: the papers' small networks ``D``, ``C`` and ``G``."""
    return nn.Sequential(
        nn.Linear(input_width, hidden_width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden_width, output_width),
    )
