"""MFM: multimodal factorisation model (Tsai et al. 2019, ICLR, arXiv 1806.06176).

"Learning factorized multimodal representations": a discriminative factor shared by all modalities
predicts the label and, together with a generative factor of each modality, the modality itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from affect_pipe.fusion.config import MAX_WIDTH
from affect_pipe.fusion.models.backbone import Representation
from affect_pipe.fusion.models.inputs import any_present, in_order, masked_inputs
from affect_pipe.fusion.models.layers import SequenceDropout
from affect_pipe.fusion.models.lstm import LstmSystem, two_layers
from affect_pipe.fusion.models.mfn import Mfn, MfnSettings
from affect_pipe.pipeline.records import Modality


class MfmSettings(MfnSettings):
    """MFN's settings, for the encoder of the discriminative factor, and those of the factors."""

    latent_width: int = Field(
        default=32, gt=0, le=MAX_WIDTH, description="Of the latent codes Z_y and Z_a."
    )
    factor_width: int = Field(
        default=32, gt=0, le=MAX_WIDTH, description="Of the factors F_y and F_a."
    )
    reconstruction_weight: float = Field(
        default=0.1, ge=0, description="Of each modality's mean squared reconstruction error."
    )
    prior_weight: float = Field(
        default=0.1,
        ge=0,
        description="lambda, of the discrepancy between latent codes and their normal prior.",
    )


class Mfm(nn.Module):
    """``F_y`` of each utterance; in training also the reconstruction of the inputs.

    Section 2 of the paper. Inference: ``Z_y = Q(X_1..M)``, ``Z_am = Q(X_m)``. Generation:
    ``F_y = G_y(Z_y)``, ``F_am = G_am(Z_am)``, ``X^_m = F_m(F_am, F_y)``, label from ``F_y``.
    Auxiliary loss: squared reconstruction errors, and lambda times the maximum mean discrepancy
    (MMD) between the codes and a standard normal prior, the relaxation of the paper's
    joint-distribution Wasserstein objective.

    Deterministic: the encoders give points, as in the paper, and the prior is not sampled but
    integrated, which a Gaussian kernel allows in closed form (see `normal_discrepancy`); the
    discrepancy is that of each code by itself, not of all codes jointly. Encoders: MFN for
    ``Z_y``, as the paper has it for time series, and an LSTM a modality for ``Z_am``. A time step
    is an utterance, so the decoders map one utterance's factors to its vectors and need no
    recurrence. The paper's surrogate inference for missing modalities is left out: an absent
    modality acts as in MFN, and is neither reconstructed nor part of a discrepancy. Widths and
    weights of the terms are choices of this implementation.

    Parameters
    ----------
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors.
    settings : MfmSettings
    """

    Settings = MfmSettings

    def __init__(self, dims: Mapping[Modality, int], settings: MfmSettings) -> None:
        super().__init__()
        self.modalities = in_order(dims, "MFM")
        self.settings = settings
        latent, factor = settings.latent_width, settings.factor_width
        hidden, dropout = settings.network_width, settings.dropout
        mfn_settings = MfnSettings(
            **{name: getattr(settings, name) for name in MfnSettings.model_fields}
        )
        self.mfn = Mfn(dims, mfn_settings)
        self.joint_code = nn.Linear(self.mfn.representation_width, latent)
        self.joint_factor = two_layers(latent, hidden, factor, dropout)
        self.input_dropout = SequenceDropout(settings.input_dropout)
        self.lstms = LstmSystem({m: dims[m] for m in self.modalities}, settings.lstm_width)
        self.codes = nn.ModuleDict(
            {m: nn.Linear(settings.lstm_width, latent) for m in self.modalities}
        )
        self.factors = nn.ModuleDict(
            {m: two_layers(latent, hidden, factor, dropout) for m in self.modalities}
        )
        self.decoders = nn.ModuleDict(
            {m: two_layers(2 * factor, hidden, dims[m], dropout) for m in self.modalities}
        )
        self.representation_width = factor

    def forward(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """See `affect_pipe.fusion.models.backbone.Backbone`."""
        encoded = self.mfn(features, utterance_mask, modality_mask).values
        code = self.joint_code(encoded)
        inputs, present = masked_inputs(self.modalities, features, utterance_mask, modality_mask)
        judged = any_present(present)
        factor = self.joint_factor(code) * judged[..., None]
        if not self.training:
            return Representation(factor)
        return Representation(
            factor, auxiliary_loss=self._auxiliary_loss(inputs, present, judged, code, factor)
        )

    def _auxiliary_loss(
        self,
        inputs: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
        judged: Tensor,
        joint_code: Tensor,
        joint_factor: Tensor,
    ) -> Tensor:
        hidden, _ = self.lstms({m: self.input_dropout(x) for m, x in inputs.items()}, present)
        loss: Tensor = self.settings.prior_weight * normal_discrepancy(joint_code[judged])
        for m, states in zip(self.modalities, hidden.unbind(2), strict=True):
            here = present[m]
            if not bool(here.any()):
                continue
            code = self.codes[m](states[here])
            factors = torch.cat([self.factors[m](code), joint_factor[here]], dim=-1)
            decoded: Tensor = self.decoders[m](factors)
            error = (decoded - inputs[m][here]).square().mean()
            loss = loss + self.settings.reconstruction_weight * error
            loss = loss + self.settings.prior_weight * normal_discrepancy(code)
        return loss


def normal_discrepancy(codes: Tensor) -> Tensor:
    """Squared MMD between codes ``[n, d]`` and the standard normal distribution.

    With the kernel ``k(z, z') = exp(-|z - z'|^2 / (2 d))`` (Gretton et al. 2012), the terms of
    the prior are Gaussian integrals: with ``s = d``, ``E k(z, p) = (s / (s + 1))^(d/2)
    exp(-|z|^2 / (2 (s + 1)))`` and ``E k(p, p') = (s / (s + 2))^(d/2)``. Zero for no codes.
    """
    n, d = codes.shape
    if n == 0:
        return codes.new_zeros(())
    codes = codes.float() if codes.dtype != torch.float64 else codes
    scale = float(d)
    squares = codes.square().sum(dim=1)
    distances = (squares[:, None] + squares[None, :] - 2 * codes @ codes.t()).clamp_min(0.0)
    among = torch.exp(-distances / (2 * scale)).mean()
    with_prior = torch.exp(-squares / (2 * (scale + 1))).mean()
    cross = math.pow(scale / (scale + 1), d / 2)
    prior = math.pow(scale / (scale + 2), d / 2)
    return among - 2 * cross * with_prior + prior
