"""The six hybrid temporal models of jiang2021 (MuSe-Sent), and their two-branch multitask model.

"A multitask learning framework for multimodal sentiment analysis", section III-D: the modalities'
vectors are concatenated (early fusion), and a time step is described by

1. a Transformer, 2. self-attention and a Bi-LSTM, 3. a Transformer and a Bi-LSTM,
4. EfficientNet and a Bi-LSTM, 5. self-attention, EfficientNet and a Bi-LSTM,
6. a Transformer, EfficientNet and a Bi-LSTM

("Way 1" to "Way 6" of tables II to IV). A time step is 250 ms in the paper, and whatever the rows
of the input are here: steps or utterances.

What the paper leaves open, and how it is read here: a linear layer takes the concatenation to the
hidden width of 64 before attention; the Transformer is its encoder (the decoder reads labels given
so far, which a label a step does not call for) with sinusoidal positions; self-attention is
equation 4 with one head, added to its input; equation 8 leaves the LSTM without a cell state, and
the ordinary LSTM is meant; the number of EfficientNet blocks is not given, and one of each kind
that EfficientNetV2 starts with is the default.

An absent modality is zero in the concatenation. A step without any modality is skipped: it takes no
position, no part in any convolution or mean, and its output is zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar, Literal, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from affect_pipe.fusion.config import MAX_WIDTH, Settings
from affect_pipe.fusion.models.backbone import Representation
from affect_pipe.fusion.models.inputs import any_present, in_order, masked_inputs
from affect_pipe.fusion.models.muse_blocks import (
    ConvolutionSettings,
    EfficientNet1d,
    MultiHeadAttention,
    TransformerLayer,
    positions,
)
from affect_pipe.fusion.models.recurrence import MaskedBiLSTM
from affect_pipe.pipeline.records import Modality

HybridName = Literal[
    "transformer",
    "attention-bilstm",
    "transformer-bilstm",
    "efficientnet-bilstm",
    "attention-efficientnet-bilstm",
    "transformer-efficientnet-bilstm",
]
# The first blocks of EfficientNetV2-S (Tan and Le 2021, table 4), one of each kind.
BLOCKS = (
    ConvolutionSettings(kind="fused-mbconv", expansion=1),
    ConvolutionSettings(kind="fused-mbconv", expansion=4),
    ConvolutionSettings(kind="mbconv", expansion=4),
    ConvolutionSettings(kind="mbconv", expansion=6),
)


class MuseSettings(Settings):
    """jiang2021, section IV-B; a hybrid uses those of its parts."""

    hidden_width: int = Field(
        default=64,
        gt=0,
        le=MAX_WIDTH,
        description="Of attention, Transformer and EfficientNet, and of the LSTM each direction.",
    )
    heads: int = Field(default=4, gt=0, le=64, description="Of the Transformer's attention.")
    feed_forward: int = Field(
        default=128, gt=0, le=MAX_WIDTH, description="Width within a Transformer layer."
    )
    layers: int = Field(default=6, gt=0, le=48, description="Of the Transformer.")
    attention_residual: bool = Field(
        default=True,
        description="Of the self-attention that stands alone: add its input to its output.",
    )
    blocks: tuple[ConvolutionSettings, ...] = Field(
        default=BLOCKS, max_length=64, description="Of EfficientNet, after its stem."
    )
    dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Within the Transformer's layers and after the LSTM."
    )

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.hidden_width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.hidden_width}")
        return self


class TemporalModel(nn.Module):
    """One hybrid: from ``[B, T, d]`` with its mask to ``[B, T, width]`` and attention by name."""

    def __init__(self, name: HybridName, input_width: int, settings: MuseSettings) -> None:
        super().__init__()
        parts = name.split("-")
        hidden = settings.hidden_width
        self.residual = settings.attention_residual
        attends = parts[0] != "efficientnet"
        self.projection = nn.Linear(input_width, hidden) if attends else None
        self.attention = MultiHeadAttention(hidden, 1) if "attention" in parts else None
        depth = settings.layers if "transformer" in parts else 0
        self.transformer = nn.ModuleList(
            [
                TransformerLayer(hidden, settings.heads, settings.feed_forward, settings.dropout)
                for _ in range(depth)
            ]
        )
        self.efficientnet = (
            EfficientNet1d(hidden if attends else input_width, hidden, settings.blocks)
            if "efficientnet" in parts
            else None
        )
        self.lstm = MaskedBiLSTM(hidden, hidden) if "bilstm" in parts else None
        self.dropout = nn.Dropout(settings.dropout)
        self.width = hidden if self.lstm is None else self.lstm.width

    def forward(self, values: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Describe each real element, in the light of the others."""
        attention: dict[str, Tensor] = {}
        if self.projection is not None:
            values = self.projection(values)
        if self.attention is not None:
            attended, attention["self"] = self.attention(values, mask)
            values = values + attended if self.residual else attended
        if self.transformer:
            values = values + positions(values.shape[1], values.shape[2], values)
        for number, layer in enumerate(self.transformer, start=1):
            values, attention[f"layer{number}"] = layer(values, mask)
        if self.efficientnet is not None:
            values = self.efficientnet(values, mask)
        if self.lstm is not None:
            values = self.dropout(self.lstm(values, mask))
        return values, attention


class Branch(nn.Module):
    """Early fusion of some modalities, and a hybrid over the steps that have any of them."""

    def __init__(
        self, name: HybridName, dims: Mapping[Modality, int], settings: MuseSettings
    ) -> None:
        super().__init__()
        self.modalities = in_order(dims, "A MuSe hybrid")
        self.model = TemporalModel(name, sum(dims[m] for m in self.modalities), settings)
        self.width = self.model.width

    def forward(
        self, inputs: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return ``[B, U, width]``, zero in steps without its modalities, and attention."""
        here = any_present({m: present[m] for m in self.modalities})
        fused = torch.cat([inputs[m] for m in self.modalities], dim=-1)
        out = fused.new_zeros(*here.shape, self.width)
        counts = here.sum(dim=1)
        # One row at least, so that an empty batch needs no path of its own.
        steps = torch.arange(max(1, int(counts.max())), device=here.device)
        front = steps < counts[:, None]
        gathered = fused.new_zeros(*front.shape, fused.shape[2])
        # Boolean selection and assignment walk in the same order: sequence, then position.
        gathered[front] = fused[here]
        values, attention = self.model(gathered, front)
        out[here] = values[front]
        side = "+".join(self.modalities)
        return out, {
            f"{side}-{side}/{name}": _spread(weights, front, here)
            for name, weights in attention.items()
        }


def _spread(weights: Tensor, front: Tensor, here: Tensor) -> Tensor:
    """Put attention ``[B, T, T]`` of gathered steps back where they came from, ``[B, U, U]``."""
    out = weights.new_zeros(*here.shape, here.shape[1])
    pairs = here[:, :, None] & here[:, None, :]
    out[pairs] = weights[front[:, :, None] & front[:, None, :]]
    return out


class MuseHybrid(nn.Module):
    """A backbone of one branch; the subclasses say which hybrid.

    Parameters
    ----------
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors.
    settings : MuseSettings
    """

    Settings = MuseSettings
    hybrid: ClassVar[HybridName]

    def __init__(self, dims: Mapping[Modality, int], settings: MuseSettings) -> None:
        super().__init__()
        self.branch = Branch(self.hybrid, dims, settings)
        self.representation_width = self.branch.width

    def forward(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """See `affect_pipe.fusion.models.backbone.Backbone`."""
        read = self.branch.modalities
        return Representation(
            *self.branch(*masked_inputs(read, features, utterance_mask, modality_mask))
        )


class MuseWay1(MuseHybrid):
    """The backbone of way 1."""

    hybrid = "transformer"


class MuseWay2(MuseHybrid):
    """The backbone of way 2."""

    hybrid = "attention-bilstm"


class MuseWay3(MuseHybrid):
    """The backbone of way 3."""

    hybrid = "transformer-bilstm"


class MuseWay4(MuseHybrid):
    """The backbone of way 4."""

    hybrid = "efficientnet-bilstm"


class MuseWay5(MuseHybrid):
    """The backbone of way 5."""

    hybrid = "attention-efficientnet-bilstm"


class MuseWay6(MuseHybrid):
    """The backbone of way 6."""

    hybrid = "transformer-efficientnet-bilstm"


class BranchSettings(MuseSettings):
    """One branch of the multitask model."""

    hybrid: HybridName = Field(description="Which of the six.")
    modalities: tuple[Modality, ...] = Field(
        default=(),
        description="Which modalities it reads, of those the model has; none, or none of those, "
        "means all.",
    )


class MuseMultitaskSettings(Settings):
    """Two branches and the layers they share; the defaults are the paper's best pairs.

    Way 5 over the voice for arousal (VGGish), way 2 over everything for valence (table V).
    """

    branches: tuple[BranchSettings, BranchSettings] = Field(
        default=(
            BranchSettings(hybrid="attention-efficientnet-bilstm", modalities=("acoustic",)),
            BranchSettings(hybrid="attention-bilstm"),
        ),
        description="The best model for either task.",
    )
    shared_widths: tuple[int, ...] = Field(
        default=(64,), min_length=1, max_length=8, description="Of the shared ReLU layers."
    )
    dropout: float = Field(default=0.1, ge=0, lt=1, description="After each shared layer.")


class MuseMultitask(nn.Module):
    """The multitask framework: two branches, concatenated into shared layers (section III-D-2).

    A branch whose modalities a step lacks gives zeros there; a step without any modality of either
    branch is zero after the shared layers too.

    Parameters
    ----------
    dims : mapping of modality to int
    settings : MuseMultitaskSettings
    """

    Settings = MuseMultitaskSettings

    def __init__(self, dims: Mapping[Modality, int], settings: MuseMultitaskSettings) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                Branch(
                    branch.hybrid,
                    {m: d for m, d in dims.items() if m in branch.modalities} or dims,
                    branch,
                )
                for branch in settings.branches
            ]
        )
        both = [cast(Branch, branch) for branch in self.branches]
        read = {m for branch in both for m in branch.modalities}
        self.modalities = in_order({m: d for m, d in dims.items() if m in read}, "muse-multitask")
        widths = [sum(branch.width for branch in both), *settings.shared_widths]
        shared: list[nn.Module] = []
        for source, target in pairwise(widths):
            shared += [nn.Linear(source, target), nn.ReLU(), nn.Dropout(settings.dropout)]
        self.shared = nn.Sequential(*shared)
        self.representation_width = widths[-1]

    def forward(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """See `affect_pipe.fusion.models.backbone.Backbone`."""
        inputs, present = masked_inputs(self.modalities, features, utterance_mask, modality_mask)
        parts: list[Tensor] = []
        attention: dict[str, Tensor] = {}
        for number, branch in enumerate(self.branches, start=1):
            values, maps = branch(inputs, present)
            parts.append(values)
            attention.update({f"{name}{number}": weights for name, weights in maps.items()})
        values = self.shared(torch.cat(parts, dim=-1)) * any_present(present)[..., None]
        return Representation(values, attention)
