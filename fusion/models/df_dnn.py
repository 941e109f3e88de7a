"""DF-DNN: deep fusion of unimodal networks' scores (Nojavanasghari et al. 2016, ICMI).

"Deep multimodal fusion for persuasiveness prediction": one deep network a modality ends in a
confidence score; the scores and their complements go through a further deep network.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from affect_pipe.fusion.config import MAX_WIDTH, Settings
from affect_pipe.fusion.models.backbone import Representation
from affect_pipe.fusion.models.inputs import any_present, in_order, masked_inputs
from affect_pipe.pipeline.records import Modality


class DfDnnSettings(Settings):
    """Widths and dropouts; the choices of this implementation."""

    hidden_width: int = Field(
        default=128, gt=0, le=MAX_WIDTH, description="Of the two layers of each unimodal network."
    )
    score_width: int = Field(
        default=8,
        gt=0,
        le=MAX_WIDTH,
        description="Scores a unimodal network gives. The paper's is one, for one binary label; "
        "several leave room for several tasks.",
    )
    fusion_width: int = Field(
        default=64, gt=0, le=MAX_WIDTH, description="Of the two layers of the fusion network."
    )
    input_dropout: float = Field(default=0.3, ge=0, lt=1, description="Dropout of the inputs.")
    dropout: float = Field(default=0.3, ge=0, lt=1, description="Dropout after each ReLU layer.")


class DfDnn(nn.Module):
    """Unimodal networks to scores, scores and complements to a fusion network.

    ``s_m = sigmoid(w_m DNN_m(x_m) + b_m)``, then ``DNN([s_T, 1 - s_T, s_A, 1 - s_A, ...])``
    (the architecture of figure 1). Where this departs: the paper trains the unimodal
    networks on the label first; here all is trained end to end. Depths and widths are chosen here.
    An absent modality's scores and complements are both zero, which no present one's can be.

    Parameters
    ----------
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors.
    settings : DfDnnSettings
    """

    Settings = DfDnnSettings

    def __init__(self, dims: Mapping[Modality, int], settings: DfDnnSettings) -> None:
        super().__init__()
        self.modalities = in_order(dims, "DF-DNN")
        self.input_dropout = nn.Dropout(settings.input_dropout)
        hidden, dropout = settings.hidden_width, settings.dropout
        self.unimodal = nn.ModuleDict(
            {
                m: nn.Sequential(
                    _deep(dims[m], hidden, dropout), nn.Linear(hidden, settings.score_width)
                )
                for m in self.modalities
            }
        )
        self.fusion = _deep(
            2 * settings.score_width * len(self.modalities), settings.fusion_width, dropout
        )
        self.representation_width = settings.fusion_width

    def forward(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """See `affect_pipe.fusion.models.backbone.Backbone`."""
        inputs, present = masked_inputs(self.modalities, features, utterance_mask, modality_mask)
        parts = []
        for m in self.modalities:
            scores = torch.sigmoid(self.unimodal[m](self.input_dropout(inputs[m])))
            parts.append(torch.cat([scores, 1 - scores], dim=-1) * present[m][..., None])
        fused = self.fusion(torch.cat(parts, dim=-1))
        return Representation(fused * any_present(present)[..., None])


def _deep(input_width: int, width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(input_width, width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Dropout(dropout),
    )
