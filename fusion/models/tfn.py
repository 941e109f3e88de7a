"""TFN: tensor fusion network (Zadeh et al. 2017, EMNLP, D17-1115).

Section 4.1: an embedding subnetwork a modality; section 4.2: the outer product of the embeddings,
each with a 1 appended, holds all unimodal, bimodal and trimodal products; section 4.3: an
inference subnetwork over the flattened tensor.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from affect_pipe.fusion.config import MAX_WIDTH, Settings
from affect_pipe.fusion.models.backbone import Representation
from affect_pipe.fusion.models.inputs import any_present, in_order, masked_inputs
from affect_pipe.pipeline.errors import CheckpointError
from affect_pipe.pipeline.records import Modality

# Weights over the tensor; a checkpoint from elsewhere shall not ask for all the memory there is.
MAX_WEIGHTS = 100_000_000


class TfnSettings(Settings):
    """Widths of section 4; the dropouts are this implementation's."""

    text_width: int = Field(
        default=128, gt=0, le=MAX_WIDTH, description="Of the text subnetwork's layers."
    )
    acoustic_width: int = Field(
        default=32, gt=0, le=MAX_WIDTH, description="Of the acoustic subnetwork's layers."
    )
    visual_width: int = Field(
        default=32, gt=0, le=MAX_WIDTH, description="Of the visual subnetwork's layers."
    )
    inference_width: int = Field(
        default=128, gt=0, le=MAX_WIDTH, description="Of the two layers over the tensor."
    )
    input_dropout: float = Field(default=0.3, ge=0, lt=1, description="Dropout of the inputs.")
    dropout: float = Field(
        default=0.3, ge=0, lt=1, description="Dropout of the embeddings and the inference layers."
    )


class Tfn(nn.Module):
    """``z = [z_T; 1] (x) [z_A; 1] (x) [z_V; 1]``, flattened, through two ReLU layers.

    Each utterance stands by itself, as in the paper. Where this departs: the inputs are utterance
    vectors, so the text subnetwork is not an LSTM over words but has three ReLU layers like the
    paper's other two. An absent modality's embedding is zero while its 1 stays, which leaves
    exactly the tensor of the modalities that are there; with two or one modalities the tensor has
    as many factors (``[z; 1]`` for one).

    Parameters
    ----------
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors.
    settings : TfnSettings

    Raises
    ------
    CheckpointError
        If the layer over the tensor would have more than `MAX_WEIGHTS` weights.
    """

    Settings = TfnSettings

    def __init__(self, dims: Mapping[Modality, int], settings: TfnSettings) -> None:
        super().__init__()
        self.modalities = in_order(dims, "TFN")
        widths: dict[Modality, int] = {
            "text": settings.text_width,
            "acoustic": settings.acoustic_width,
            "visual": settings.visual_width,
        }
        size = 1
        for m in self.modalities:
            size *= widths[m] + 1
        if size * settings.inference_width > MAX_WEIGHTS:
            raise CheckpointError(
                f"TFN would have {size * settings.inference_width} weights over its tensor, more "
                f"than {MAX_WEIGHTS}: choose smaller widths."
            )
        self.input_dropout = nn.Dropout(settings.input_dropout)
        self.embeddings = nn.ModuleDict(
            {
                m: nn.Sequential(
                    nn.Linear(dims[m], widths[m]),
                    nn.ReLU(),
                    nn.Linear(widths[m], widths[m]),
                    nn.ReLU(),
                    nn.Linear(widths[m], widths[m]),
                    nn.ReLU(),
                    nn.Dropout(settings.dropout),
                )
                for m in self.modalities
            }
        )
        self.inference = nn.Sequential(
            nn.Linear(size, settings.inference_width),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.inference_width, settings.inference_width),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
        )
        self.representation_width = settings.inference_width

    def forward(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """See `affect_pipe.fusion.models.backbone.Backbone`."""
        inputs, present = masked_inputs(self.modalities, features, utterance_mask, modality_mask)
        judged = any_present(present)
        # The tensor is large: none is made for padding.
        tensor = inputs[self.modalities[0]].new_ones(int(judged.sum()), 1)
        for m in self.modalities:
            embedded = self.embeddings[m](self.input_dropout(inputs[m][judged]))
            embedded = embedded * present[m][judged][:, None]
            with_one = torch.nn.functional.pad(embedded, (0, 1), value=1.0)
            tensor = (tensor[:, :, None] * with_one[:, None, :]).flatten(1)
        values = tensor.new_zeros(*judged.shape, self.representation_width)
        values[judged] = self.inference(tensor).to(values.dtype)
        return Representation(values)
