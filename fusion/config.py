"""The settings of a fusion model: labels, tasks, heads, backbones, normalisation.

No torch here: the command line reads a checkpoint's settings before any work starts.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from affect_pipe.pipeline.records import Modality

SENTIMENTS: tuple[str, ...] = ("negative", "neutral", "positive")
EMOTIONS: tuple[str, ...] = ("anger", "disgust", "fear", "happy", "sad", "surprise")
NO_EMOTION = "no-emotion"
EMOTION_CLASSES: tuple[str, ...] = (*EMOTIONS, NO_EMOTION)

# Names of the classes of each scheme, most negative first; see `affect_pipe.fusion.encoding`.
# Two classes are akhtar2019's (section 4.1), five and seven chauhan2019's (section 4.2).
SENTIMENT_LABELS: dict[int, tuple[str, ...]] = {
    2: ("negative", "non-negative"),
    3: SENTIMENTS,
    5: ("strong negative", "weak negative", "neutral", "weak positive", "strong positive"),
    7: (
        "strong negative",
        "moderate negative",
        "weak negative",
        "neutral",
        "weak positive",
        "moderate positive",
        "strong positive",
    ),
}
# The five classes of arousal and of valence (jiang2021) are numbered there; the names are ours.
LEVELS: tuple[str, ...] = ("very low", "low", "medium", "high", "very high")

TaskName = Literal[
    "sentiment_class",
    "sentiment_intensity",
    "emotion_class",
    "emotion_intensity",
    "arousal_class",
    "valence_class",
]
# The tasks of an utterance (akhtar2019, akhtar2020).
TASK_NAMES: tuple[TaskName, ...] = (
    "sentiment_class",
    "sentiment_intensity",
    "emotion_class",
    "emotion_intensity",
)
# The tasks of a step of 250 ms (jiang2021).
STEP_TASK_NAMES: tuple[TaskName, ...] = ("arousal_class", "valence_class")
ALL_TASK_NAMES: tuple[TaskName, ...] = (*TASK_NAMES, *STEP_TASK_NAMES)
# One class of several: the target is the class's index, the output a softmax.
SINGLE_LABEL_TASKS: tuple[TaskName, ...] = ("sentiment_class", *STEP_TASK_NAMES)
# Outputs a task, of sentiment_class by default: `TaskSettings.width` knows what the settings ask.
# The absence of emotion has no degree, so intensity has the six emotions only.
TASK_WIDTHS: dict[TaskName, int] = {
    "sentiment_class": len(SENTIMENTS),
    "sentiment_intensity": 1,
    "emotion_class": len(EMOTION_CLASSES),
    "emotion_intensity": len(EMOTIONS),
    "arousal_class": len(LEVELS),
    "valence_class": len(LEVELS),
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
    classes: Literal[2, 3, 5, 7] = Field(
        default=3, description="Of sentiment_class: how many classes intensity is cut into."
    )
    labels: tuple[str, ...] = Field(
        default=(),
        description="Of tasks with one class of several: the classes' names in order; empty for "
        "the usual ones.",
    )
    temperature: float = Field(
        default=1.0,
        gt=0,
        le=1000,
        allow_inf_nan=False,
        description="Of class tasks: logits are divided by it before softmax or sigmoid, found on "
        "validation data (Guo et al. 2017). The loss does not see it.",
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

    @model_validator(mode="after")
    def _consistent(self) -> TaskSettings:
        if self.classes != 3 and self.name != "sentiment_class":
            raise ValueError(f"{self.name} has no choice of classes; sentiment_class has")
        if self.temperature != 1.0 and not self.name.endswith("_class"):
            raise ValueError(f"{self.name} predicts no probability that a temperature could scale")
        if self.labels:
            if self.name not in SINGLE_LABEL_TASKS:
                raise ValueError(f"the labels of {self.name} cannot be chosen")
            distinct = len(set(self.labels)) == len(self.labels) and all(self.labels)
            if len(self.labels) != self.width or not distinct:
                raise ValueError(
                    f"{self.name} needs {self.width} different labels, got {list(self.labels)}"
                )
        return self

    @property
    def width(self) -> int:
        """How many outputs the task's head has."""
        return self.classes if self.name == "sentiment_class" else TASK_WIDTHS[self.name]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of its outputs in order; none for the one output of sentiment_intensity."""
        if self.labels:
            return self.labels
        if self.name == "sentiment_class":
            return SENTIMENT_LABELS[self.classes]
        if self.name in STEP_TASK_NAMES:
            return LEVELS
        if self.name == "emotion_class":
            return EMOTION_CLASSES
        return EMOTIONS if self.name == "emotion_intensity" else ()


class LossWeightingSettings(Settings):
    """How the losses of several tasks become one; see `affect_pipe.fusion.loss_weighting`."""

    kind: Literal["fixed", "uncertainty"] = Field(
        default="fixed",
        description="fixed: the tasks' weights; uncertainty: weights trained along with the model "
        "(jiang2021, equation 13).",
    )
    eta: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="Factor of the Euclidean norm of the model's parameters (equation 13).",
    )


class PcaBlock(Settings):
    """Principal components of some neighbouring columns of a modality's vectors."""

    columns: int | None = Field(
        default=None, gt=0, description="How many columns; null for all that are left."
    )
    explained_variance: float | None = Field(
        default=0.95,
        gt=0,
        le=1,
        description="Share of the variance that is kept; null leaves the columns as they are.",
    )
    components: int | None = Field(
        default=None, gt=0, description="How many components that took; filled in by fitting."
    )


class EvidenceSettings(Settings):
    """The least evidence on which a prediction may stand.

    A modality is usable where it is present and its quality reaches the limit. A quality that
    cannot be measured (the confidence of a transcript typed by hand) passes.
    """

    modalities: tuple[Modality, ...] = Field(
        default=(), description="Those that must be usable, each of them."
    )
    min_modalities: int = Field(
        default=0, ge=0, le=3, description="How many must be usable at least, whichever they are."
    )
    min_text_confidence: float | None = Field(
        default=None, ge=0, le=1, description="Mean confidence of the words."
    )
    min_speech_s: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="Seconds of detected speech."
    )
    min_face_coverage: float | None = Field(
        default=None, ge=0, le=1, description="Share of frames that show the face."
    )
    min_speaker_confidence: float | None = Field(
        default=None, ge=0, le=1, description="That the face is the speaker's, of those in view."
    )
    min_probability: dict[TaskName, Annotated[float, Field(ge=0, le=1)]] = Field(
        default={},
        description="By class task, the least probability of its most probable class, after "
        "calibration.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> EvidenceSettings:
        for name in self.min_probability:
            if not name.endswith("_class"):
                raise ValueError(f"{name} predicts no probability to put a limit on")
        return self


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
    pca: tuple[PcaBlock, ...] = Field(
        default=(),
        description="Blocks of columns, left to right, that are reduced each by itself (jiang2021, "
        "section IV.C: 95 % of the variance of each feature); none for no reduction.",
    )
    pca_order: Literal["before", "after"] = Field(
        default="before",
        description="before: components of the raw vectors, normalised afterwards; after: "
        "components of the normalised vectors.",
    )

    @model_validator(mode="after")
    def _blocks(self) -> NormalisationSettings:
        if any(block.columns is None for block in self.pca[:-1]):
            raise ValueError("only the last block of pca may take all the columns that are left")
        return self

    def width(self, dim: int) -> int:
        """Width of a normalised vector of ``dim`` columns.

        Raises
        ------
        ValueError
            If the blocks of ``pca`` do not cover the columns, or were not fitted.
        """
        return sum(
            size if block.explained_variance is None else _fitted(block)
            for block, size in self.blocks(dim)
        )

    def blocks(self, dim: int) -> list[tuple[PcaBlock, int]]:
        """Blocks of ``dim`` columns with their sizes; one block, left as it is, without ``pca``.

        Raises
        ------
        ValueError
            If they do not cover the columns exactly.
        """
        if not self.pca:
            return [(PcaBlock(explained_variance=None), dim)]
        taken = sum(block.columns or 0 for block in self.pca)
        sizes = [block.columns or dim - taken for block in self.pca]
        if sum(sizes) != dim or min(sizes) <= 0:
            raise ValueError(f"pca has blocks for {taken} columns, the vectors have {dim}")
        return list(zip(self.pca, sizes, strict=True))


def _fitted(block: PcaBlock) -> int:
    if block.components is None:
        raise ValueError("pca has no number of components yet: fit it on training data")
    return block.components


Normalisation = dict[Modality, NormalisationSettings]
