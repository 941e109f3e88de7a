"""Checkpoint folders: ``config.json``, ``model.safetensors`` and ``README.md`` (the model card).

Reading the config needs no torch. Tensors are safetensors only: the weights under ``model.``, the
statistics under ``normalisation.<modality>.mean`` and ``.std``, principal components of a block
under ``normalisation.<modality>.pca.<block>.mean`` and ``.components``. Pictures of the card
(``*.png``) lie beside them.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from affect_pipe.fusion.components import Projection, Projections
from affect_pipe.fusion.config import (
    EMOTION_CLASSES,
    SENTIMENTS,
    EvidenceSettings,
    NormalisationSettings,
    Settings,
    TaskName,
    TaskSettings,
)
from affect_pipe.fusion.normalise import Normaliser, Statistics
from affect_pipe.pipeline.errors import CheckpointError
from affect_pipe.pipeline.given import quoted, user_path
from affect_pipe.pipeline.records import FeatureSpec, Modality

if TYPE_CHECKING:
    from affect_pipe.fusion.models.fusion import FusionModel

SCHEMA = "affect-pipe-checkpoint/1"
CONFIG_NAME = "config.json"
TENSORS_NAME = "model.safetensors"
CARD_NAME = "README.md"
# Where a training leaves its checkpoint.
IN_RUN_FOLDER = "checkpoint"
PICTURE_SUFFIX = ".png"
# A config is some tens of kilobytes (column names); anything near this is something else.
MAX_CONFIG_BYTES = 16 * 2**20


class FeatureSpecSettings(Settings):
    """`affect_pipe.pipeline.records.FeatureSpec` as it is written in a config."""

    name: str
    modality: Modality
    dim: int = Field(gt=0)
    columns: tuple[str, ...]
    version: str
    settings: dict[str, Any] = Field(default={})
    model_id: str = ""
    weights_digest: str = ""
    backend: str = ""

    @classmethod
    def of(cls, spec: FeatureSpec) -> FeatureSpecSettings:
        """Take over a spec, through JSON, so that it compares equal once it is read back."""
        return cls.model_validate(json.loads(json.dumps(asdict(spec))))

    def record(self) -> FeatureSpec:
        """Return the record."""
        return FeatureSpec(**self.model_dump())


class CheckpointConfig(Settings):
    """Everything about a checkpoint but its numbers."""

    schema_: Literal["affect-pipe-checkpoint/1"] = Field(alias="schema")
    name: str = Field(min_length=1)
    backbone: str
    backbone_settings: dict[str, Any] = Field(
        default={}, description="Of the backbone; see its class."
    )
    tasks: tuple[TaskSettings, ...] = Field(min_length=1)
    sentiment_labels: tuple[str, ...] = Field(
        default=(),
        description="Those of the sentiment_class task, for readers; empty for unstated.",
    )
    emotion_labels: tuple[str, ...] = EMOTION_CLASSES
    features: tuple[FeatureSpecSettings, ...] = Field(min_length=1)
    normalisation: dict[Modality, NormalisationSettings]
    thresholds: dict[str, dict[str, float]] = Field(
        default={},
        description="Per objective, each emotion's decision threshold. Needed for emotion_class.",
    )
    decision_objective: str = Field(
        default="f1", description="Whose thresholds say what is present."
    )
    evidence: EvidenceSettings | None = Field(
        default=None,
        description="What an utterance must offer for its prediction to stand; null to ask for "
        "nothing.",
    )
    training_data: tuple[str, ...] = Field(default=(), description="Sources, with their licences.")
    licence: str = ""
    seed: int = 0
    versions: dict[str, str] = Field(
        default={}, description="Of the libraries it was trained with."
    )
    training: dict[str, Any] = Field(default={}, description="How it was trained, for the record.")

    @model_validator(mode="after")
    def _consistent(self) -> CheckpointConfig:
        modalities = [spec.modality for spec in self.features]
        if len(set(modalities)) != len(modalities):
            raise ValueError(f"features must name each modality once, got {modalities}")
        if set(modalities) != set(self.normalisation):
            raise ValueError(
                f"features are of {sorted(modalities)}, normalisation of "
                f"{sorted(self.normalisation)}"
            )
        names = [task.name for task in self.tasks]
        if len(set(names)) != len(names):
            raise ValueError(f"tasks must be named once each, got {names}")
        self._check_labels()
        self._check_thresholds()
        for spec in self.features:
            spec.record()
            # Finds out whether the blocks of principal components were fitted, and to this width.
            self.normalisation[spec.modality].width(spec.dim)
        self._check_evidence()
        return self

    def _check_labels(self) -> None:
        task = self.task("sentiment_class")
        expected = SENTIMENTS if task is None else task.class_names
        if self.sentiment_labels not in ((), expected):
            raise ValueError(f"sentiment labels must be {expected}, in that order")
        if self.emotion_labels != EMOTION_CLASSES:
            raise ValueError(f"emotion labels must be {EMOTION_CLASSES}, in that order")

    def _check_thresholds(self) -> None:
        needed = self.task("emotion_class") is not None
        if (needed or self.thresholds) and self.decision_objective not in self.thresholds:
            raise ValueError(f"there are no thresholds for {self.decision_objective!r}")
        for objective, by_emotion in self.thresholds.items():
            if set(by_emotion) != set(EMOTION_CLASSES):
                raise ValueError(f"thresholds {objective!r} must name {EMOTION_CLASSES}")
            if not all(0.0 <= limit <= 1.0 for limit in by_emotion.values()):
                raise ValueError(f"thresholds {objective!r} must lie in [0, 1]")

    def _check_evidence(self) -> None:
        if self.evidence is None:
            return
        # What is asked for must be within reach, or every utterance would lack evidence.
        unknown = set(self.evidence.modalities) - set(self.dims)
        if unknown or self.evidence.min_modalities > len(self.dims):
            raise ValueError(
                f"evidence asks for {sorted(self.evidence.modalities)} and "
                f"{self.evidence.min_modalities} modalities, the model reads {sorted(self.dims)}"
            )
        missing = [name for name in self.evidence.min_probability if self.task(name) is None]
        if missing:
            raise ValueError(f"evidence has limits for {missing}, which the model does not predict")

    def task(self, name: TaskName) -> TaskSettings | None:
        """Return the settings of a task; None where the model does not predict it."""
        return next((task for task in self.tasks if task.name == name), None)

    @property
    def dims(self) -> dict[Modality, int]:
        """Width of each modality's raw vectors."""
        return {spec.modality: spec.dim for spec in self.features}

    @property
    def model_dims(self) -> dict[Modality, int]:
        """Width of each modality's vectors as the model reads them, after normalisation."""
        return {m: self.normalisation[m].width(dim) for m, dim in self.dims.items()}

    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """Return the specs of the features it was trained on, one a modality."""
        return tuple(spec.record() for spec in self.features)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A loaded checkpoint; the model is in eval mode, on the CPU."""

    config: CheckpointConfig
    model: FusionModel
    normaliser: Normaliser


def shipped() -> tuple[str, ...]:
    """Names of the checkpoints that come with the package."""
    root = importlib.resources.files("affect_pipe.fusion") / "weights"
    if not root.is_dir():
        return ()
    return tuple(sorted(e.name for e in root.iterdir() if (e / CONFIG_NAME).is_file()))


def resolve(name_or_path: str | Path) -> Path:
    """Find a checkpoint folder: a shipped one by its name, or any by its path.

    A run folder stands for the checkpoint in it.

    Raises
    ------
    UsageError
        If it is neither.
    """
    names = shipped()
    if str(name_or_path) in names:
        root = importlib.resources.files("affect_pipe.fusion") / "weights"
        return Path(str(root / str(name_or_path)))
    folder = user_path(name_or_path, "the checkpoint")
    try:
        if folder.is_dir():
            inside = folder / IN_RUN_FOLDER
            has_own = (folder / TENSORS_NAME).exists()
            return inside if not has_own and (inside / CONFIG_NAME).is_file() else folder
        if folder.is_file():
            raise CheckpointError(
                f"The checkpoint {folder} is a file: name the folder it is in, {folder.parent}."
            )
    except OSError:  # a name too long to be a path, for example
        pass
    known = ", ".join(names) or "none"
    raise CheckpointError(
        f"Unknown checkpoint {quoted(str(name_or_path))}: neither a folder nor a shipped one "
        f"(shipped: {known})."
    )


def read_config(folder: Path) -> CheckpointConfig:
    """Read and check ``config.json``; imports no torch.

    Raises
    ------
    CheckpointError
        If the folder or the file is missing, is no JSON, is of another schema, or does not fit.
    """
    path = Path(folder) / CONFIG_NAME
    raw = _read_json(path)
    schema = raw.get("schema")
    if schema != SCHEMA:
        raise CheckpointError(
            f"{path} has schema {quoted(schema)}, this version of affect-pipe reads {SCHEMA!r}: "
            "use the version that wrote it, or train it anew."
        )
    try:
        return CheckpointConfig.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise CheckpointError(
            f"{path} is not a valid checkpoint config at {where[:80]}: {first['msg'][:300]}."
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    if not path.parent.is_dir():
        raise CheckpointError(f"There is no checkpoint folder {path.parent}.")
    if not path.is_file():
        raise CheckpointError(f"{path.parent} is no checkpoint: it has no {path.name}.")
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise CheckpointError(f"{path} is too large to be a checkpoint config.")
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}.") from error
    except (ValueError, RecursionError) as error:
        # Not JSON, or an integer of more digits than Python reads.
        raise CheckpointError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(raw, dict):
        raise CheckpointError(f"{path} must hold a JSON object, got {type(raw).__name__}.")
    return raw


def digest(folder: Path) -> str:
    """Blake2b hex digest (128 bit) of config and tensors: what predictions depend on."""
    total = hashlib.blake2b(digest_size=16)
    for name in (CONFIG_NAME, TENSORS_NAME):
        path = Path(folder) / name
        if not path.is_file():
            raise CheckpointError(f"{folder} is no checkpoint: it has no {name}.")
        with path.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "blake2b").digest())
    return total.hexdigest()


def save(
    folder: Path,
    config: CheckpointConfig,
    model: FusionModel,
    normaliser: Normaliser,
    card: str,
    pictures: Mapping[str, bytes] | None = None,
) -> None:
    """Write a checkpoint folder, whole or not at all; an older checkpoint there is replaced.

    Parameters
    ----------
    card : str
        The model card, Markdown.
    pictures : mapping of file name to bytes, optional
        PNG files that the card shows.

    Raises
    ------
    CheckpointError
        If the folder holds something else than a checkpoint, or cannot be written, or the numbers
        do not fit the config.
    """
    from safetensors.numpy import save_file

    folder = Path(folder)
    if folder.exists() and not _replaceable(folder):
        raise CheckpointError(
            f"{folder} exists and is no checkpoint folder: choose another folder or remove it."
        )
    tensors = _tensors(model, normaliser)
    _check_finite(tensors, str(folder))
    if normaliser.input_dims != config.dims or dict(normaliser.settings) != config.normalisation:
        raise CheckpointError(
            f"The normaliser ({normaliser.input_dims}) is not the one of the config "
            f"({config.dims})."
        )
    for name in pictures or {}:
        if Path(name).name != name or Path(name).suffix != PICTURE_SUFFIX:
            raise CheckpointError(f"{name!r} is no name for a picture: use one like 'plot.png'.")
    text = json.dumps(config.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            written = staging / "new"
            written.mkdir()
            save_file(tensors, str(written / TENSORS_NAME))
            (written / CARD_NAME).write_text(card, encoding="utf-8")
            # safetensors writes for the owner alone; a checkpoint is shared like the rest of it.
            shutil.copymode(written / CARD_NAME, written / TENSORS_NAME)
            for name, picture in (pictures or {}).items():
                (written / name).write_bytes(picture)
            (written / CONFIG_NAME).write_text(text + "\n", encoding="utf-8")
            # A folder cannot be renamed over a full one: the old one steps aside first.
            if folder.exists():
                os.replace(folder, staging / "old")
            os.replace(written, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be written: {error}.") from error


def _replaceable(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    names = {entry.name for entry in folder.iterdir()}
    ours = {name for name in names if Path(name).suffix == PICTURE_SUFFIX}
    ours |= {CONFIG_NAME, TENSORS_NAME, CARD_NAME}
    return not names or (CONFIG_NAME in names and names <= ours)


def _tensors(model: FusionModel, normaliser: Normaliser) -> dict[str, np.ndarray[Any, Any]]:
    tensors = {
        f"model.{name}": np.ascontiguousarray(value.detach().cpu().numpy())
        for name, value in model.state_dict().items()
    }
    for modality, statistics in normaliser.statistics.items():
        tensors[f"normalisation.{modality}.mean"] = statistics.mean
        tensors[f"normalisation.{modality}.std"] = statistics.std
    for modality, projections in normaliser.projections.items():
        for index, projection in enumerate(projections):
            if projection is not None:
                where = f"normalisation.{modality}.pca.{index}"
                tensors[f"{where}.mean"] = projection.mean
                tensors[f"{where}.components"] = np.ascontiguousarray(projection.components)
    return tensors


def _check_finite(tensors: Mapping[str, np.ndarray[Any, Any]], where: str) -> None:
    for name, values in tensors.items():
        if not np.isfinite(values).all():
            raise CheckpointError(
                f"{where}: tensor {name!r} has values that are not numbers: the checkpoint is "
                "damaged or its training failed, train it anew."
            )


def load(folder: Path) -> Checkpoint:
    """Load a checkpoint for prediction.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, or tensors do not fit the config.
    """
    import torch

    from affect_pipe.fusion.models.fusion import FusionModel

    folder = Path(folder)
    config = read_config(folder)
    tensors = _read_tensors(folder / TENSORS_NAME)
    normaliser = _normaliser(config, tensors, folder)
    with torch.random.fork_rng(devices=[]):
        model = FusionModel(
            config.backbone, config.backbone_settings, config.model_dims, config.tasks
        )
    state = {
        name.removeprefix("model."): torch.from_numpy(values)
        for name, values in tensors.items()
        if name.startswith("model.")
    }
    _check_state(model.state_dict(), state, folder)
    model.load_state_dict(state)
    model.eval()
    return Checkpoint(config, model, normaliser)


def _read_tensors(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.is_file():
        raise CheckpointError(f"{path.parent} is no checkpoint: it has no {path.name}.")
    try:
        tensors: dict[str, np.ndarray[Any, Any]] = load_file(str(path))
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from error
    _check_finite(tensors, str(path))
    return tensors


def _normaliser(
    config: CheckpointConfig, tensors: Mapping[str, np.ndarray[Any, Any]], folder: Path
) -> Normaliser:
    statistics, projections = {}, {}
    for modality, dim in config.dims.items():
        settings = config.normalisation[modality]
        # Components that come first leave statistics of their own, not of the raw columns.
        reduced = settings.pca and settings.pca_order == "before"
        width = settings.width(dim) if reduced else dim
        pair = [tensors.get(f"normalisation.{modality}.{part}") for part in ("mean", "std")]
        mean, std = pair
        if mean is None or std is None or mean.shape != (width,) or std.shape != (width,):
            found = ["missing" if values is None else list(values.shape) for values in pair]
            raise CheckpointError(
                f"{folder}: normalisation of {modality} must be two tensors [{width}], "
                f"found {found}."
            )
        try:
            statistics[modality] = Statistics(mean.astype(np.float32), std.astype(np.float32))
            if settings.pca:
                projections[modality] = _projections(modality, settings, dim, tensors)
        except ValueError as error:
            raise CheckpointError(f"{folder}: normalisation of {modality}: {error}.") from error
    return Normaliser(config.normalisation, statistics, projections)


def _projections(
    modality: Modality,
    settings: NormalisationSettings,
    dim: int,
    tensors: Mapping[str, np.ndarray[Any, Any]],
) -> Projections:
    found: list[Projection | None] = []
    for index, (block, size) in enumerate(settings.blocks(dim)):
        if block.explained_variance is None:
            found.append(None)
            continue
        where = f"normalisation.{modality}.pca.{index}"
        mean, components = tensors.get(f"{where}.mean"), tensors.get(f"{where}.components")
        if mean is None or components is None:
            raise ValueError(f"tensors {where!r} are missing")
        if components.shape != (block.components, size):
            raise ValueError(
                f"tensor '{where}.components' is {list(components.shape)}, "
                f"its config asks for {[block.components, size]}"
            )
        found.append(Projection(mean.astype(np.float32), components.astype(np.float32)))
    return tuple(found)


def _check_state(expected: Mapping[str, Any], found: Mapping[str, Any], folder: Path) -> None:
    for name in sorted(set(expected) | set(found)):
        if name not in found:
            raise CheckpointError(f"{folder}: tensor 'model.{name}' is missing.")
        if name not in expected:
            raise CheckpointError(f"{folder}: tensor 'model.{name}' has no place in the model.")
        want, got = tuple(expected[name].shape), tuple(found[name].shape)
        if want != got:
            raise CheckpointError(
                f"{folder}: tensor 'model.{name}' is {list(got)}, its config asks for {list(want)}."
            )
