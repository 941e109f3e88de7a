"""What a reader of labelled features gives: dialogues by split and a description of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import TaskName
from affect_pipe.fusion.datasets.files import CorpusError, Split
from affect_pipe.fusion.datasets.leaks import leak_warnings, warn_of_columns
from affect_pipe.fusion.encoding import MAX_INTENSITY, sentiment_classes
from affect_pipe.pipeline.records import MODALITIES, FloatArray, Modality

SPLITS: tuple[Split, ...] = get_args(Split)
# How the corpora call the split between training and test.
SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "devel": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
}
# Sixths of a point, the finest step of annotators' means, stay apart.
_DECIMALS = 4

Encoder = Callable[[Sequence[str]], FloatArray]
"""Sentences to vectors, float32 [n, d]."""


@dataclass(frozen=True)
class FeatureColumns:
    """One modality's vectors: which feature set, and the names of its columns."""

    name: str
    columns: tuple[str, ...]

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return len(self.columns)

    def __repr__(self) -> str:
        return f"FeatureColumns({self.name}, dim={self.dim})"


@dataclass(frozen=True)
class Origin:
    """Where a corpus comes from, in words a user can act on."""

    source: str
    licence: str
    how_to_get: str


@dataclass(frozen=True)
class CorpusDescription:
    """What is known of a corpus without looking at its dialogues.

    Attributes
    ----------
    splits : mapping of split to int
        How many dialogues each has.
    modalities : mapping of modality to FeatureColumns
    labels : tuple of task name
        Tasks some utterance has a target for.
    warnings : tuple of str
        What to know before a number is believed.
    """

    name: str
    splits: Mapping[Split, int]
    modalities: Mapping[Modality, FeatureColumns]
    labels: tuple[TaskName, ...]
    origin: Origin
    warnings: tuple[str, ...] = ()

    @property
    def dims(self) -> dict[Modality, int]:
        """Width of each modality's vectors."""
        return {modality: columns.dim for modality, columns in self.modalities.items()}


@dataclass(frozen=True, eq=False)
class Corpus:
    """A described corpus: its dialogues by split, each split in a fixed order."""

    description: CorpusDescription
    dialogues: Mapping[Split, tuple[Dialogue, ...]] = field(repr=False)


def make_corpus(
    name: str,
    dialogues: Mapping[Split, Sequence[Dialogue]],
    modalities: Mapping[Modality, FeatureColumns],
    origin: Origin,
    warnings: Sequence[str] = (),
) -> Corpus:
    """Describe dialogues; empty splits are left out, columns that name a label are warned of.

    Raises
    ------
    CorpusError
        If there is no dialogue, an id comes twice, or a width is not its columns'.
    """
    kept = {split: tuple(dialogues[split]) for split in SPLITS if dialogues.get(split)}
    everyone = [dialogue for part in kept.values() for dialogue in part]
    if not everyone:
        raise CorpusError(f"{name}: there is no labelled utterance in these files; check them.")
    ids = [dialogue.id for dialogue in everyone]
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise CorpusError(f"{name}: {twice!r} is there twice, in one split or two; keep one.")
    for dialogue in everyone:
        for modality, columns in modalities.items():
            values = dialogue.features.get(modality)
            if values is not None and values.shape[1] != columns.dim:
                raise CorpusError(
                    f"{name}: {modality} of {dialogue.id!r} has {values.shape[1]} columns where "
                    f"{columns.dim} are expected; all videos need the same feature set."
                )
    labels = tuple(
        task
        for task in get_args(TaskName)
        if any(not np.isnan(d.targets[task]).all() for d in everyone if task in d.targets)
    )
    of_columns = [
        warning
        for columns in modalities.values()
        if (warning := warn_of_columns(columns.name, columns.columns))
    ]
    described = CorpusDescription(
        name=name,
        splits={split: len(part) for split, part in kept.items()},
        modalities=dict(modalities),
        labels=labels,
        origin=origin,
        warnings=(*warnings, *of_columns),
    )
    return Corpus(described, kept)


def check_features(corpus: Corpus) -> tuple[str, ...]:
    """Warn of features that know the label: by their names, or learnt from the train split.

    The other split is dev, or test where there is no dev; see
    `affect_pipe.fusion.datasets.leaks`. Takes a classifier a modality, some seconds in all.
    """
    named = [
        warning
        for columns in corpus.description.modalities.values()
        if (warning := warn_of_columns(columns.name, columns.columns))
    ]
    train = corpus.dialogues.get("train", ())
    other = corpus.dialogues.get("dev") or corpus.dialogues.get("test", ())
    return (*named, *leak_warnings(train, other))


def sentiment_targets(intensity: npt.ArrayLike, classes: int = 3) -> dict[TaskName, FloatArray]:
    """Targets of sentiment.

    Parameters
    ----------
    intensity : float [U]
        In [-3, 3]; NaN where unknown.
    classes : {2, 3, 5, 7}
        See `affect_pipe.fusion.encoding.sentiment_classes`.
    """
    values = np.asarray(intensity, dtype=np.float64)
    return {
        "sentiment_intensity": (values / MAX_INTENSITY).astype(np.float32)[:, None],
        "sentiment_class": sentiment_classes(values, classes)[:, None],
    }


def emotion_targets(intensity: npt.ArrayLike) -> dict[TaskName, FloatArray]:
    """Targets of emotion: every emotion above zero is present, none of them is "no-emotion".

    Parameters
    ----------
    intensity : float [U, 6]
        In [0, 3], in the order of `EMOTIONS`; NaN where unknown.
    """
    values = np.asarray(intensity, dtype=np.float64)
    here = np.where(np.isnan(values), np.nan, values > 0)
    # One emotion that is there settles it; unknown ones leave it open otherwise.
    some = np.any(here == 1, axis=1)
    none = np.where(some, 0.0, np.where(np.isnan(here).any(axis=1), np.nan, 1.0))
    return {
        "emotion_intensity": (values / MAX_INTENSITY).astype(np.float32),
        "emotion_class": np.concatenate([here, none[:, None]], axis=1).astype(np.float32),
    }


def with_sentiment_classes(dialogues: Sequence[Dialogue], classes: int) -> tuple[Dialogue, ...]:
    """Make ``sentiment_class`` anew from the target ``sentiment_intensity`` of each dialogue.

    Parameters
    ----------
    dialogues : sequence of Dialogue
    classes : {2, 3, 5, 7}
    """
    recoded = []
    for dialogue in dialogues:
        values = dialogue.targets["sentiment_intensity"].astype(np.float64) * MAX_INTENSITY
        # An annotators' mean of 1.5 comes back from float32 as less, and would be rounded down.
        exact = np.clip(np.round(values, _DECIMALS), -MAX_INTENSITY, MAX_INTENSITY)
        targets = {**dialogue.targets, "sentiment_class": sentiment_classes(exact, classes)}
        recoded.append(replace(dialogue, targets=targets))
    return tuple(recoded)


def presence(
    features: Mapping[Modality, npt.NDArray[Any]],
    rows: Mapping[Modality, npt.NDArray[np.bool_]],
    n_utterances: int,
) -> npt.NDArray[np.bool_]:
    """Put the rows present in each modality side by side, bool [U, 3]."""
    here = np.zeros((n_utterances, len(MODALITIES)), dtype=np.bool_)
    for index, modality in enumerate(MODALITIES):
        if modality in features:
            here[:, index] = rows[modality]
    return here


def encode_texts(encode: Encoder, texts: Sequence[str], corpus: str) -> FloatArray:
    """Turn texts into vectors and check what came back.

    Raises
    ------
    CorpusError
        If it is not one finite vector a text.
    """
    vectors = np.asarray(encode(texts), dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
        raise CorpusError(
            f"{corpus}: the text encoder gave {list(vectors.shape)} for {len(texts)} texts, "
            "expected one finite vector each; choose another encoder."
        )
    return vectors
