"""Building blocks of the MuSe hybrids: attention, Transformer layers, 1-D EfficientNetV2 blocks.

All work on sequences ``[B, T, width]`` whose real elements stand at the front, ``mask [B, T]``;
what they put into the elements behind is never read by the real ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from affect_pipe.fusion.config import Settings
from affect_pipe.fusion.models.layers import masked_softmax

# Of the squeeze-and-excitation bottleneck, relative to the block's width (Tan and Le 2021).
SQUEEZE_RATIO = 0.25
# Wavelengths of the positions run to this times 2 pi (Vaswani et al. 2017, section 3.5).
LONGEST_WAVE = 10000.0


class ConvolutionSettings(Settings):
    """One block of the 1-D EfficientNetV2."""

    kind: Literal["fused-mbconv", "mbconv"] = Field(
        description="fused-mbconv: one full convolution expands; mbconv: expansion, depthwise "
        "convolution, squeeze-and-excitation."
    )
    expansion: int = Field(gt=0, le=8, description="Width within the block, in multiples.")
    kernel: Literal[1, 3, 5, 7, 9] = Field(default=3, description="Steps a convolution sees.")


class MultiHeadAttention(nn.Module):
    """Scaled dot-product self-attention in several heads (jiang2021, equations 2 to 4)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend; returns ``[B, T, width]`` and the weights' mean over heads ``[B, T, T]``."""
        Q, K, V = (
            layer(values).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        scores = Q @ K.transpose(-1, -2) / math.sqrt(Q.shape[-1])
        weights = masked_softmax(scores, mask[:, None, None, :]) * mask[:, None, :, None]
        attended: Tensor = self.output((weights @ V).transpose(1, 2).flatten(-2))
        return attended, weights.mean(dim=1)


class TransformerLayer(nn.Module):
    """Encoder layer of Vaswani et al. 2017: attention and feed-forward, each ``LN(x + f(x))``."""

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width, heads)
        self.first = nn.Linear(width, feed_forward)
        self.second = nn.Linear(feed_forward, width)
        self.attention_norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See `MultiHeadAttention.forward`."""
        attended, weights = self.attention(values, mask)
        values = self.attention_norm(values + self.dropout(attended))
        fed = self.second(torch.relu(self.first(values)))
        return self.feed_norm(values + self.dropout(fed)), weights


def positions(steps: int, width: int, like: Tensor) -> Tensor:
    """Sinusoidal positions ``[steps, width]``: sines in even columns, cosines in odd ones."""
    place = torch.arange(steps, device=like.device, dtype=torch.float32)[:, None]
    column = torch.arange(0, width, 2, device=like.device, dtype=torch.float32)
    angles = place * torch.exp(column * (-math.log(LONGEST_WAVE) / width))
    both = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)
    return both[:, :width].to(like.dtype)


class TimeConvolution(nn.Module):
    """Convolution over time of ``[B, T, c]``, same length; what the mask hides counts as zero."""

    def __init__(self, source: int, target: int, kernel: int, groups: int = 1) -> None:
        super().__init__()
        # Normalisation follows, whose own bias makes another idle.
        self.convolution = nn.Conv1d(
            source, target, kernel, padding=kernel // 2, groups=groups, bias=False
        )

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Convolve."""
        hidden = values.masked_fill(~mask[..., None], 0.0).transpose(1, 2)
        convolved: Tensor = self.convolution(hidden).transpose(1, 2)
        return convolved


class SqueezeExcitation(nn.Module):
    """Scales each channel by a sigmoid of the sequence's mean (Hu et al. 2018)."""

    def __init__(self, width: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Linear(width, squeezed), nn.Linear(squeezed, width)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Scale; the mean runs over the real elements only."""
        kept = values.masked_fill(~mask[..., None], 0.0).sum(dim=1)
        mean = kept / mask.sum(dim=1, keepdim=True).clamp_min(1)
        scale = torch.sigmoid(self.excite(nn.functional.silu(self.squeeze(mean))))
        return values * scale[:, None]


class FusedMBConv(nn.Module):
    """Fused-MBConv (Tan and Le 2021, figure 2): convolution, SiLU, then back to the width.

    With an expansion of 1 there is nothing to come back from, as in the first stage of their
    table 4. The last EfficientNetV2 has no squeeze-and-excitation here.
    """

    def __init__(self, width: int, expansion: int, kernel: int) -> None:
        super().__init__()
        inner = width * expansion
        self.expand, self.expand_norm = TimeConvolution(width, inner, kernel), nn.LayerNorm(inner)
        self.project = nn.Linear(inner, width, bias=False) if expansion > 1 else None
        self.project_norm = nn.LayerNorm(width) if expansion > 1 else None

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Add the block's own to ``values [B, T, width]``."""
        inner = nn.functional.silu(self.expand_norm(self.expand(values, mask)))
        if self.project is not None and self.project_norm is not None:
            inner = self.project_norm(self.project(inner))
        return values + inner


class MBConv(nn.Module):
    """MBConv: expansion, depthwise convolution, squeeze-and-excitation, projection."""

    def __init__(self, width: int, expansion: int, kernel: int) -> None:
        super().__init__()
        inner = width * expansion
        self.expand, self.expand_norm = nn.Linear(width, inner, bias=False), nn.LayerNorm(inner)
        self.depthwise = TimeConvolution(inner, inner, kernel, groups=inner)
        self.depthwise_norm = nn.LayerNorm(inner)
        self.excitation = SqueezeExcitation(inner, max(1, int(width * SQUEEZE_RATIO)))
        self.project, self.project_norm = nn.Linear(inner, width, bias=False), nn.LayerNorm(width)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Add the block's own to ``values [B, T, width]``."""
        inner = nn.functional.silu(self.expand_norm(self.expand(values)))
        inner = nn.functional.silu(self.depthwise_norm(self.depthwise(inner, mask)))
        projected: Tensor = self.project_norm(self.project(self.excitation(inner, mask)))
        return values + projected


class EfficientNet1d(nn.Module):
    """EfficientNetV2's stem and blocks with convolutions over time (jiang2021, section III-D).

    Every block keeps the number of steps, since every step has a label, and the width. Batch
    normalisation, whose statistics would mix padding and other videos in, gives way to layer
    normalisation of each step's channels.
    """

    def __init__(self, source: int, width: int, blocks: Sequence[ConvolutionSettings]) -> None:
        super().__init__()
        self.stem, self.stem_norm = TimeConvolution(source, width, 3), nn.LayerNorm(width)
        kinds = {"fused-mbconv": FusedMBConv, "mbconv": MBConv}
        self.blocks = nn.ModuleList(
            [kinds[block.kind](width, block.expansion, block.kernel) for block in blocks]
        )

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Map ``[B, T, source]`` to ``[B, T, width]``."""
        values = nn.functional.silu(self.stem_norm(self.stem(values, mask)))
        for block in self.blocks:
            values = block(values, mask)
        return values
