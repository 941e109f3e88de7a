"""The settings of a fusion model: labels, tasks, heads, backbones, normalisation.

No torch here: the command line reads a checkpoint's settings before any work starts.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from affect_pipe.pipeline.records import Modality

SENTIMENTS: tuple[str, ...] = ("negative", "neutral", "positive")
EMOTIONS: tuple[str, ...] = ("anger", "disgust", "fear", "happy", "sad", "surprise")
NO_EMOTION = "no-emotion"
EMOTION_CLASSES: tuple[str, ...] = (*EMOTIONS, NO_EMOTION)

TaskName = Literal["sentiment_class", "sentiment_intensity", "emotion_class", "emotion_intensity"]
TASK_NAMES: tuple[TaskName, ...] = (
    "sentiment_class",
    "sentiment_intensity",
    "emotion_class",
    "emotion_intensity",
)
# Outputs a task; the absence of emotion has no degree, so intensity has the six emotions only.
TASK_WIDTHS: dict[TaskName, int] = {
    "sentiment_class": len(SENTIMENTS),
    "sentiment_intensity": 1,
    "emotion_class": len(EMOTION_CLASSES),
    "emotion_intensity": len(EMOTIONS),
}
# akhtar2020, Table 2: sigmoid outputs above this are emotions, by the metric that is judged.
PAPER_THRESHOLDS: dict[str, float] = {"f1": 0.4, "w_acc": 0.2}


# Far above any use; a checkpoint from elsewhere shall not ask for all the memory there is.
MAX_WIDTH = 4096


class Settings(BaseModel):
    """Frozen settings that refuse unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CimSettings(Settings):
    """CIM backbone (akhtar2019-naacl, akhtar2020-tkdd section 3).

    The papers give three widths for the Bi-GRU (100 in Algorithm 1, 300 in section 4.4, 2 x 200 in
    Table 2); the default is Table 2's, followed by the dense layer of 100 of section 4.4.
    """

    gru_width: int = Field(
        default=200, gt=0, le=MAX_WIDTH, description="Hidden units of the GRU, each direction."
    )
    dense_width: int = Field(
        default=100, gt=0, le=MAX_WIDTH, description="Width of the dense layer after the GRU."
    )
    input_dropout: float = Field(
        default=0.3,
        ge=0,
        lt=1,
        description="Dropout of the GRU's inputs; one mask for a whole sequence, as in Keras. "
        "Dropout of the recurrence is left out: the fused GRU has none.",
    )
    input_dropout_of: dict[Modality, Annotated[float, Field(ge=0, lt=1)]] = Field(
        default={}, description="Exceptions to ``input_dropout`` for the GRUs of some modalities."
    )
    dropout: float = Field(default=0.3, ge=0, lt=1, description="Dropout after the dense layer.")
    presence_flags: bool = Field(
        default=False,
        description="Append one 0/1 flag a modality to the representation (not the paper's).",
    )
    skip_width: int = Field(
        default=0,
        ge=0,
        le=MAX_WIDTH,
        description="Width of a context-free ReLU projection of each raw vector, appended to the "
        "representation; 0 for none (not the paper's).",
    )


class HeadSettings(Settings):
    """Between the shared representation and a task's output layer; the paper has nothing there."""

    hidden_width: int = Field(
        default=0, ge=0, le=MAX_WIDTH, description="Width of a ReLU layer; 0 for none."
    )
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Dropout on the output layer's input."
    )
    gate: bool = Field(
        default=False,
        description="Task-specific filter: the representation times the sigmoid of a learned "
        "linear map of itself (future work of akhtar2020).",
    )


class TaskSettings(Settings):
    """One task of a model."""

    name: TaskName
    weight: float = Field(
        default=1.0, ge=0, description="Factor of its loss in the sum over tasks."
    )
    loss: Literal["default", "mse", "bce"] = Field(
        default="default",
        description="Of intensity tasks. Default: MSE for sentiment (the paper's binary "
        "cross-entropy is undefined on tanh outputs; 'bce' takes it on (y + 1) / 2), binary "
        "cross-entropy for emotion.",
    )
    softmax_weight: float = Field(
        default=0.0,
        ge=0,
        description="Of emotion_class: weight of a softmax cross-entropy over the same logits, so "
        "that the most probable emotion can be read off; the target is spread over the labels.",
    )
    head: HeadSettings = HeadSettings()


class NormalisationSettings(Settings):
    """How the vectors of one modality are normalised, in training and prediction alike."""

    kind: Literal["none", "z", "shrink"] = Field(
        default="z",
        description="none; z: corpus mean and standard deviation; shrink: those statistics move "
        "from the corpus's to the video's own as its utterances add up.",
    )
    prior_utterances: float = Field(
        default=8.0,
        gt=0,
        description="Of shrink: how many utterances the corpus statistics count for.",
    )
    clip: float | None = Field(
        default=5.0, gt=0, description="Normalised values are cut to [-clip, clip]; null for never."
    )


Normalisation = dict[Modality, NormalisationSettings]
