"""A checkpoint from a user's own labelled videos: split, normalise, train, measure, save."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from affect_pipe.fusion import checkpoint as checkpoints
from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import (
    PAPER_THRESHOLDS,
    NormalisationSettings,
    Settings,
    TaskName,
    TaskSettings,
)
from affect_pipe.fusion.datasets.files import Split
from affect_pipe.fusion.datasets.folder_labels import LabelledFolder
from affect_pipe.fusion.datasets.labelled_dialogues import Dimension, build_dialogues, ratings
from affect_pipe.fusion.datasets.leaks import leak_warnings
from affect_pipe.fusion.datasets.splits import SHARES, Assignment, assign_splits, components
from affect_pipe.fusion.encoding import level_edges
from affect_pipe.fusion.normalise import Normaliser, fit_normaliser
from affect_pipe.fusion.recipes.own_videos_card import card
from affect_pipe.fusion.recipes.own_videos_evidence import (
    MIN_LABELLED,
    EvidenceChoice,
    choose_evidence,
)
from affect_pipe.fusion.training_settings import TrainingSettings
from affect_pipe.pipeline.atomic import atomic_write
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.records import MODALITIES, FeatureBlock, FeatureSpec, Modality

if TYPE_CHECKING:
    from affect_pipe.fusion.models.fusion import FusionModel
    from affect_pipe.fusion.training_events import Listener

Tell = Callable[[str], None]
REPORT = "report.json"
# With fewer groups than this a test split would be a video or two, and take from training.
MIN_GROUPS_FOR_TEST = 10
NO_TEST: dict[Split, float] = {"train": 0.7, "dev": 0.3}


class OwnVideosSettings(Settings):
    """What is trained on a user's own videos, and how."""

    backbone: str = "cim"
    backbone_settings: dict[str, Any] = Field(default={}, description="Of the backbone.")
    classes: Literal[2, 3, 5, 7] = Field(default=3, description="Of sentiment.")
    normalisation: Literal["none", "z", "shrink"] = "z"
    split_by: Literal["speaker", "video"] | None = Field(
        default=None, description="What must not be in two splits; speakers where all are named."
    )
    evidence_accuracy: float | None = Field(
        default=None,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="Predictions of less probability than keeps this share of dev's sentiment "
        "classes right are marked as lacking evidence; null marks none.",
    )
    training: TrainingSettings = TrainingSettings()


@dataclass(frozen=True)
class OwnVideosReport:
    """What came out of a training.

    Attributes
    ----------
    checkpoint : Path
        ``affect-pipe run --model`` takes it, or the run folder around it.
    scores : mapping of split to (mapping of task to metrics)
        ``dev`` chose the epoch and the thresholds; ``test``, where there is one, was looked at
        once.
    splits : mapping of split to video ids
    evidence : EvidenceChoice or None
        The limit on probability, where one was asked for and found.
    """

    checkpoint: Path
    scores: Mapping[str, Mapping[TaskName, Mapping[str, float]]]
    splits: Mapping[str, Sequence[str]]
    best_epoch: int
    warnings: tuple[str, ...]
    evidence: EvidenceChoice | None = None

    def as_text(self) -> str:
        """Return a few lines to print."""
        lines = [
            ", ".join(f"{split}: {len(ids)} videos" for split, ids in self.splits.items()),
            f"best epoch by dev loss: {self.best_epoch}",
        ]
        for split, by_task in self.scores.items():
            for task, metrics in by_task.items():
                shown = [f"{name} {value:.3f}" for name, value in metrics.items() if _whole(name)]
                lines.append(f"{split}  {task}: {', '.join(shown) or 'nothing to measure'}")
        if self.evidence is not None:
            lines.append(self.evidence.as_text())
        return "\n".join(lines)


def _whole(metric: str) -> bool:
    """Whether a metric is of the whole task: single emotions' go to the JSON alone."""
    return metric.count("/") == 0 or metric in ("f1/f1", "f1/w_acc", "w_acc/f1", "w_acc/w_acc")


def build(
    labelled: LabelledFolder,
    features: Mapping[str, Mapping[Modality, FeatureBlock]],
    out: Path,
    settings: OwnVideosSettings,
    *,
    name: str,
    resume: bool = False,
    tell: Tell,
    listen: Listener | None = None,
) -> OwnVideosReport:
    """Train a checkpoint on labelled videos whose features are known.

    Parameters
    ----------
    labelled : LabelledFolder
    features : mapping of video id to (mapping of modality to FeatureBlock)
        One row a segment. Videos left out are not trained on.
    out : Path
        Run folder; the checkpoint is written into it.
    name : str
        Of the checkpoint.
    resume : bool
        Go on with what is in ``out``.
    tell : callable (line)
    listen : callable (TrainingEvent), optional

    Raises
    ------
    UsageError
        If there are too few videos to split, or nothing labelled to train on.
    """
    from affect_pipe.fusion.calibration import calibrate_model, card_section, settings_of
    from affect_pipe.fusion.models.fusion import FusionModel
    from affect_pipe.fusion.run_folder import STATE, RunFolder
    from affect_pipe.fusion.training import seeded, train

    seed = settings.training.seed
    assignment = _split(labelled, features, settings, seed)
    parts = _dialogues(labelled, features, assignment, settings)
    specs, warnings = _specs(features, parts["train"])
    warnings = [*labelled.warnings, *assignment.warnings, *warnings]
    columns = {spec.modality: spec.columns for spec in specs}
    warnings += leak_warnings(parts["train"], parts["dev"], columns)
    for warning in warnings:
        tell(f"warning: {warning}")
    tasks = _tasks(parts, settings, labelled)
    normaliser = _normaliser(specs, parts["train"], settings)
    if resume and not (out / STATE).is_file():
        tell(f"nothing is saved in {out} to go on from: training starts with the first epoch")
    run = RunFolder(
        out,
        {
            "name": name,
            "settings": settings.model_dump(mode="json"),
            "tasks": [task.model_dump(mode="json") for task in tasks],
            "features": [repr(spec) for spec in specs],
            "splits": _videos(parts),
        },
        resume=resume,
        tell=tell,
    )
    with seeded(seed):
        model = FusionModel(settings.backbone, settings.backbone_settings, normaliser.dims, tasks)
    outcome = train(
        model,
        lambda epoch, rng: parts["train"],
        normaliser,
        settings.training,
        _DevLoss(parts["dev"], normaliser),
        run=run,
        listen=listen,
    )
    model = model.cpu()
    # Probabilities first: thresholds are on calibrated ones.
    calibrated = calibrate_model(model, parts["dev"], normaliser, min_labelled=MIN_LABELLED)
    calibration, pictures = card_section(calibrated) if calibrated else ("", {})
    uncalibrated = [t.name for t in tasks if t.name.endswith("_class") and t.name not in calibrated]
    if uncalibrated:
        warnings.append(
            f"fewer than {MIN_LABELLED} dev utterances are labelled for {', '.join(uncalibrated)}: "
            "probabilities are not calibrated"
        )
        tell(f"warning: {warnings[-1]}")
    thresholds = _thresholds(model, parts["dev"], normaliser)
    scores = _scores(model, parts, normaliser, thresholds)
    evidence = _evidence(model, parts, normaliser, settings)
    if isinstance(evidence, str):
        tell(f"warning: {evidence}")
        warnings.append(evidence)
        evidence = None
    config = checkpoints.CheckpointConfig(
        schema="affect-pipe-checkpoint/1",
        name=name,
        backbone=settings.backbone,
        backbone_settings=settings.backbone_settings,
        tasks=settings_of(model),
        features=tuple(checkpoints.FeatureSpecSettings.of(spec) for spec in specs),
        normalisation=dict(normaliser.settings),
        thresholds=thresholds,
        evidence=None if evidence is None else evidence.settings,
        training_data=(f"{labelled.labels.name}: {len(features)} videos",),
        licence="that of the labelled videos; the features' own licences apply as well",
        seed=seed,
        versions={n: importlib.metadata.version(n) for n in ("affect-pipe", "torch", "numpy")},
        training=settings.model_dump(mode="json"),
    )
    report = OwnVideosReport(
        run.checkpoint_path,
        scores,
        _videos(parts),
        outcome.best_epoch,
        tuple(warnings),
        evidence,
    )
    text = card(config, report.as_text(), warnings, calibration)
    run.save_checkpoint(config, model, normaliser, text, pictures)
    written = {
        "scores": _finite(scores),
        "splits": report.splits,
        "best_epoch": outcome.best_epoch,
        "evidence": None if evidence is None else _finite(asdict(evidence)),
        "warnings": warnings,
    }
    atomic_write(out / REPORT, [json.dumps(written, indent=2, ensure_ascii=False).encode()])
    return report


def _split(
    labelled: LabelledFolder,
    features: Mapping[str, Any],
    settings: OwnVideosSettings,
    seed: int,
) -> Assignment:
    items = [item for item in labelled.split_items() if item.video in features]
    alone = settings.split_by == "video" or not all(item.speakers for item in items)
    n_groups = len(items) if alone else len(components(items))
    shares = SHARES if n_groups >= MIN_GROUPS_FOR_TEST else NO_TEST
    return assign_splits(items, seed, shares, settings.split_by)


def _dialogues(
    labelled: LabelledFolder,
    features: Mapping[str, Mapping[Modality, FeatureBlock]],
    assignment: Assignment,
    settings: OwnVideosSettings,
) -> dict[Split, tuple[Dialogue, ...]]:
    by_video = assignment.by_video
    training = [v for v in labelled.videos if by_video.get(v.id) == "train"]
    edges = {}
    dimensions: tuple[Dimension, ...] = ("arousal", "valence")
    for dimension in dimensions:
        rated = ratings(training, dimension)
        # Cut at quantiles of the training ratings alone.
        if len(np.unique(rated[~np.isnan(rated)])) >= 5:
            edges[dimension] = level_edges(rated)
    dialogues = build_dialogues(labelled, features, settings.classes, edges)
    splits: tuple[Split, ...] = ("train", "dev", "test")
    parts: dict[Split, tuple[Dialogue, ...]] = {
        split: tuple(d for d in dialogues if by_video[d.id] == split) for split in splits
    }
    if not parts["train"] or not parts["dev"]:
        raise UsageError(
            f"{labelled.labels}: training needs videos in train and in dev to choose the epoch by, "
            f"and there are {len(parts['train'])} and {len(parts['dev'])}: add videos, or a column "
            "split."
        )
    return parts


def _specs(
    features: Mapping[str, Mapping[Modality, FeatureBlock]], training: Sequence[Dialogue]
) -> tuple[list[FeatureSpec], list[str]]:
    """Return the features that training has anything of, and what is said of the others."""
    found: dict[Modality, FeatureSpec] = {}
    for blocks in features.values():
        found.update({modality: block.spec for modality, block in blocks.items()})
    specs, warnings = [], []
    for index, modality in enumerate(MODALITIES):
        if modality not in found:
            continue
        if any(dialogue.present[:, index].any() for dialogue in training):
            specs.append(found[modality])
        else:
            warnings.append(
                f"no training utterance has {modality} features: the checkpoint does without"
            )
    if not specs:
        raise UsageError("no training utterance has any features: nothing can be learnt.")
    return specs, warnings


def _tasks(
    parts: Mapping[Split, Sequence[Dialogue]], settings: OwnVideosSettings, labelled: LabelledFolder
) -> tuple[TaskSettings, ...]:
    named: set[TaskName] = {name for dialogue in parts["train"] for name in dialogue.targets}
    order: tuple[TaskName, ...] = (
        *("sentiment_class", "sentiment_intensity", "emotion_class", "emotion_intensity"),
        *("arousal_class", "valence_class"),
    )
    if not named:
        raise UsageError(f"{labelled.labels} labels no utterance of the training videos.")
    return tuple(
        TaskSettings(name=task, classes=settings.classes)
        if task == "sentiment_class"
        else TaskSettings(name=task)
        for task in order
        if task in named
    )


def _normaliser(
    specs: Sequence[FeatureSpec], training: Sequence[Dialogue], settings: OwnVideosSettings
) -> Normaliser:
    vectors = {
        spec.modality: [
            dialogue.features[spec.modality][dialogue.present[:, MODALITIES.index(spec.modality)]]
            for dialogue in training
            if spec.modality in dialogue.features
        ]
        for spec in specs
    }
    normalisation = {
        spec.modality: NormalisationSettings(kind=settings.normalisation) for spec in specs
    }
    return fit_normaliser(vectors, normalisation)


class _DevLoss:
    """Scores an epoch by the loss on the dev videos, the sum over tasks, negated.

    By fixed weights, whatever training uses: trained ones would move the measure with the epochs.
    Defined whenever one dev utterance is labelled, where correlations and F1 need many.
    """

    def __init__(self, dialogues: Sequence[Dialogue], normaliser: Normaliser) -> None:
        self._dialogues, self._normaliser = dialogues, normaliser

    def __call__(self, model: FusionModel) -> Mapping[str, float]:
        import torch

        from affect_pipe.fusion.batch import collate

        was_training = model.training
        model.eval()
        with torch.no_grad():
            batch = collate(self._dialogues, model.dims, self._normaliser, tuple(model.tasks))
            batch = batch.to(model.device)
            losses = model.losses(batch, model(batch))
        model.train(was_training)
        by_task = {f"loss/{name}": float(loss) for name, loss in losses.items()}
        return {"score": -float(model.total_loss(losses)), **by_task}


def _thresholds(
    model: FusionModel, dialogues: Sequence[Dialogue], normaliser: Normaliser
) -> dict[str, dict[str, float]]:
    """Choose emotion thresholds on dev; the paper's where dev has too few examples."""
    if "emotion_class" not in model.tasks:
        return {}
    from affect_pipe.fusion import metrics, thresholds
    from affect_pipe.fusion.inference import gather, predict_values

    values = predict_values(model, dialogues, normaliser)
    target, estimate = gather("emotion_class", dialogues, values)
    objectives = {"f1": thresholds.positive_f1, "w_acc": metrics.weighted_accuracy}
    return {
        objective: thresholds.calibrate(target, estimate, function, PAPER_THRESHOLDS[objective])
        for objective, function in objectives.items()
    }


def _evidence(
    model: FusionModel,
    parts: Mapping[Split, Sequence[Dialogue]],
    normaliser: Normaliser,
    settings: OwnVideosSettings,
) -> EvidenceChoice | str | None:
    if settings.evidence_accuracy is None:
        return None
    return choose_evidence(
        model, parts["dev"], parts["test"], normaliser, settings.evidence_accuracy
    )


def _scores(
    model: FusionModel,
    parts: Mapping[Split, Sequence[Dialogue]],
    normaliser: Normaliser,
    thresholds: Mapping[str, Mapping[str, float]],
) -> dict[str, dict[TaskName, dict[str, float]]]:
    from affect_pipe.fusion.inference import evaluate

    return {
        split: evaluate(model, dialogues, normaliser, thresholds or None)
        for split, dialogues in parts.items()
        if split != "train" and dialogues
    }


def _videos(parts: Mapping[Split, Sequence[Dialogue]]) -> dict[str, list[str]]:
    return {split: [d.id for d in dialogues] for split, dialogues in parts.items() if dialogues}


def _finite(scores: Any) -> Any:
    """Return scores as JSON can say them: what is undefined becomes null."""
    if isinstance(scores, Mapping):
        return {key: _finite(value) for key, value in scores.items()}
    return scores if scores is not None and np.isfinite(scores) else None
