"""What a fusion model says of utterances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from affect_pipe.pipeline.records.arrays import FloatArray


@dataclass(frozen=True)
class EmotionPrediction:
    """One emotion of one utterance: probability in [0, 1], decision, intensity in [0, 3].

    None where the model does not predict it.
    """

    probability: float | None
    present: bool | None
    intensity: float | None


@dataclass(frozen=True)
class ClassPrediction:
    """One class of several: its name, and the probability of each class, summing to 1."""

    label: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True)
class Evidence:
    """Whether a prediction may stand on what its utterance offers, and why it may not."""

    sufficient: bool
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.sufficient == bool(self.reasons):
            raise ValueError("Evidence needs reasons exactly where it is not sufficient")


@dataclass(frozen=True)
class UtterancePrediction:
    """What the fusion model says of one utterance.

    Attributes
    ----------
    sentiment_label : str or None
        ``negative``, ``neutral`` or ``positive``, or a class of the model's own scheme; None where
        the model predicts no class.
    sentiment_probabilities : mapping of label to probability, summing to 1; empty without classes.
    sentiment_intensity : float or None
        In [-3, 3], the papers' scale; None where the model predicts none.
    emotions : mapping of emotion name to EmotionPrediction; empty where the model predicts none.
    arousal, valence : ClassPrediction, optional
        None where the model predicts none.
    evidence : Evidence, optional
        None where the model asks for none: every prediction stands.
    """

    sentiment_label: str | None
    sentiment_probabilities: Mapping[str, float]
    sentiment_intensity: float | None
    emotions: Mapping[str, EmotionPrediction]
    arousal: ClassPrediction | None = None
    valence: ClassPrediction | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Prediction:
    """The fusion model's output for one video.

    Attributes
    ----------
    utterances : tuple of (UtterancePrediction or None)
        None where no modality was present: there is nothing to judge by.
    attention : mapping of pair name to float32 [n_utterances, n_utterances]
        The backbone's attention maps by the modalities of both sides and the map's name in its
        paper: N1 and N2 of CIM (``"text-visual/N1"``: text attends to visual, N2 the other way
        about), N of CIA, layers and self-attention of the MuSe hybrids. Row i says which
        utterances i attended to. Rows and columns of utterances without the map's modalities are
        zero.
    """

    utterances: tuple[UtterancePrediction | None, ...]
    attention: Mapping[str, FloatArray] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Prediction({len(self.utterances)} utterances, attention={sorted(self.attention)})"
