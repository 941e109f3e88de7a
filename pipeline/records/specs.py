"""What decides a number: contracts of stages and of features."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from affect_pipe.pipeline.records.modalities import MODALITIES, Modality


def _as_json(settings: Mapping[str, Any]) -> Any:
    """Return settings as they come back from a file: tuples as lists."""
    return json.loads(json.dumps(settings))


@dataclass(frozen=True)
class StageSpec:
    """What decides a stage's output besides its inputs: who computes it, how, with which weights.

    Attributes
    ----------
    stage : str
        ``speech``, ``voice-activity``, ``face-tracks``...
    extractor, version : str
        Name in the registry and the version of its code and back end.
    settings : mapping
        JSON-able settings.
    model_id : str
        The weights used, by name; empty when there are none.
    weights_digest : str
        Digest of those weights.
    backend : str
        The library behind it with its version (``silero-vad 6.2.3``).
    """

    stage: str
    extractor: str
    version: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    model_id: str = ""
    weights_digest: str = ""
    backend: str = ""


@dataclass(frozen=True)
class FeatureSpec:
    """The contract of one feature set: what a checkpoint was trained on and what must be computed.

    Attributes
    ----------
    name : str
        Name of the feature set in the registry: ``minilm``, ``egemaps``, ``facemesh``...
    modality : {"text", "acoustic", "visual"}
    dim : int
        Width of the utterance vector.
    columns : tuple of str
        ``dim`` column names.
    version : str
        Version of the extractor's arithmetic; a change of it changes the numbers.
    settings : mapping
        JSON-able settings of the extractor.
    model_id : str
        The weights behind the feature, by name; empty when there are none.
    weights_digest : str
        Digest of those weights. Not part of `compatible_with`: the same model saved twice may
        differ in bytes; a difference is a warning, not a refusal.
    backend : str
        The library behind it with its version (``opensmile 2.6.0``). Part of cache keys, not of
        `compatible_with`, for the same reason.
    """

    name: str
    modality: Modality
    dim: int
    columns: tuple[str, ...]
    version: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    model_id: str = ""
    weights_digest: str = ""
    backend: str = ""

    def __post_init__(self) -> None:
        if self.modality not in MODALITIES:
            raise ValueError(f"unknown modality {self.modality!r}, known: {', '.join(MODALITIES)}")
        if self.dim <= 0 or len(self.columns) != self.dim:
            raise ValueError(
                f"FeatureSpec {self.name}: dim {self.dim} but {len(self.columns)} column names"
            )

    def __repr__(self) -> str:
        return f"FeatureSpec({self.name} {self.version}, {self.modality}, dim={self.dim})"

    def compatible_with(self, other: FeatureSpec) -> bool:
        """Whether vectors of ``other`` mean the same, column for column, as vectors of this."""
        return (
            self.name == other.name
            and self.modality == other.modality
            and tuple(self.columns) == tuple(other.columns)
            and self.version == other.version
            and _as_json(self.settings) == _as_json(other.settings)
            and self.model_id == other.model_id
        )
