"""The ``starter`` recipe: the checkpoint that ships with the package, and how it is measured.

Single-modality recordings, paired by emotion, teach one CIM model all four tasks on any subset of
words, voice and face. `starter_pairing` says how they are paired, `starter_mixture` what an epoch
holds, `starter_measure` what is reported.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from affect_pipe.fusion import checkpoint as checkpoints
from affect_pipe.fusion.config import (
    CimSettings,
    HeadSettings,
    Normalisation,
    NormalisationSettings,
    Settings,
    TaskSettings,
)
from affect_pipe.fusion.normalise import Normaliser, fit_normaliser
from affect_pipe.fusion.recipes.starter_card import LICENCE, TRAINING_DATA, model_card
from affect_pipe.fusion.recipes.starter_data import StarterData
from affect_pipe.fusion.recipes.starter_features import Loader, StarterEncoders, Tell
from affect_pipe.fusion.recipes.starter_measure import Measurer
from affect_pipe.fusion.recipes.starter_mixture import Mixture, MixtureSettings, TrainingCorpora
from affect_pipe.fusion.recipes.starter_report import StarterReport
from affect_pipe.fusion.recipes.starter_store import FeatureStore
from affect_pipe.fusion.recipes.starter_thresholds import calibrate_starter, choose_thresholds
from affect_pipe.pipeline.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from affect_pipe.fusion.models.fusion import FusionModel
    from affect_pipe.fusion.training import TrainingSettings

NAME = "starter"
_HEAD = HeadSettings(dropout=0.4)


class StarterSettings(Settings):
    """Everything about the recipe that could be otherwise."""

    backbone: CimSettings = CimSettings(
        gru_width=128,
        dense_width=100,
        # Sentence vectors overfit soonest; landmarks are few and need nearly all of themselves.
        input_dropout=0.1,
        input_dropout_of={"text": 0.5, "acoustic": 0.3},
        dropout=0.4,
        presence_flags=True,
        skip_width=64,
    )
    tasks: tuple[TaskSettings, ...] = (
        TaskSettings(name="sentiment_class", weight=1.5, head=_HEAD),
        TaskSettings(name="sentiment_intensity", weight=1.5, head=_HEAD),
        TaskSettings(name="emotion_class", weight=1.0, softmax_weight=2.0, head=_HEAD),
        TaskSettings(name="emotion_intensity", weight=0.5, head=_HEAD),
    )
    normalisation: Normalisation = Field(
        default={
            "text": NormalisationSettings(kind="z"),
            "acoustic": NormalisationSettings(kind="shrink", prior_utterances=10.0),
            "visual": NormalisationSettings(kind="z"),
        }
    )
    mixture: MixtureSettings = MixtureSettings()
    epochs: int = Field(default=16, gt=0)
    learning_rate: float = Field(default=1e-3, gt=0)
    final_learning_rate: float = Field(default=5e-4, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    batch_utterances: int = Field(default=192, gt=0)
    average_decay: float = Field(default=0.9998, ge=0, lt=1)
    average_from_epoch: int = Field(default=5, gt=0)
    gradient_clip: float = Field(default=2.0, gt=0)

    def training(self, seed: int, device: Literal["auto", "cpu", "cuda"]) -> TrainingSettings:
        """Return the settings of the training loop."""
        from affect_pipe.fusion.training import TrainingSettings

        return TrainingSettings(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            final_learning_rate=self.final_learning_rate,
            weight_decay=self.weight_decay,
            batch_utterances=self.batch_utterances,
            gradient_clip=self.gradient_clip,
            average_decay=self.average_decay,
            average_from_epoch=min(self.average_from_epoch, self.epochs),
            seed=seed,
            device=device,
        )


def build(
    data: Path,
    out: Path,
    encoders: StarterEncoders,
    *,
    name: str = NAME,
    work: Path | None = None,
    tell: Tell = lambda line: None,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    settings: StarterSettings | None = None,
) -> StarterReport:
    """Train the starter, measure it on the dev parts and write its checkpoint folder.

    Parameters
    ----------
    data : Path
        Folder of the corpora; their train parts must be there, the dev parts should be.
    out : Path
        Checkpoint folder to write; a checkpoint there is replaced.
    encoders : StarterEncoders
        The extractors whose vectors the model is to read.
    name : str
        Of the checkpoint.
    work : Path, optional
        Where computed features are kept, for `evaluate` and the next training.
    tell : callable (line)
        Hears of progress.
    seed : int
        Same seed, same data, same machine: same weights.
    device : {"auto", "cpu", "cuda"}

    Returns
    -------
    StarterReport
        Of the dev parts, as the model card quotes it.

    Raises
    ------
    UsageError, CorpusError
        If a corpus is missing or malformed.
    """
    from affect_pipe.fusion.calibration import settings_of

    chosen = settings or StarterSettings()
    if not data.is_dir():
        raise UsageError(f"{data} is no folder: give the folder that holds the corpora.")
    loader = Loader(data, encoders, FeatureStore(work), tell)
    corpora = _complete(loader.load("train", needed=True))
    dev = loader.load("dev", needed=False)
    normaliser = _fit_normaliser(corpora, chosen)
    model = _train(corpora, normaliser, chosen, seed, device, tell)
    # Temperatures first: thresholds are of calibrated probabilities.
    calibration, pictures = calibrate_starter(model, normaliser, dev)
    thresholds = choose_thresholds(model, normaliser, dev)
    report = Measurer(model, normaliser, thresholds).report(dev, name, "dev")
    config = checkpoints.CheckpointConfig(
        schema="affect-pipe-checkpoint/1",
        name=name,
        backbone="cim",
        backbone_settings=chosen.backbone.model_dump(),
        tasks=settings_of(model),
        features=tuple(checkpoints.FeatureSpecSettings.of(spec) for spec in encoders.specs),
        normalisation=chosen.normalisation,
        thresholds=thresholds,
        decision_objective="f1",
        training_data=TRAINING_DATA,
        licence=LICENCE,
        seed=seed,
        versions=_versions(),
        training=chosen.model_dump(mode="json", exclude={"backbone", "tasks", "normalisation"}),
    )
    card = model_card(name, report, encoders.specs, seed, calibration)
    checkpoints.save(out, config, model, normaliser, card, pictures)
    return report


def evaluate(
    data: Path,
    encoders: StarterEncoders,
    checkpoint: str | Path = NAME,
    *,
    split: Literal["dev", "test"] = "dev",
    work: Path | None = None,
    tell: Tell = lambda line: None,
) -> StarterReport:
    """Measure a checkpoint on the dev or test parts; absent corpora are reported as absent.

    Raises
    ------
    UsageError
        If ``data`` is no folder.
    CorpusError
        If a file is malformed.
    CheckpointError
        If the checkpoint is unknown or reads other features than the encoders give.
    """
    if not data.is_dir():
        raise UsageError(f"{data} is no folder: give the folder that holds the corpora.")
    folder = checkpoints.resolve(checkpoint)
    config = checkpoints.read_config(folder)
    _check_specs(config, encoders)
    loaded = checkpoints.load(folder)
    parts = Loader(data, encoders, FeatureStore(work), tell).load(split, needed=False)
    corpora = (parts.meld, parts.mosi, parts.sst5, parts.goemotions, parts.ravdess, parts.fer2013)
    if all(corpus is None for corpus in corpora):
        raise UsageError(
            f"{data} holds none of the starter's corpora for {split}: see docs/data.md for the "
            "files that are read."
        )
    measurer = Measurer(loaded.model, loaded.normaliser, config.thresholds)
    return measurer.report(parts, config.name, split)


def _check_specs(config: checkpoints.CheckpointConfig, encoders: StarterEncoders) -> None:
    given = {spec.modality: spec for spec in encoders.specs}
    for wanted in config.feature_specs():
        through_json = checkpoints.FeatureSpecSettings.of(given[wanted.modality]).record()
        if not wanted.compatible_with(through_json):
            raise CheckpointError(
                f"checkpoint {config.name!r} was trained on {wanted!r} with "
                f"{dict(wanted.settings)}, the recipe gives {through_json!r} with "
                f"{dict(through_json.settings)}: "
                "measure it with the version of affect-pipe that trained it, or train it anew."
            )


def _complete(data: StarterData) -> TrainingCorpora:
    """Narrow a loaded train split: `Loader.load` with ``needed`` left nothing out."""
    parts = (data.meld, data.mosi, data.sst5, data.goemotions, data.ravdess, data.fer2013)
    meld, mosi, sst5, goemotions, ravdess, fer2013 = parts
    if meld is None or mosi is None or sst5 is None or goemotions is None:
        raise UsageError("the starter needs MELD, MOSI, SST-5 and GoEmotions to train.")
    if ravdess is None or fer2013 is None:
        raise UsageError("the starter needs RAVDESS and FER-2013 to train.")
    return TrainingCorpora(meld, mosi, sst5, goemotions, ravdess, fer2013)


def _fit_normaliser(corpora: TrainingCorpora, settings: StarterSettings) -> Normaliser:
    texts = (corpora.meld, corpora.mosi, corpora.sst5, corpora.goemotions)
    faces, voices = corpora.fer2013, corpora.ravdess
    return fit_normaliser(
        {
            "text": [corpus.vectors for corpus in texts],
            "acoustic": [voices.vectors[voices.present]],
            "visual": [v[f] for v, f in zip(faces.views, faces.found, strict=True)],
        },
        settings.normalisation,
    )


def _train(
    corpora: TrainingCorpora,
    normaliser: Normaliser,
    settings: StarterSettings,
    seed: int,
    device: Literal["auto", "cpu", "cuda"],
    tell: Tell,
) -> FusionModel:
    from affect_pipe.fusion.models.fusion import FusionModel
    from affect_pipe.fusion.training import seeded, train

    mixture = Mixture(corpora, settings.mixture)
    with seeded(seed):
        backbone = settings.backbone.model_dump()
        model = FusionModel("cim", backbone, normaliser.dims, settings.tasks)
    train(
        model,
        mixture.epoch,
        normaliser,
        settings.training(seed, device),
        _LastEpoch(),
        progress=_progress(settings.epochs, tell),
    )
    return model.cpu()


class _LastEpoch:
    """Scores epochs by their number, so that the last is kept.

    Rate and average of the weights are planned to the end; and a choice by the dev parts would
    make the dev figures flatter the model.
    """

    def __init__(self) -> None:
        self._epoch = 0

    def __call__(self, model: FusionModel) -> Mapping[str, float]:
        self._epoch += 1
        return {"score": float(self._epoch)}


def _progress(epochs: int, tell: Tell) -> Callable[[dict[str, Any]], None]:
    def said(record: dict[str, Any]) -> None:
        tell(
            f"epoch {record['epoch']} of {epochs}: loss {record['loss']['total']:.3f}, "
            f"{record['train_s']:.0f} s"
        )

    return said


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        **{name: importlib.metadata.version(name) for name in ("affect-pipe", "torch")},
    }
