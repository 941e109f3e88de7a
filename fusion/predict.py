"""Prediction with a checkpoint: one video's features to per-utterance sentiment and emotion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from affect_pipe.fusion import checkpoint
from affect_pipe.fusion.config import EMOTION_CLASSES, EMOTIONS, SENTIMENTS, TaskName
from affect_pipe.pipeline.errors import CheckpointError
from affect_pipe.pipeline.records import (
    MODALITIES,
    EmotionPrediction,
    FeatureSpec,
    FloatArray,
    ModelInfo,
    Prediction,
    UtterancePrediction,
    VideoFeatures,
)

if TYPE_CHECKING:
    from affect_pipe.fusion.batch import Dialogue

# One thread: the same sums in the same order on every machine, and fast enough at these sizes.
PREDICTION_THREADS = 1


class CheckpointPredictor:
    """`affect_pipe.pipeline.interfaces.Predictor` over a checkpoint folder.

    The config is read at once, the weights with the first prediction.

    Parameters
    ----------
    folder : str or Path
        A checkpoint folder or the name of a shipped checkpoint.

    Raises
    ------
    CheckpointError
        If there is no such checkpoint, its config is invalid, or it lacks a task that a result
        needs.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = checkpoint.resolve(folder)
        self._config = checkpoint.read_config(self._folder)
        # Found out now, not after an hour of extraction.
        if not (self._folder / checkpoint.TENSORS_NAME).is_file():
            raise CheckpointError(
                f"Checkpoint {self._folder} has no {checkpoint.TENSORS_NAME}: copy all of it."
            )
        missing = set(_TASKS_NEEDED) - {task.name for task in self._config.tasks}
        if missing:
            raise CheckpointError(
                f"Checkpoint {self._config.name!r} does not predict {', '.join(sorted(missing))}: "
                "a run needs all four tasks."
            )

    def info(self) -> ModelInfo:
        """Name, digest, backbone and licence; loads no weights."""
        return self._info

    @cached_property
    def _info(self) -> ModelInfo:
        config = self._config
        digest = checkpoint.digest(self._folder)
        return ModelInfo(config.name, digest, config.backbone, config.licence)

    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """Return the exact specs of the features it was trained on, one a modality."""
        return self._config.feature_specs()

    @cached_property
    def _checkpoint(self) -> checkpoint.Checkpoint:
        return checkpoint.load(self._folder)

    def predict(self, features: VideoFeatures) -> Prediction:
        """Judge the utterances of one video together, as one sequence.

        A modality without a block counts as absent throughout.

        Raises
        ------
        CheckpointError
            If a block is not of the kind the checkpoint was trained on.
        """
        self._check_specs(features)
        if not features.utterances:
            return Prediction(())
        values, attention = self._run(_dialogue(features))
        judged = np.array([block.present for block in features.blocks.values()]).any(axis=0)
        thresholds = self._config.thresholds[self._config.decision_objective]
        utterances = tuple(
            _utterance({task: rows[index] for task, rows in values.items()}, thresholds)
            if judged.any() and judged[index]
            else None
            for index in range(len(features.utterances))
        )
        return Prediction(utterances, attention)

    def _check_specs(self, features: VideoFeatures) -> None:
        expected = {spec.modality: spec for spec in self.feature_specs()}
        for modality, block in features.blocks.items():
            if modality not in expected:
                raise CheckpointError(
                    f"Checkpoint {self._config.name!r} has no use for {modality} features "
                    f"({block.spec!r}): it reads {', '.join(map(repr, expected.values()))}."
                )
            # Through JSON, as the checkpoint's went: a tuple among the settings comes back a list.
            found = checkpoint.FeatureSpecSettings.of(block.spec).record()
            if not expected[modality].compatible_with(found):
                raise CheckpointError(
                    f"Checkpoint {self._config.name!r} was trained on other {modality} features: "
                    f"{describe_difference(expected[modality], found)}. Extract the features "
                    "the checkpoint names, or choose a checkpoint trained on these."
                )

    def warnings(self, features: VideoFeatures) -> tuple[str, ...]:
        """Say where the features are of the right kind but from other weights than in training."""
        expected = {spec.modality: spec for spec in self.feature_specs()}
        return tuple(
            f"{block.spec.name}: the weights of {block.spec.model_id!r} here are not those the "
            f"checkpoint {self._config.name!r} was trained on; predictions may differ slightly"
            for modality, block in features.blocks.items()
            if modality in expected
            and block.spec.weights_digest != expected[modality].weights_digest
        )

    def _run(self, dialogue: Dialogue) -> tuple[dict[TaskName, FloatArray], dict[str, FloatArray]]:
        import torch

        from affect_pipe.fusion.batch import collate
        from affect_pipe.fusion.inference import fixed_threads

        loaded = self._checkpoint
        model = loaded.model
        with fixed_threads(PREDICTION_THREADS), torch.inference_mode():
            outputs = model(collate([dialogue], model.dims, loaded.normaliser))
            values = {
                name: task.activate(outputs.logits[name])[0].numpy()
                for name, task in model.tasks.items()
            }
            attention = {name: weights[0].numpy() for name, weights in outputs.attention.items()}
        return values, attention


_TASKS_NEEDED: tuple[TaskName, ...] = (
    "sentiment_class",
    "sentiment_intensity",
    "emotion_class",
    "emotion_intensity",
)


# What `FeatureSpec.compatible_with` leaves out of the comparison.
_NOT_IN_THE_CONTRACT = ("weights_digest", "backend")


def describe_difference(expected: FeatureSpec, found: FeatureSpec) -> str:
    """Put two specs side by side: their names, and each field that differs."""
    left, right = asdict(expected), asdict(found)
    lines = [
        f"{name} {_short(left[name])} against {_short(right[name])}"
        for name in left
        if name not in _NOT_IN_THE_CONTRACT and left[name] != right[name]
    ]
    return f"{expected!r} in the checkpoint, {found!r} here; " + "; ".join(lines)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _dialogue(features: VideoFeatures) -> Dialogue:
    from affect_pipe.fusion.batch import Dialogue

    present = np.zeros((len(features.utterances), len(MODALITIES)), dtype=np.bool_)
    for modality, block in features.blocks.items():
        present[:, MODALITIES.index(modality)] = block.present
    vectors = {modality: block.values for modality, block in features.blocks.items()}
    return Dialogue("video", "video", vectors, present)


def _utterance(
    values: Mapping[TaskName, FloatArray], thresholds: Mapping[str, float]
) -> UtterancePrediction:
    """One utterance's outputs on the papers' scales: sentiment [-3, 3], emotion [0, 3]."""
    from affect_pipe.fusion.tasks import INTENSITY_SCALE, decide_emotions

    sentiment, emotion = values["sentiment_class"], values["emotion_class"]
    present = decide_emotions(emotion, thresholds)
    # "no-emotion" has no degree; its intensity is zero by definition.
    intensity = dict.fromkeys(EMOTION_CLASSES, 0.0)
    intensity.update(zip(EMOTIONS, values["emotion_intensity"].tolist(), strict=True))
    return UtterancePrediction(
        sentiment_label=SENTIMENTS[int(sentiment.argmax())],
        sentiment_probabilities=dict(zip(SENTIMENTS, sentiment.tolist(), strict=True)),
        sentiment_intensity=INTENSITY_SCALE * float(values["sentiment_intensity"][0]),
        emotions={
            name: EmotionPrediction(
                float(emotion[index]), bool(present[index]), INTENSITY_SCALE * intensity[name]
            )
            for index, name in enumerate(EMOTION_CLASSES)
        },
    )
