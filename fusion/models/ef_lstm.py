"""EF-LSTM: an LSTM over the concatenated modalities (early fusion).

The baseline of Zadeh et al. (2018, AAAI, both papers) and of Chauhan et al. (2019), who take it
for granted; the cell is Hochreiter and Schmidhuber's (1997) with a forget gate.
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
from affect_pipe.fusion.models.lstm import MaskedLSTM
from affect_pipe.pipeline.records import Modality


class EfLstmSettings(Settings):
    """Width, direction and dropouts; the choices of this implementation."""

    lstm_width: int = Field(
        default=128, gt=0, le=MAX_WIDTH, description="Hidden units, each direction."
    )
    bidirectional: bool = Field(
        default=False, description="Read the video backwards too; the baseline of the papers not."
    )
    input_dropout: float = Field(
        default=0.3, ge=0, lt=1, description="Dropout of the inputs, one mask for a sequence."
    )
    dropout: float = Field(default=0.3, ge=0, lt=1, description="Dropout of the hidden states.")
    presence_flags: bool = Field(
        default=False, description="Append one 0/1 flag a modality to the input."
    )


class EfLstm(nn.Module):
    """``h_t = LSTM([x_T, x_A, x_V]_t, h_{t-1})``, one step an utterance.

    An absent modality's part of the input is zero; an utterance without any is skipped.

    Parameters
    ----------
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors.
    settings : EfLstmSettings
    """

    Settings = EfLstmSettings

    def __init__(self, dims: Mapping[Modality, int], settings: EfLstmSettings) -> None:
        super().__init__()
        self.modalities = in_order(dims, "EF-LSTM")
        self.settings = settings
        width = sum(dims.values()) + len(dims) * settings.presence_flags
        self.input_dropout = SequenceDropout(settings.input_dropout)
        self.lstm = MaskedLSTM(width, settings.lstm_width, bidirectional=settings.bidirectional)
        self.dropout = nn.Dropout(settings.dropout)
        self.representation_width = self.lstm.width

    def forward(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """See `affect_pipe.fusion.models.backbone.Backbone`."""
        inputs, present = masked_inputs(self.modalities, features, utterance_mask, modality_mask)
        joined = self.input_dropout(torch.cat(list(inputs.values()), dim=-1))
        if self.settings.presence_flags:
            flags = torch.stack(list(present.values()), dim=-1).to(joined.dtype)
            joined = torch.cat([joined, flags], dim=-1)
        return Representation(self.dropout(self.lstm(joined, any_present(present))))
