"""MMMU-BA: multi-modal multi-utterance bi-modal attention (Ghosal et al. 2018, EMNLP, D18-1382).

"Contextual inter-modal attention for multi-modal sentiment analysis", section 3: per modality a
Bi-GRU over the video's utterances and a dense layer, and one of three attentions over them. The
bi-modal one is the block that akhtar2019-naacl took over for CIM.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from affect_pipe.fusion.config import MAX_WIDTH, Settings
from affect_pipe.fusion.models.backbone import Representation
from affect_pipe.fusion.models.cim import PAIRS, cim_attention
from affect_pipe.fusion.models.inputs import in_order, masked_inputs
from affect_pipe.fusion.models.layers import MaskedBiGRU, SequenceDropout, masked_softmax
from affect_pipe.pipeline.records import Modality

# The paper concatenates video, audio, text.
RESIDUAL_ORDER: tuple[Modality, ...] = ("visual", "acoustic", "text")


class MmmuBaSettings(Settings):
    """The paper's variants and the widths of its experiments; the dropouts are akhtar2020's."""

    variant: Literal["mmmu-ba", "mmuu-sa", "mu-sa"] = Field(
        default="mmmu-ba",
        description="mmmu-ba: attention between two modalities over all utterances; mmuu-sa: "
        "between the modalities of one utterance; mu-sa: of one modality over all utterances.",
    )
    gru_width: int = Field(
        default=300, gt=0, le=MAX_WIDTH, description="Hidden units of the GRU, each direction."
    )
    dense_width: int = Field(
        default=100, gt=0, le=MAX_WIDTH, description="Of the ReLU layer after the GRU."
    )
    input_dropout: float = Field(
        default=0.3, ge=0, lt=1, description="Dropout of the GRU's inputs, one mask a sequence."
    )
    dropout: float = Field(default=0.3, ge=0, lt=1, description="Dropout after the dense layer.")


class ContextualEncoder(nn.Module):
    """``Dense(ReLU)(BiGRU(x))`` of one modality over the video; absent rows are zero."""

    def __init__(self, input_width: int, settings: MmmuBaSettings) -> None:
        super().__init__()
        self.input_dropout = SequenceDropout(settings.input_dropout)
        self.gru = MaskedBiGRU(input_width, settings.gru_width)
        self.dense = nn.Linear(self.gru.width, settings.dense_width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """Map ``values [B, U, d]`` to ``[B, U, dense_width]``."""
        states = self.gru(self.input_dropout(values), present)
        encoded: Tensor = self.dropout(torch.relu(self.dense(states)))
        return encoded * present[..., None]


class MmmuBa(nn.Module):
    """Encoders, one of three attentions, and the encoders' outputs again (residual skip).

    - ``mmmu-ba``, for each pair: ``N1 = softmax(X Y^T)``, ``A1 = (N1 Y) * X`` and
      ``N2 = softmax(Y X^T)``, ``A2 = (N2 X) * Y``.
    - ``mu-sa``, for each modality: ``N = softmax(X X^T)``, ``A = (N X) * X`` over the utterances.
    - ``mmuu-sa``, for each utterance: the same over the rows of ``X_p``, its modalities.

    Attention runs over present rows only; the paper lets padding in. With one modality the first
    is the second. That the self-attentions keep the residual skip is a choice of this
    implementation, so that the three differ in the attention alone.

    Parameters
    ----------
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors.
    settings : MmmuBaSettings
    """

    Settings = MmmuBaSettings

    def __init__(self, dims: Mapping[Modality, int], settings: MmmuBaSettings) -> None:
        super().__init__()
        self.modalities = in_order(dims, "MMMU-BA")
        self.encoders = nn.ModuleDict(
            {m: ContextualEncoder(dims[m], settings) for m in self.modalities}
        )
        n = len(self.modalities)
        self.variant = "mu-sa" if n == 1 and settings.variant == "mmmu-ba" else settings.variant
        self.pairs = tuple(pair for pair in PAIRS if set(pair) <= set(self.modalities))
        n_attended = 2 * len(self.pairs) if self.variant == "mmmu-ba" else n
        self.representation_width = (n_attended + n) * settings.dense_width

    def forward(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """See `affect_pipe.fusion.models.backbone.Backbone`."""
        inputs, present = masked_inputs(self.modalities, features, utterance_mask, modality_mask)
        encoded = {m: self.encoders[m](inputs[m], present[m]) for m in self.modalities}
        parts: list[Tensor] = []
        attention: dict[str, Tensor] = {}
        if self.variant == "mmmu-ba":
            for x, y in self.pairs:
                A1, A2, N1, N2 = cim_attention(encoded[x], encoded[y], present[x], present[y])
                parts += [A1, A2]
                attention[f"{x}-{y}/N1"] = N1
                attention[f"{x}-{y}/N2"] = N2
        elif self.variant == "mu-sa":
            for m in self.modalities:
                A, _, N, _ = cim_attention(encoded[m], encoded[m], present[m], present[m])
                parts.append(A)
                attention[f"{m}-{m}/N1"] = N
        else:
            parts.append(_between_modalities(encoded, present))
        parts += [encoded[m] for m in RESIDUAL_ORDER if m in encoded]
        return Representation(torch.cat(parts, dim=-1), attention)


def _between_modalities(
    encoded: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
) -> Tensor:
    """Self-attention over the modalities of each utterance, ``[B, U, M d]``."""
    rows = torch.stack(list(encoded.values()), dim=2)
    here = torch.stack(list(present.values()), dim=2)
    N = masked_softmax(rows @ rows.transpose(2, 3), here[:, :, None, :])
    # Absent rows are zero in ``rows`` already, so the gate zeroes them.
    return ((N @ rows) * rows).flatten(2)
