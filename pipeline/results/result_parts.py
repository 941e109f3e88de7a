"""The parts of a JSON result as types: ``affect-pipe-1.schema.json``, checked part by part.

Beyond the schema: an utterance does not end before it starts, a class that was chosen is one of
the classes, attention points at utterances, and no number is past what could be meant.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from affect_pipe.pipeline.records import MODALITIES, Modality

_T = TypeVar("_T")
# JSON knows lists alone: what comes as one is kept as a tuple, its items still strictly.
Many = Annotated[tuple[_T, ...], Field(strict=False)]

# No day of video is longer than this many.
Seconds = Annotated[float, Field(ge=0, le=1e7)]
Count = Annotated[int, Field(ge=0, lt=1 << 31)]
Probability = Annotated[float, Field(ge=0, le=1)]
Change = Annotated[float, Field(ge=-1, le=1)]
SentimentIntensity = Annotated[float, Field(ge=-3, le=3)]
EmotionIntensity = Annotated[float, Field(ge=0, le=3)]
Name = Annotated[str, Field(min_length=1)]


class Part(BaseModel):
    """Any part: "3" is no number, 1 is not true, and there are no infinities.

    What a later version of the shape adds is passed over.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class AudioPart(Part):
    """The audio stream that was read."""

    codec: str
    sample_rate_hz: Count
    n_channels: Count


class VideoPart(Part):
    """The video stream that was read, as displayed."""

    codec: str
    width_px: Count
    height_px: Count
    average_rate_hz: Annotated[float, Field(ge=0)] | None
    rotation_deg: Annotated[int, Field(gt=-(1 << 31), lt=1 << 31)]


class MediaPart(Part):
    """The file that was analysed: name without folders, digest, length in seconds."""

    file: Name
    digest: Name
    container: str
    duration_s: Seconds
    audio: AudioPart | None
    video: VideoPart | None


class SegmentPart(Part):
    """A stretch as the recogniser heard it."""

    start_s: Seconds
    end_s: Seconds
    text: str
    doubt: str | None
    quality: dict[str, float]


class AsrPart(Part):
    """Where the words come from."""

    source: Name
    model: str
    language: str | None
    word_times: Literal["measured", "aligned", "spread"]
    guesses: bool
    warnings: Many[str]
    diarisation: str = ""
    segments: Many[SegmentPart] = ()


class ModelPart(Part):
    """The checkpoint that predicted."""

    name: str
    digest: str
    backbone: str
    licence: str


class FeaturePart(Part):
    """What one feature set is."""

    name: Name
    modality: Modality
    dim: Annotated[int, Field(ge=1, lt=1 << 31)]
    columns: Many[str]
    version: str
    settings: dict[str, Any]
    model_id: str
    weights_digest: str


class SentimentPart(Part):
    """Class and intensity, in [-3, 3], of one utterance; None where the model has no such part."""

    label: str | None
    probabilities: Annotated[dict[str, Probability], Field(min_length=1)] | None
    intensity: SentimentIntensity | None

    @model_validator(mode="after")
    def _one_of_its_classes(self) -> Self:
        _check_chosen(self.label, self.probabilities)
        return self


class EmotionPart(Part):
    """One emotion of one utterance; the intensity is in [0, 3]."""

    probability: Probability | None
    present: bool | None
    intensity: EmotionIntensity | None


class ClassPart(Part):
    """One class of several: arousal, valence. Probabilities are in the order of the classes."""

    label: str
    probabilities: Annotated[dict[str, Probability], Field(min_length=2)]

    @model_validator(mode="after")
    def _one_of_its_classes(self) -> Self:
        _check_chosen(self.label, self.probabilities)
        return self


def _check_chosen(label: str | None, probabilities: dict[str, float] | None) -> None:
    if label is not None and probabilities is not None and label not in probabilities:
        raise ValueError("the label is none of the classes that have a probability")


class EvidencePart(Part):
    """Whether an utterance offers enough to judge by; why not, where it does not."""

    sufficient: bool
    reasons: Many[str]

    @model_validator(mode="after")
    def _with_reasons(self) -> Self:
        if self.sufficient == bool(self.reasons):
            raise ValueError("there are reasons where evidence is insufficient, and only there")
        return self


class ModalityPart(Part):
    """Whether a modality was there, and why not."""

    present: bool
    reason: str | None
    quality: dict[str, float | None]

    @model_validator(mode="after")
    def _with_a_reason(self) -> Self:
        if self.present != (self.reason is None):
            raise ValueError("there is a reason where it is missing, and only there")
        return self


class FacePart(Part):
    """The face that was described."""

    track: Count
    chosen_by: Literal["only face", "mouth", "speaker"]
    confidence: Probability
    n_faces: Annotated[int, Field(ge=1, lt=1 << 31)]
    coverage: Probability
    box: Annotated[Many[float], Field(min_length=4, max_length=4)]
    doubt: str | None


class SentimentChange(Part):
    """What one modality changes in the sentiment."""

    label_without: str | None
    probability: Change | None
    intensity: Annotated[float, Field(ge=-6, le=6)] | None


class EmotionsChange(Part):
    """What one modality changes in the emotions, by name."""

    probability: dict[str, Change] | None
    intensity: dict[str, SentimentIntensity] | None


class LevelChange(Part):
    """What one modality changes in arousal or valence."""

    label_without: str
    probability: Change


class ContributionPart(Part):
    """What one modality adds to a prediction; None is a part that the model does not predict."""

    sentiment: SentimentChange | None = None
    emotions: EmotionsChange | None = None
    arousal: LevelChange | None = None
    valence: LevelChange | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _left_out(cls, value: object) -> object:
        return _not_null(value)


class UtterancePart(Part):
    """One utterance: what was said and what was predicted.

    A part that the model does not predict is absent from `model_fields_set`; None is one that
    could not be judged.
    """

    index: Count
    start_s: Seconds
    end_s: Seconds
    text: str
    speaker: str | None = None
    sentiment: SentimentPart | None = None
    emotions: dict[str, EmotionPart] | None = None
    arousal: ClassPart | None = None
    valence: ClassPart | None = None
    evidence: EvidencePart | None = None
    contributions: dict[Modality, ContributionPart | None] | None = None
    face: FacePart | None = None
    modalities: dict[Modality, ModalityPart]

    @field_validator("speaker", "evidence", "face", mode="before")
    @classmethod
    def _left_out(cls, value: object) -> object:
        return _not_null(value)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.end_s < self.start_s:
            raise ValueError("it ends before it starts")
        if self.modalities.keys() != set(MODALITIES):
            raise ValueError(f"its modalities are not {', '.join(MODALITIES)}")
        parts = {"sentiment", "emotions", "arousal", "valence"} & self.model_fields_set
        if len({getattr(self, part) is None for part in parts}) > 1:
            raise ValueError("a part of its prediction is null and another is not")
        return self


def _not_null(value: object) -> object:
    if value is None:
        raise ValueError("it is null: what is not there is left out")
    return value


class SpeakerPart(Part):
    """A speaker whom the words name, and the faces that are known to be theirs."""

    speaker: str
    tracks: Many[Count]
    confidence: Probability | None
    utterances: Annotated[int, Field(ge=1, lt=1 << 31)]


Weight = Annotated[tuple[Count, Probability], Field(strict=False)]
"""Index of an utterance and how much of the attention it has."""


class ResultParts(Part):
    """What a JSON result says.

    Attributes
    ----------
    media, asr, model, features
    utterances : tuple of UtterancePart
        In order of time.
    speakers : tuple of SpeakerPart
    attention : mapping of str to tuple
        By name of the map, a row an utterance, of its strongest weights.
    warnings : tuple of str
    timings_s : mapping of str to float
        Seconds by stage.
    """

    media: MediaPart
    asr: AsrPart
    model: ModelPart
    features: Annotated[Many[FeaturePart], Field(max_length=len(MODALITIES))]
    utterances: Many[UtterancePart]
    speakers: Many[SpeakerPart] = ()
    attention: dict[str, Many[Annotated[Many[Weight], Field(max_length=20)]]]
    warnings: Many[str]
    timings_s: dict[str, Annotated[float, Field(ge=0)]]

    @model_validator(mode="after")
    def _attends_to_utterances(self) -> Self:
        n = len(self.utterances)
        for rows in self.attention.values():
            if len(rows) > n or any(index >= n for row in rows for index, _ in row):
                raise ValueError("attention points beyond the utterances")
        return self
