"""Prediction with a checkpoint: one video's features to per-utterance affect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from affect_pipe.fusion import checkpoint
from affect_pipe.fusion.config import EMOTION_CLASSES, EMOTIONS, NO_EMOTION, TaskName
from affect_pipe.fusion.evidence import judge
from affect_pipe.pipeline.errors import CheckpointError
from affect_pipe.pipeline.records import (
    MODALITIES,
    ClassPrediction,
    EmotionPrediction,
    FeatureSpec,
    FloatArray,
    ModelInfo,
    ModelOutputs,
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
        If there is no such checkpoint, or its config is invalid.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = checkpoint.resolve(folder)
        self._config = checkpoint.read_config(self._folder)
        # Found out now, not after an hour of extraction.
        if not (self._folder / checkpoint.TENSORS_NAME).is_file():
            raise CheckpointError(
                f"Checkpoint {self._folder} has no {checkpoint.TENSORS_NAME}: copy all of it."
            )

    def info(self) -> ModelInfo:
        """Name, digest, backbone, licence and what is predicted; loads no weights."""
        return self._info

    @cached_property
    def _info(self) -> ModelInfo:
        config = self._config
        digest = checkpoint.digest(self._folder)
        return ModelInfo(config.name, digest, config.backbone, config.licence, outputs_of(config))

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
        utterances = tuple(
            self._utterance(index, {task: rows[index] for task, rows in values.items()}, features)
            if judged.any() and judged[index]
            else None
            for index in range(len(features.utterances))
        )
        return Prediction(utterances, attention)

    def _utterance(
        self, index: int, values: Mapping[TaskName, FloatArray], features: VideoFeatures
    ) -> UtterancePrediction:
        """Put one utterance's outputs into the shape of a result."""
        from affect_pipe.fusion.tasks import INTENSITY_SCALE

        config = self._config
        sentiment, intensity = _classes("sentiment_class", values, config), None
        if "sentiment_intensity" in values:
            intensity = INTENSITY_SCALE * float(values["sentiment_intensity"][0])
        thresholds = config.thresholds.get(config.decision_objective, {})
        return UtterancePrediction(
            sentiment_label=None if sentiment is None else sentiment.label,
            sentiment_probabilities={} if sentiment is None else sentiment.probabilities,
            sentiment_intensity=intensity,
            emotions=_emotions(values, thresholds),
            arousal=_classes("arousal_class", values, config),
            valence=_classes("valence_class", values, config),
            evidence=None
            if config.evidence is None
            else judge(config.evidence, features.blocks, index, values),
        )

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
            f"{block.spec.name}: the checkpoint {self._config.name!r} was trained on other weights "
            f"of the name {block.spec.model_id!r} (digest {_digest(there)}, here {_digest(here)}): "
            "unless they are the same model saved again, its predictions are meaningless; bring "
            "the weights it was trained on here"
            for modality, block in features.blocks.items()
            if modality in expected
            and (here := block.spec.weights_digest) != (there := expected[modality].weights_digest)
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


def outputs_of(config: checkpoint.CheckpointConfig) -> ModelOutputs:
    """Say what a checkpoint predicts, by the names of its tasks' classes."""
    names = {task.name: task.class_names for task in config.tasks}
    return ModelOutputs(
        sentiment=names.get("sentiment_class", names.get("sentiment_intensity")),
        emotions=names.get("emotion_class", names.get("emotion_intensity")),
        arousal=names.get("arousal_class"),
        valence=names.get("valence_class"),
        evidence=config.evidence is not None,
    )


# What `FeatureSpec.compatible_with` leaves out of the comparison.
_NOT_IN_THE_CONTRACT = ("weights_digest", "backend")
_SHOWN_DIGITS = 12


def _digest(digest: str) -> str:
    return digest[:_SHOWN_DIGITS] or "none"


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


def _classes(
    name: TaskName, values: Mapping[TaskName, FloatArray], config: checkpoint.CheckpointConfig
) -> ClassPrediction | None:
    """Return the most probable class and all probabilities; None without such a task."""
    task = config.task(name)
    if task is None:
        return None
    names, probabilities = task.class_names, values[name]
    return ClassPrediction(
        names[int(probabilities.argmax())],
        dict(zip(names, probabilities.tolist(), strict=True)),
    )


def _emotions(
    values: Mapping[TaskName, FloatArray], thresholds: Mapping[str, float]
) -> dict[str, EmotionPrediction]:
    """Return each emotion's probability, decision, and intensity on the papers' [0, 3]."""
    from affect_pipe.fusion.tasks import INTENSITY_SCALE, decide_emotions

    probabilities, degrees = values.get("emotion_class"), values.get("emotion_intensity")
    intensity: dict[str, float | None] = {}
    if degrees is not None:
        scaled = [INTENSITY_SCALE * degree for degree in degrees.tolist()]
        intensity = dict(zip(EMOTIONS, scaled, strict=True))
        if probabilities is None:
            return {name: EmotionPrediction(None, None, value) for name, value in intensity.items()}
        # "no-emotion" has no degree; its intensity is zero by definition.
        intensity[NO_EMOTION] = 0.0
    if probabilities is None:
        return {}
    present = decide_emotions(probabilities, thresholds)
    return {
        name: EmotionPrediction(
            float(probabilities[index]), bool(present[index]), intensity.get(name)
        )
        for index, name in enumerate(EMOTION_CLASSES)
    }
