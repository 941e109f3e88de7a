"""One cell of a grid: a setup trained with one seed, and what it predicts."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.batch import Dialogue, target_width
from affect_pipe.fusion.config import (
    SINGLE_LABEL_TASKS,
    NormalisationSettings,
    PcaBlock,
    TaskName,
    TaskSettings,
)
from affect_pipe.fusion.models.fusion import FusionModel
from affect_pipe.fusion.normalise import Normaliser, fit_normaliser
from affect_pipe.fusion.reproduce.moments import Thresholds, evaluate, video_sums
from affect_pipe.fusion.reproduce.source import Splits
from affect_pipe.fusion.reproduce.sources import SOURCES
from affect_pipe.fusion.reproduce.tables import Setup
from affect_pipe.pipeline.atomic import atomic_write
from affect_pipe.pipeline.fingerprint import digest_json
from affect_pipe.pipeline.records import MODALITIES, FloatArray, Modality

Device = Literal["auto", "cpu", "cuda"]
Tick = Callable[[], None]
# Raised whenever the same setup, seed and data would give another result.
CELL_FORMAT = 1
CLASSICAL = frozenset({"majority", "logistic", "svm", "random-forest"})
EXPLAINED_VARIANCE = 0.95
# What chooses the epoch on validation, each the higher the better.
_SELECTED: dict[TaskName, tuple[str, ...]] = {
    "sentiment_class": ("accuracy",),
    "sentiment_intensity": ("pearson",),
    "emotion_class": ("emotion_f1", "emotion_w_acc"),
    "emotion_intensity": ("pearson",),
    "arousal_class": ("macro_f1",),
    "valence_class": ("macro_f1",),
}


@dataclass(frozen=True, eq=False)
class CellResult:
    """What a trained setup says of the videos it is judged on.

    Attributes
    ----------
    ids : tuple of str
        The videos.
    videos : int [N]
        Index of each utterance's video.
    targets : mapping of task name to float32 [N, w]
    values : mapping of task name to float32 [N, k], or [n_epochs, N, k] with cross-fitting
    best_epoch : int
        From 1; 0 where none was chosen.
    facts : mapping of str to float
        Numbers that are no predictions, such as the columns that PCA left.
    """

    ids: tuple[str, ...]
    videos: npt.NDArray[np.int64]
    targets: Mapping[TaskName, FloatArray]
    values: Mapping[TaskName, FloatArray]
    best_epoch: int = 0
    facts: Mapping[str, float] | None = None


def cell_key(setup: Setup, seed: int, data_digest: str, device: str) -> str:
    """Name a cell by all that decides its result; a row's label and threshold do not."""
    recipe = setup.model_dump(mode="json", exclude={"row", "f1_threshold", "w_acc_threshold"})
    return digest_json(
        {
            "format": CELL_FORMAT,
            "setup": recipe,
            "seed": seed,
            "data": data_digest,
            "device": device,
        }
    )


def run_cell(
    setup: Setup, seed: int, splits: Splits, device: Device = "cpu", tick: Tick | None = None
) -> CellResult:
    """Train a setup and predict.

    Parameters
    ----------
    splits : Splits
        As `affect_pipe.fusion.reproduce.sources` reads them for this setup.
    tick : callable, optional
        Called after each epoch.
    """
    judged = splits.dev if setup.protocol == "validation-only" else splits.test
    normaliser = fit_on(splits.train, setup, splits.columns)
    if setup.protocol == "none":
        return make_result(
            (), setup, {}, facts={"components": float(sum(normaliser.dims.values()))}
        )
    if setup.model in CLASSICAL:
        return _fit_classical(setup, seed, splits.train, judged, normaliser)
    return _train(setup, seed, splits, judged, normaliser, device, tick or _ignore)


def _ignore() -> None:
    """Tell nobody."""


def fit_on(
    train: Sequence[Dialogue],
    setup: Setup,
    columns: Mapping[Modality, tuple[tuple[str, int], ...]],
) -> Normaliser:
    """Fit z-normalisation, after PCA of the features that ask for it, on training videos."""
    pca = {feature.name for feature in setup.features if feature.pca}
    settings = {
        modality: NormalisationSettings(pca=_blocks(columns[modality], pca))
        for modality in setup.modalities
    }
    vectors = {
        modality: [
            d.features[modality][d.present[:, MODALITIES.index(modality)]]
            for d in train
            if modality in d.features
        ]
        for modality in setup.modalities
    }
    return fit_normaliser(vectors, settings)


def _blocks(columns: tuple[tuple[str, int], ...], pca: set[str]) -> tuple[PcaBlock, ...]:
    if not any(name in pca for name, _ in columns):
        return ()
    return tuple(
        PcaBlock(columns=width, explained_variance=EXPLAINED_VARIANCE if name in pca else None)
        for name, width in columns
    )


def _fit_classical(
    setup: Setup,
    seed: int,
    train: Sequence[Dialogue],
    judged: tuple[Dialogue, ...],
    normaliser: Normaliser,
) -> CellResult:
    from affect_pipe.fusion.classical import ClassicalSettings, fit_classical

    settings = ClassicalSettings.model_validate(
        {"kind": setup.model, "seed": seed, **setup.settings}
    )
    fitted = fit_classical(settings, setup.tasks, train, normaliser)
    values = _joined(setup, fitted.predict_values(judged))
    if setup.protocol == "cross-fit":
        values = {task.name: _candidates(setup, task, values[task.name]) for task in setup.tasks}
    return make_result(judged, setup, values)


def _train(
    setup: Setup,
    seed: int,
    splits: Splits,
    judged: tuple[Dialogue, ...],
    normaliser: Normaliser,
    device: Device,
    tick: Tick,
) -> CellResult:
    from affect_pipe.fusion.inference import predict_values
    from affect_pipe.fusion.training import TrainingSettings, seeded, train

    with seeded(seed):
        model = FusionModel(setup.model, setup.settings, normaliser.dims, setup.tasks)
    cross_fit = setup.protocol == "cross-fit"
    wanted = targets_of(setup, splits.dev)
    epochs: dict[TaskName, list[FloatArray]] = {task.name: [] for task in setup.tasks}

    def validate(trained: FusionModel) -> dict[str, float]:
        tick()
        if not cross_fit:
            said = predict_values(trained, splits.dev, normaliser)
            return {"score": selection_score(setup, wanted, _joined(setup, said))}
        said = predict_values(trained, judged, normaliser)
        for task, values in _joined(setup, said).items():
            epochs[task].append(values)
        return {"score": 0.0}

    outcome = train(
        model,
        lambda epoch, rng: splits.train,
        normaliser,
        TrainingSettings(
            epochs=setup.epochs,
            patience=setup.patience,
            batch_size=setup.batch_size,
            learning_rate=setup.learning_rate,
            seed=seed,
            device=device,
            loss_weighting=setup.loss_weighting,
        ),
        validate,
    )
    if cross_fit:
        return make_result(judged, setup, {name: np.stack(each) for name, each in epochs.items()})
    said = predict_values(model, judged, normaliser)
    return make_result(judged, setup, _joined(setup, said), outcome.best_epoch)


def _candidates(setup: Setup, task: TaskSettings, values: FloatArray) -> FloatArray:
    """Return what cross-fitting chooses from where there are no epochs, ``[n, N, k]``.

    For the majority, one candidate a class: what is most frequent in one half of the test videos
    is said of the other. A fitted model is the only candidate.
    """
    if setup.model == "majority" and task.name in SINGLE_LABEL_TASKS:
        constant = np.eye(task.width, dtype=np.float32)
        return np.repeat(constant[:, None, :], len(values), axis=1)
    return values[None]


def _joined(
    setup: Setup, said: Sequence[Mapping[TaskName, FloatArray]]
) -> dict[TaskName, FloatArray]:
    return {task.name: np.concatenate([part[task.name] for part in said]) for task in setup.tasks}


def selection_score(
    setup: Setup,
    targets: Mapping[TaskName, FloatArray],
    values: Mapping[TaskName, FloatArray],
) -> float:
    """Mean over the tasks of what chooses the epoch; a metric that is undefined counts as -1.

    Parameters
    ----------
    targets, values : mapping of task name to float32 [N, w] and [N, k]
        Of the validation videos' utterances, end to end.
    """
    limits = Thresholds(setup.f1_threshold, setup.w_acc_threshold)
    scores = []
    for task in setup.select_on or tuple(task.name for task in setup.tasks):
        videos = np.zeros(len(targets[task]), dtype=np.int64)
        found = []
        for metric in _SELECTED[task]:
            sums = video_sums(task, metric, targets[task], values[task], videos, 1, limits)
            value = float(evaluate(task, metric, sums[0]))
            found.append(value if math.isfinite(value) else -1.0)
        scores.append(sum(found) / len(found))
    return sum(scores) / len(scores)


def targets_of(setup: Setup, dialogues: Sequence[Dialogue]) -> dict[TaskName, FloatArray]:
    """Labels of the setup's tasks, end to end, NaN where unknown or with nothing to judge by."""
    return {
        task.name: np.concatenate([_target(d, task.name) for d in dialogues])
        for task in setup.tasks
        if dialogues
    }


def _target(dialogue: Dialogue, task: TaskName) -> FloatArray:
    """Return the labels of a task, NaN where there is nothing to judge by."""
    target = dialogue.targets.get(task)
    if target is None:
        return np.full((len(dialogue), target_width(task)), np.nan, np.float32)
    return np.where(dialogue.present.any(axis=1)[:, None], target, np.float32(np.nan))


def make_result(
    judged: Sequence[Dialogue],
    setup: Setup,
    values: Mapping[TaskName, FloatArray],
    best_epoch: int = 0,
    facts: Mapping[str, float] | None = None,
) -> CellResult:
    """Put predictions of the judged videos, end to end, together with their labels."""
    # The segments of one video are alike, so intervals resample videos.
    names = [SOURCES[setup.source].video_of(dialogue.id) for dialogue in judged]
    ids = tuple(dict.fromkeys(names))
    places = {name: place for place, name in enumerate(ids)}
    return CellResult(
        ids=ids,
        videos=np.repeat([places[name] for name in names], [len(d) for d in judged]).astype(
            np.int64
        ),
        targets=targets_of(setup, judged),
        values=values,
        best_epoch=best_epoch,
        facts=facts,
    )


def save_cell(path: Path, key: str, result: CellResult) -> None:
    """Write a result as one ``.npz`` file, whole or not at all."""
    header = {
        "key": key,
        "ids": list(result.ids),
        "best_epoch": result.best_epoch,
        "facts": dict(result.facts or {}),
    }
    arrays: dict[str, npt.NDArray[Any]] = {
        "header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8),
        "videos": result.videos,
        **{f"target/{name}": array for name, array in result.targets.items()},
        **{f"values/{name}": array for name, array in result.values.items()},
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **cast(Any, arrays))
    atomic_write(path, [buffer.getvalue()])


def load_cell(path: Path, key: str) -> CellResult | None:
    """Read a result back; None if there is none or it is not a whole one of this key."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop("header").tobytes())
        if header["key"] != key:
            return None
        by_kind: dict[str, dict[TaskName, FloatArray]] = {"target": {}, "values": {}}
        videos = arrays.pop("videos")
        for name, array in arrays.items():
            kind, _, task = name.partition("/")
            by_kind[kind][cast(TaskName, task)] = array
        return CellResult(
            tuple(header["ids"]),
            videos,
            by_kind["target"],
            by_kind["values"],
            int(header["best_epoch"]),
            header["facts"],
        )
    except Exception:  # a cut or foreign file can fail in any way; the cell is run again
        return None
