"""BC-LSTM: contextual LSTMs, unimodal first, multimodal on top (Poria et al. 2017, ACL).

"Context-dependent sentiment analysis in user-generated videos", section 3.2: the utterances of a
video go through an LSTM and a dense layer; section 3.3, hierarchical framework: the contextual
unimodal features, concatenated, go through the same kind of network again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from affect_pipe.fusion.config import MAX_WIDTH, Settings
from affect_pipe.fusion.models.backbone import Representation
from affect_pipe.fusion.models.inputs import any_present, in_order, masked_inputs
from affect_pipe.fusion.models.layers import SequenceDropout
from affect_pipe.fusion.models.lstm import MaskedLSTM
from affect_pipe.pipeline.records import Modality


class BcLstmSettings(Settings):
    """The paper's variants; widths and dropouts are this implementation's."""

    variant: Literal["bc", "sc", "h"] = Field(
        default="bc",
        description="bc: bidirectional LSTM and dense layer; sc: one direction; h: one direction "
        "and no dense layer (section 3.2).",
    )
    hierarchical: bool = Field(
        default=True,
        description="Unimodal contextual networks below the multimodal one; false concatenates "
        "the raw vectors instead (section 3.3).",
    )
    lstm_width: int = Field(
        default=100, gt=0, le=MAX_WIDTH, description="Hidden units, each direction."
    )
    dense_width: int = Field(
        default=100, gt=0, le=MAX_WIDTH, description="Of the ReLU layer after each LSTM."
    )
    input_dropout: float = Field(
        default=0.3,
        ge=0,
        lt=1,
        description="Dropout of every LSTM's inputs, one mask for a sequence.",
    )
    dropout: float = Field(default=0.3, ge=0, lt=1, description="Dropout after the dense layers.")


class ContextualLstm(nn.Module):
    """``Dense(ReLU)(LSTM(x))`` over the present utterances of each video; absent rows are zero."""

    def __init__(self, input_width: int, settings: BcLstmSettings) -> None:
        super().__init__()
        self.input_dropout = SequenceDropout(settings.input_dropout)
        self.lstm = MaskedLSTM(
            input_width, settings.lstm_width, bidirectional=settings.variant == "bc"
        )
        self.dense = (
            None if settings.variant == "h" else nn.Linear(self.lstm.width, settings.dense_width)
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.width = self.lstm.width if self.dense is None else settings.dense_width

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """Map ``values [B, U, d]`` to ``[B, U, width]``."""
        states: Tensor = self.lstm(self.input_dropout(values), present)
        if self.dense is not None:
            states = torch.relu(self.dense(states)) * present[..., None]
        out: Tensor = self.dropout(states)
        return out


class BcLstm(nn.Module):
    """Contextual networks of each modality, and one over their concatenation.

    Where this departs: the paper trains the unimodal networks on the labels first and then the
    multimodal one on their frozen outputs; here both levels are trained end to end. With one
    modality there is one level, the paper's unimodal network. A modality's network skips the
    utterances without it, whose part of the concatenation is zero; the upper network skips the
    utterances without any.

    Parameters
    ----------
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors.
    settings : BcLstmSettings
    """

    Settings = BcLstmSettings

    def __init__(self, dims: Mapping[Modality, int], settings: BcLstmSettings) -> None:
        super().__init__()
        self.modalities = in_order(dims, "BC-LSTM")
        self.unimodal = nn.ModuleDict()
        width = sum(dims.values())
        if settings.hierarchical and len(self.modalities) > 1:
            self.unimodal.update({m: ContextualLstm(dims[m], settings) for m in self.modalities})
            width = sum(network.width for network in self.unimodal.values())  # type: ignore[misc]
        self.multimodal = ContextualLstm(width, settings)
        self.representation_width = self.multimodal.width

    def forward(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """See `affect_pipe.fusion.models.backbone.Backbone`."""
        inputs, present = masked_inputs(self.modalities, features, utterance_mask, modality_mask)
        if len(self.unimodal):
            inputs = {m: self.unimodal[m](inputs[m], present[m]) for m in self.modalities}
        joined = torch.cat(list(inputs.values()), dim=-1)
        return Representation(self.multimodal(joined, any_present(present)))
