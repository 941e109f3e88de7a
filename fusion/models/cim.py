"""CIM: contextual inter-modal attention (akhtar2019-naacl section 3; akhtar2020-tkdd section 3).

Per modality ``H = Dense(ReLU)(BiGRU(x))``; per pair of modalities two matching matrices, their
row-wise softmax over the context utterances, the attended vectors, and a multiplicative gate;
everything is concatenated with the modalities themselves. Equations in `cim_attention`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from affect_pipe.fusion.config import CimSettings
from affect_pipe.fusion.models.backbone import Representation
from affect_pipe.fusion.models.layers import MaskedBiGRU, SequenceDropout, masked_softmax
from affect_pipe.fusion.models.recurrence import run_bidirectional
from affect_pipe.pipeline.records import MODALITIES, Modality

# In the order of the papers' Algorithm 1.
PAIRS: tuple[tuple[Modality, Modality], ...] = (
    ("text", "visual"),
    ("acoustic", "visual"),
    ("text", "acoustic"),
)
# The papers' SharedRep ends with T, V, A.
RESIDUAL_ORDER: tuple[Modality, ...] = ("text", "visual", "acoustic")


def cim_attention(
    X: Tensor, Y: Tensor, x_present: Tensor, y_present: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Attend from each of two modalities over the context utterances of the other.

    ``M1 = X Y^T, N1 = softmax(M1), O1 = N1 Y, A1 = O1 * X`` and, the other way about,
    ``M2 = Y X^T, N2 = softmax(M2), O2 = N2 X, A2 = O2 * Y`` (Algorithm 1, CIM-Attention).
    The softmax runs over the utterances where the attended modality is present only; rows of
    utterances without the attending modality are zero, where the papers let padding in.

    Parameters
    ----------
    X, Y : float [B, U, d]
        Zero where absent.
    x_present, y_present : bool [B, U]

    Returns
    -------
    A1, A2 : float [B, U, d]
    N1, N2 : float [B, U, U]
    """
    M1 = X @ Y.transpose(1, 2)
    N1 = masked_softmax(M1, y_present[:, None, :]) * x_present[:, :, None]
    N2 = masked_softmax(M1.transpose(1, 2), x_present[:, None, :]) * y_present[:, :, None]
    return (N1 @ Y) * X, (N2 @ X) * Y, N1, N2


class ModalityEncoder(nn.Module):
    """``Dense(ReLU)(BiGRU(x))`` of one modality, with its dropouts; absent rows are zero."""

    def __init__(
        self, input_width: int, settings: CimSettings, input_dropout: float | None = None
    ) -> None:
        super().__init__()
        rate = settings.input_dropout if input_dropout is None else input_dropout
        self.input_dropout = SequenceDropout(rate)
        self.gru = MaskedBiGRU(input_width, settings.gru_width)
        self.dense = nn.Linear(self.gru.width, settings.dense_width)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, states: Tensor, present: Tensor) -> Tensor:
        """Turn the GRU's ``states [B, U, 2 * gru_width]`` into the modality's ``H``."""
        encoded: Tensor = self.dropout(torch.relu(self.dense(states)))
        return encoded * present[..., None]


class Cim(nn.Module):
    """The CIM backbone with one, two or three modalities.

    With one modality the pair is the modality with itself (akhtar2019 section 4.3), once, since
    both directions are the same.

    Parameters
    ----------
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors.
    settings : CimSettings
    """

    Settings = CimSettings

    def __init__(self, dims: Mapping[Modality, int], settings: CimSettings) -> None:
        super().__init__()
        self.modalities = tuple(modality for modality in MODALITIES if modality in dims)
        if not self.modalities:
            raise ValueError("CIM needs at least one modality")
        self.settings = settings
        self.encoders = nn.ModuleDict(
            {
                modality: ModalityEncoder(
                    dims[modality], settings, settings.input_dropout_of.get(modality)
                )
                for modality in self.modalities
            }
        )
        self.pairs = tuple(pair for pair in PAIRS if set(pair) <= set(self.modalities))
        self.skips = nn.ModuleDict()
        if settings.skip_width:
            self.skips.update(
                {name: nn.Linear(dims[name], settings.skip_width) for name in self.modalities}
            )
        self.skip_dropout = nn.Dropout(settings.input_dropout)
        n = len(self.modalities)
        n_attended = 2 * len(self.pairs) if self.pairs else 1
        self.representation_width = (n_attended + n) * settings.dense_width
        self.representation_width += n * settings.skip_width + n * settings.presence_flags

    def forward(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """See `affect_pipe.fusion.models.backbone.Backbone`."""
        present = {
            modality: modality_mask[..., MODALITIES.index(modality)] & utterance_mask
            for modality in self.modalities
        }
        # Whatever lies in masked rows, NaN included, must not get past this line.
        inputs = {
            modality: features[modality].masked_fill(~present[modality][..., None], 0.0)
            for modality in self.modalities
        }
        encoded = self._encode(inputs, present)
        parts, attention = self._attend(encoded, present)
        parts += [encoded[modality] for modality in RESIDUAL_ORDER if modality in encoded]
        for modality, skip in self.skips.items():
            raw = torch.relu(skip(self.skip_dropout(inputs[modality])))  # type: ignore[index]
            parts.append(raw * present[modality][..., None])  # type: ignore[index]
        if self.settings.presence_flags:
            parts.append(torch.stack(list(present.values()), dim=-1).to(parts[0].dtype))
        return Representation(torch.cat(parts, dim=-1), attention)

    def _encode(
        self, inputs: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
    ) -> dict[Modality, Tensor]:
        encoders = {m: cast(ModalityEncoder, self.encoders[m]) for m in self.modalities}
        states = run_bidirectional(
            [encoder.gru.gru for encoder in encoders.values()],
            [encoder.input_dropout(inputs[m]) for m, encoder in encoders.items()],
            [present[m] for m in encoders],
        )
        return {
            m: encoder(own, present[m])
            for (m, encoder), own in zip(encoders.items(), states, strict=True)
        }

    def _attend(
        self, encoded: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        parts: list[Tensor] = []
        attention: dict[str, Tensor] = {}
        for x, y in self.pairs:
            A1, A2, N1, N2 = cim_attention(encoded[x], encoded[y], present[x], present[y])
            parts += [A1, A2]
            attention[f"{x}-{y}/N1"] = N1
            attention[f"{x}-{y}/N2"] = N2
        if not self.pairs:
            (only,) = self.modalities
            H, here = encoded[only], present[only]
            A1, _, N1, _ = cim_attention(H, H, here, here)
            parts.append(A1)
            attention[f"{only}-{only}/N1"] = N1
        return parts, attention
