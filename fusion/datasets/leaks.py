"""Do features know the label? Columns that predict it, and features that were learnt from it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import TaskName
from affect_pipe.pipeline.records import MODALITIES, FloatArray, Modality

# Outputs of emotion recognisers, as FACET, AFFDEX, py-feat and FaceReader name them.
_EMOTION_WORDS = re.compile(
    "anger|angry|contempt|disgust(ed)?|fear(ful)?|scared|joy(ful)?|happy|happiness|sad(ness)?|"
    "surprised?|confusion|frustration|sentiment|arousal|valence|engagement"
)
# Words that mean an emotion only where nothing but these stands beside them.
_LOOSE_WORDS = re.compile("neutral|positive|negative")
_BESIDE = re.compile(
    "evidence|intensity|prob|probability|score|likelihood|logit|confidence|emotion|facet|mean|std|"
    "max|min|avg"
)
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

# Under these the probe has no say: too few rows to tell 95 % from chance.
MIN_ROWS = 50
MIN_VIDEOS = 10
FOLDS = 5
# Enough to tell near perfect from far from it; more only takes longer.
MAX_ROWS = 4000
# On CMU-MOSI as published with MMMU-BA: text and video features, learnt from the train labels,
# 98 % and 91 % inside train and 75 % and 52 % outside; openSMILE columns 51 % and 54 %.
NEAR_PERFECT = 0.90
FAR_ABOVE = 0.15


def label_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Columns whose name says that they are a prediction of emotion or sentiment.

    "angerEvidence", "Joy" and "facet_neutral" do; "AU12" and "neutral_pose_distance" do not.
    """
    return tuple(column for column in columns if _names_a_label(column))


def _names_a_label(column: str) -> bool:
    parts = {part.lower() for part in _PARTS.findall(column)}
    if any(_EMOTION_WORDS.fullmatch(part) for part in parts):
        return True
    loose = {part for part in parts if _LOOSE_WORDS.fullmatch(part)}
    return bool(loose) and all(_BESIDE.fullmatch(part) for part in parts - loose)


def warn_of_columns(feature_set: str, columns: Sequence[str]) -> str | None:
    """Say which columns predict the label, or that nobody can tell; None if none does."""
    found = label_columns(columns)
    if found:
        return (
            f"{feature_set} has columns that are predictions of the label ({', '.join(found)}): "
            "a model that reads them repeats another recogniser; leave them out."
        )
    named = any(_PARTS.findall(column.removeprefix(feature_set)) for column in columns)
    if "facet" in feature_set.lower() and not named:
        return (
            f"{feature_set} has {len(columns)} columns without names: FACET's own emotion columns "
            "(anger, joy...) may be among them."
        )
    return None


@dataclass(frozen=True)
class Probe:
    """How well a linear classifier finds a label in one modality's vectors.

    Attributes
    ----------
    inside : float
        Accuracy in [0, 1] inside the training split, cross-validated by video.
    outside : float
        Accuracy from the training split to the other.
    majority : float
        Share of the other split's most frequent class.
    """

    modality: Modality
    task: TaskName
    inside: float
    outside: float
    majority: float

    @property
    def leaks(self) -> bool:
        """Whether the features look learnt from the labels of the training split."""
        return self.inside >= NEAR_PERFECT and self.inside - self.outside >= FAR_ABOVE

    @property
    def warning(self) -> str | None:
        """A sentence for the user, where it leaks."""
        if not self.leaks:
            return None
        return (
            f"{self.modality} features look trained on the labels of {self.task}: a linear "
            f"classifier reaches {self.inside:.0%} inside the training split and {self.outside:.0%}"
            " outside it, so no part of the training split can choose an epoch; choose by "
            "cross-fitting on the test videos, or take other features."
        )


def probe(
    vectors: FloatArray,
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    other_vectors: FloatArray,
    other_labels: npt.NDArray[np.int64],
) -> tuple[float, float]:
    """Accuracy of a logistic regression inside a split, by group, and to another split.

    Parameters
    ----------
    vectors, other_vectors : float32 [n, d], [m, d]
    labels, other_labels : int [n], [m]
    groups : int [n]
        The video of each row; no video is on both sides of a fold.

    Returns
    -------
    tuple of float
        Both in [0, 1].
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # Strong shrinkage: features that were learnt from the label need no fine weights, others
    # must not be fitted by heart.
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=1000))
    folds = GroupKFold(min(FOLDS, len(np.unique(groups))))
    guessed = cross_val_predict(model, vectors, labels, groups=groups, cv=folds)
    model.fit(vectors, labels)
    outside = model.predict(other_vectors)
    return float(np.mean(guessed == labels)), float(np.mean(outside == other_labels))


def probe_splits(
    train: Sequence[Dialogue], other: Sequence[Dialogue], task: TaskName = "sentiment_class"
) -> tuple[Probe, ...]:
    """Probe every modality for a label; those with too few rows or one class are left out.

    Parameters
    ----------
    train, other : sequences of Dialogue
        The split to train on and the one that chooses or judges.
    task : task name
        A target with one column is taken as it is; of several the only one set.
    """
    probes = []
    for modality in MODALITIES:
        inside, outside = _rows(train, modality, task), _rows(other, modality, task)
        if inside is None or outside is None:
            continue
        vectors, labels, groups = inside
        few = len(labels) < MIN_ROWS or len(np.unique(groups)) < MIN_VIDEOS
        if few or len(np.unique(labels)) < 2 or not len(outside[1]):
            continue
        scores = probe(vectors, labels, groups, outside[0], outside[1])
        majority = np.bincount(outside[1]).max() / len(outside[1])
        probes.append(Probe(modality, task, *scores, float(majority)))
    return tuple(probes)


def leak_warnings(
    train: Sequence[Dialogue],
    other: Sequence[Dialogue],
    columns: Mapping[Modality, Sequence[str]] | None = None,
    tasks: Sequence[TaskName] = ("sentiment_class", "emotion_class"),
) -> tuple[str, ...]:
    """All that is suspicious about the features of two splits, in sentences."""
    named = [warn_of_columns(m, names) for m, names in (columns or {}).items()]
    probed = [found.warning for task in tasks for found in probe_splits(train, other, task)]
    return tuple(warning for warning in (*named, *probed) if warning)


_Rows = tuple[FloatArray, npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _rows(dialogues: Sequence[Dialogue], modality: Modality, task: TaskName) -> _Rows | None:
    """Vectors, labels and video numbers of the utterances that have both."""
    index = MODALITIES.index(modality)
    vectors, labels, groups = [], [], []
    # Whole videos, evenly taken.
    step = 1 + sum(map(len, dialogues)) // MAX_ROWS
    for number, dialogue in enumerate(dialogues[::step]):
        target = dialogue.targets.get(task)
        values = dialogue.features.get(modality)
        if target is None or values is None:
            continue
        known = dialogue.present[:, index] & ~np.isnan(target).any(axis=1)
        if target.shape[1] > 1:
            known &= target.sum(axis=1) == 1
            target = np.argmax(np.nan_to_num(target), axis=1)[:, None]
        vectors.append(values[known])
        labels.append(target[known, 0].astype(np.int64))
        groups.append(np.full(int(known.sum()), number, dtype=np.int64))
    if not vectors:
        return None
    return np.concatenate(vectors), np.concatenate(labels), np.concatenate(groups)
