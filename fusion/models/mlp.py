"""A multilayer perceptron over each utterance by itself: what can be done without context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from affect_pipe.fusion.config import MAX_WIDTH, Settings
from affect_pipe.fusion.models.backbone import Representation
from affect_pipe.fusion.models.inputs import any_present, in_order, masked_inputs
from affect_pipe.pipeline.records import Modality


class MlpSettings(Settings):
    """Widths and dropouts; no paper's, but close to the sizes of the dense layers around it."""

    widths: tuple[Annotated[int, Field(gt=0, le=MAX_WIDTH)], ...] = Field(
        default=(128, 128), min_length=1, max_length=16, description="Widths of the ReLU layers."
    )
    input_dropout: float = Field(default=0.3, ge=0, lt=1, description="Dropout of the inputs.")
    dropout: float = Field(default=0.3, ge=0, lt=1, description="Dropout after each layer.")
    presence_flags: bool = Field(
        default=False, description="Append one 0/1 flag a modality to the input."
    )


class Mlp(nn.Module):
    """``h_0 = [x_T, x_A, x_V]``, ``h_k = ReLU(W_k h_{k-1} + b_k)`` for each utterance.

    An absent modality's part of the input is zero (its mean, after normalisation). No utterance
    knows of any other.

    Parameters
    ----------
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors.
    settings : MlpSettings
    """

    Settings = MlpSettings

    def __init__(self, dims: Mapping[Modality, int], settings: MlpSettings) -> None:
        super().__init__()
        self.modalities = in_order(dims, "An MLP")
        self.settings = settings
        width = sum(dims.values()) + len(dims) * settings.presence_flags
        self.input_dropout = nn.Dropout(settings.input_dropout)
        layers: list[nn.Module] = []
        for layer_width in settings.widths:
            layers += [nn.Linear(width, layer_width), nn.ReLU(), nn.Dropout(settings.dropout)]
            width = layer_width
        self.layers = nn.Sequential(*layers)
        self.representation_width = width

    def forward(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """See `affect_pipe.fusion.models.backbone.Backbone`."""
        inputs, present = masked_inputs(self.modalities, features, utterance_mask, modality_mask)
        joined = self.input_dropout(torch.cat(list(inputs.values()), dim=-1))
        if self.settings.presence_flags:
            flags = torch.stack(list(present.values()), dim=-1).to(joined.dtype)
            joined = torch.cat([joined, flags], dim=-1)
        return Representation(self.layers(joined) * any_present(present)[..., None])
