"""CIA: context-aware interactive attention (Chauhan et al. 2019, EMNLP, D19-1566).

Section 3 and Algorithms 1 to 3, for every ordered pair of modalities (x, y), an inter-modal
interactive module (IIM) that encodes x and decodes y,

    C_xy = tanh(W_e x + b_e),  y~ = tanh(W_d C_xy + b_d),  l1 = MSE(y~, y),

and then ``C_xy <- BiGRU(C_xy)``, ``C_x <- BiGRU(x)``; for every unordered pair

    M_xy = mean(C_xy, C_yx),  BI_xy = FC([C_x ; C_y]),
    P = M BI^T,  N = softmax of the rows of P,  O = N BI,  A_xy = O * M,

and ``Rep = [A_TV, A_TA, A_AV]``. All l1 are added to the tasks' losses (section 3.2).

What the paper leaves open, and how it is read here:

- ``M BI^T`` asks that the fully connected layer be as wide as both directions of the GRUs
  together, and Table 4 gives both the same number: ``width`` is that number.
- Algorithm 2 writes "cross entropy" for l1, Table 4 mean squared error: the latter.
- One modality alone (Table 1 has results, the text no words): the modality is paired with itself,
  so that the IIM is an ordinary auto-encoder, ``M = C_xx`` and ``BI = FC(C_x)``.
- Without the IIM (Table 3; "self-attention on the pair-wise fully-connected representations"):
  M is BI itself.

Absent modalities, for which the paper has no rule: ``C_xy`` exists where x does, ``C_x`` too; M is
the mean over those of its two that exist, and BI reads zeros for the absent one, so that an
utterance takes part in a pair with either modality, and says nothing only without both. l1 counts
utterances that have both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn

from affect_pipe.fusion.config import MAX_WIDTH, Settings
from affect_pipe.fusion.models.backbone import Representation
from affect_pipe.fusion.models.inputs import in_order, masked_inputs
from affect_pipe.fusion.models.layers import MaskedBiGRU, SequenceDropout, masked_softmax
from affect_pipe.fusion.models.recurrence import run_bidirectional
from affect_pipe.pipeline.records import Modality

Pair = tuple[Modality, Modality]
# In the order of the paper's Rep.
PAIRS: tuple[Pair, ...] = (("text", "visual"), ("text", "acoustic"), ("acoustic", "visual"))


class CiaSettings(Settings):
    """Table 4 of chauhan2019; the widths are those for MOSI and its neighbours."""

    width: int = Field(
        default=200,
        gt=1,
        le=MAX_WIDTH,
        multiple_of=2,
        description="Of the Bi-GRUs, both directions together, and of the fully connected layers "
        "(200; 50 for MOUD, 100 for MOSEI).",
    )
    encoder_width: int = Field(
        default=100, gt=0, le=MAX_WIDTH, description="Of the IIM's encoded vector; not given."
    )
    input_dropout: float = Field(
        default=0.3, ge=0, lt=1, description="Dropout of the GRUs' inputs, one mask a sequence."
    )
    dropout: float = Field(
        default=0.5, ge=0, lt=1, description="Dropout after the fully connected layers."
    )
    iim: bool = Field(
        default=True, description="False for the ablation: self-attention on BI (Table 3)."
    )
    reconstruction_weight: float = Field(
        default=1.0, ge=0, description="Factor of the reconstruction losses' sum."
    )


class InterModalModule(nn.Module):
    """IIM: encodes one modality and, in training, decodes another (Algorithm 2)."""

    def __init__(self, source_width: int, target_width: int, encoded_width: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(source_width, encoded_width)
        self.decoder = nn.Linear(encoded_width, target_width)

    def forward(self, source: Tensor) -> Tensor:
        """Encode ``[..., d_x]`` to ``[..., encoded_width]``."""
        return torch.tanh(self.encoder(source))

    def reconstruction_loss(self, encoded: Tensor, target: Tensor, both: Tensor) -> Tensor:
        """Mean squared error of the decoded ``target [B, U, d_y]`` where ``both [B, U]``."""
        error = (torch.tanh(self.decoder(encoded[both])) - target[both]) ** 2
        return error.sum() / max(1, error.numel())


def context_aware_attention(M: Tensor, BI: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """CAM: attend from M over the context utterances of BI (Algorithm 3).

    Parameters
    ----------
    M, BI : float [B, U, d]
    present : bool [B, U]

    Returns
    -------
    A : float [B, U, d]
    N : float [B, U, U]
        Rows and columns of absent utterances are zero.
    """
    P = M @ BI.transpose(1, 2)
    N = masked_softmax(P, present[:, None, :]) * present[:, :, None]
    return (N @ BI) * M, N


class Cia(nn.Module):
    """The CIA backbone with one, two or three modalities.

    Parameters
    ----------
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors.
    settings : CiaSettings
    """

    Settings = CiaSettings

    def __init__(self, dims: Mapping[Modality, int], settings: CiaSettings) -> None:
        super().__init__()
        self.modalities = in_order(dims, "CIA")
        self.settings = settings
        self.pairs = tuple(pair for pair in PAIRS if set(pair) <= set(self.modalities))
        if not self.pairs:
            self.pairs = ((self.modalities[0], self.modalities[0]),)
        self.ordered: tuple[Pair, ...] = ()
        if settings.iim:
            # A modality with itself has one order only.
            self.ordered = tuple(
                dict.fromkeys(order for x, y in self.pairs for order in ((x, y), (y, x)))
            )
        half, encoded = settings.width // 2, settings.encoder_width
        self.iims = nn.ModuleDict(
            {_name(x, y): InterModalModule(dims[x], dims[y], encoded) for x, y in self.ordered}
        )
        self.interaction_grus = nn.ModuleDict(
            {_name(x, y): MaskedBiGRU(encoded, half) for x, y in self.ordered}
        )
        self.modality_grus = nn.ModuleDict({m: MaskedBiGRU(dims[m], half) for m in self.modalities})
        self.fully_connected = nn.ModuleDict(
            {
                _name(x, y): nn.Linear(settings.width * len({x, y}), settings.width)
                for x, y in self.pairs
            }
        )
        self.input_dropout = SequenceDropout(settings.input_dropout)
        self.dropout = nn.Dropout(settings.dropout)
        self.representation_width = len(self.pairs) * settings.width

    def forward(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """See `affect_pipe.fusion.models.backbone.Backbone`."""
        inputs, present = masked_inputs(self.modalities, features, utterance_mask, modality_mask)
        encoded = {(x, y): self._iim(x, y)(inputs[x]) for x, y in self.ordered}
        C_m, C_xy = self._contexts(inputs, encoded, present)
        parts: list[Tensor] = []
        attention: dict[str, Tensor] = {}
        for x, y in self.pairs:
            either = present[x] | present[y]
            sides = [C_m[x]] if x == y else [C_m[x], C_m[y]]
            connected = self.fully_connected[_name(x, y)](torch.cat(sides, dim=-1))
            BI = self.dropout(torch.relu(connected)) * either[..., None]
            M = _mean(C_xy[x, y], C_xy[y, x], present[x], present[y]) if self.ordered else BI
            A, attention[f"{_name(x, y)}/N"] = context_aware_attention(M, BI, either)
            parts.append(A)
        auxiliary = None
        if self.training and self.ordered:
            auxiliary = self._reconstruction_loss(inputs, encoded, present)
        return Representation(torch.cat(parts, dim=-1), attention, auxiliary)

    def _iim(self, x: Modality, y: Modality) -> InterModalModule:
        return cast(InterModalModule, self.iims[_name(x, y)])

    def _contexts(
        self,
        inputs: Mapping[Modality, Tensor],
        encoded: Mapping[Pair, Tensor],
        present: Mapping[Modality, Tensor],
    ) -> tuple[dict[Modality, Tensor], dict[Pair, Tensor]]:
        """``C_x`` of every modality and ``C_xy`` of every ordered pair, after their Bi-GRUs."""
        layers = [*self.modality_grus.values(), *self.interaction_grus.values()]
        values = [inputs[m] for m in self.modalities] + list(encoded.values())
        here = [present[m] for m in self.modalities] + [present[x] for x, _ in encoded]
        states = run_bidirectional(
            [cast(MaskedBiGRU, layer).gru for layer in layers],
            [self.input_dropout(value) for value in values],
            here,
        )
        n = len(self.modalities)
        return (
            dict(zip(self.modalities, states[:n], strict=True)),
            dict(zip(encoded, states[n:], strict=True)),
        )

    def _reconstruction_loss(
        self,
        inputs: Mapping[Modality, Tensor],
        encoded: Mapping[Pair, Tensor],
        present: Mapping[Modality, Tensor],
    ) -> Tensor:
        """Sum of l1 over the ordered pairs."""
        losses = [
            self._iim(x, y).reconstruction_loss(C, inputs[y], present[x] & present[y])
            for (x, y), C in encoded.items()
        ]
        return self.settings.reconstruction_weight * torch.stack(losses).sum()


def _name(x: Modality, y: Modality) -> str:
    return f"{x}-{y}"


def _mean(C_xy: Tensor, C_yx: Tensor, x_present: Tensor, y_present: Tensor) -> Tensor:
    """Mean over those of the two that exist; the absent one's rows are zero already."""
    count = (x_present.to(C_xy.dtype) + y_present.to(C_xy.dtype)).clamp_min(1)
    return (C_xy + C_yx) / count[..., None]
