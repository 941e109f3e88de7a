"""Which model predicted, and what it can say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelOutputs:
    """What a model says of every utterance that it can judge: names of the classes of each part.

    Attributes
    ----------
    sentiment, emotions, arousal, valence : tuple of str or None
        None where the model does not predict that part; sentiment without classes, intensity
        alone, is an empty tuple.
    evidence : bool
        Whether it says on how much its judgement stands.
    """

    sentiment: tuple[str, ...] | None
    emotions: tuple[str, ...] | None
    arousal: tuple[str, ...] | None = None
    valence: tuple[str, ...] | None = None
    evidence: bool = False


USUAL_OUTPUTS = ModelOutputs(
    sentiment=("negative", "neutral", "positive"),
    emotions=("anger", "disgust", "fear", "happy", "sad", "surprise", "no-emotion"),
)


@dataclass(frozen=True)
class ModelInfo:
    """Which checkpoint predicted: name, digest of its files, backbone, licence, outputs."""

    name: str
    digest: str
    backbone: str
    licence: str
    outputs: ModelOutputs = USUAL_OUTPUTS
