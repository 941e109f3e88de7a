"""What every backbone takes and gives, and the table of backbones."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from pydantic import ValidationError
from torch import Tensor, nn

from affect_pipe.pipeline.errors import CheckpointError
from affect_pipe.pipeline.records import Modality


@dataclass(frozen=True, eq=False)
class Representation:
    """What a backbone makes of a batch.

    Attributes
    ----------
    values : float [B, U, D]
        The representation every task's head reads; zero in padding.
    attention : mapping of name to float [B, U, U]
        For example ``"text-visual/N1"``: row i says which utterances i attended to. Empty for
        backbones without attention.
    auxiliary_loss : float [], optional
        A loss of the backbone's own, such as a reconstruction, added to the tasks' in training.
        It counts present rows only. None in evaluation mode and for backbones without one.
    """

    values: Tensor
    attention: Mapping[str, Tensor] = field(default_factory=dict)
    auxiliary_loss: Tensor | None = None


class Backbone(Protocol):
    """A module from padded features to a representation.

    Constructed as ``Backbone(dims, **settings)``. Padding and absent modalities must not
    influence anything; `tests/fusion/test_masks.py` demands it of every backbone.
    """

    representation_width: int

    def __call__(
        self, features: Mapping[Modality, Tensor], utterance_mask: Tensor, modality_mask: Tensor
    ) -> Representation:
        """Represent a batch.

        Parameters
        ----------
        features : mapping of modality to float [B, U, d_m]
        utterance_mask : bool [B, U]
        modality_mask : bool [B, U, 3]
            In the order of `MODALITIES`.
        """


BACKBONES: dict[str, str] = {
    "cim": "affect_pipe.fusion.models.cim:Cim",
    "cia": "affect_pipe.fusion.models.cia:Cia",
    "muse-transformer": "affect_pipe.fusion.models.muse:MuseWay1",
    "muse-attention-bilstm": "affect_pipe.fusion.models.muse:MuseWay2",
    "muse-transformer-bilstm": "affect_pipe.fusion.models.muse:MuseWay3",
    "muse-efficientnet-bilstm": "affect_pipe.fusion.models.muse:MuseWay4",
    "muse-attention-efficientnet-bilstm": "affect_pipe.fusion.models.muse:MuseWay5",
    "muse-transformer-efficientnet-bilstm": "affect_pipe.fusion.models.muse:MuseWay6",
    "muse-multitask": "affect_pipe.fusion.models.muse:MuseMultitask",
}


def build_backbone(
    name: str, settings: Mapping[str, Any], dims: Mapping[Modality, int]
) -> Backbone:
    """Make a backbone with fresh weights.

    Parameters
    ----------
    name : str
        A key of `BACKBONES`.
    settings : mapping
        JSON form of its settings; what is left out takes its default.
    dims : mapping of modality to int
        The modalities it reads and the widths of their vectors.

    Raises
    ------
    CheckpointError
        If the name is unknown or the settings are not the backbone's.
    """
    if name not in BACKBONES:
        known = ", ".join(sorted(BACKBONES))
        raise CheckpointError(f"Unknown backbone {name!r}: the backbones are {known}.")
    module, _, attribute = BACKBONES[name].partition(":")
    backbone_class = getattr(importlib.import_module(module), attribute)
    try:
        parsed = backbone_class.Settings.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CheckpointError(
            f"Settings of backbone {name!r} do not fit at {where!r}: {first['msg']}."
        ) from error
    backbone = backbone_class(dims, parsed)
    assert isinstance(backbone, nn.Module)
    return cast(Backbone, backbone)
