"""Labels of a folder and features of its videos, put together as dialogues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import EMOTION_CLASSES, EMOTIONS, NO_EMOTION, TaskName
from affect_pipe.fusion.datasets.corpus import presence
from affect_pipe.fusion.datasets.folder_labels import LabelledFolder, LabelledVideo
from affect_pipe.fusion.datasets.label_rows import LabelRow
from affect_pipe.fusion.encoding import MAX_INTENSITY, level_classes, sentiment_classes
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.records import FeatureBlock, FloatArray, Modality

Dimension = Literal["arousal", "valence"]
_LEVEL_TASKS: dict[Dimension, TaskName] = {"arousal": "arousal_class", "valence": "valence_class"}


def build_dialogues(
    labelled: LabelledFolder,
    features_by_video: Mapping[str, Mapping[Modality, FeatureBlock]],
    classes: int = 3,
    level_edges: Mapping[Dimension, FloatArray] | None = None,
) -> tuple[Dialogue, ...]:
    """Make one dialogue of each video that has features, in the order of ``labelled.videos``.

    Parameters
    ----------
    labelled : LabelledFolder
    features_by_video : mapping of video id to (mapping of modality to FeatureBlock)
        One row a segment, in order; see `affect_pipe.fusion.datasets.folder_labels.join_blocks`.
        Videos left out (they failed) give no dialogue.
    classes : {2, 3, 5, 7}
        Of sentiment. Where a row names its class instead of an intensity, five and seven are
        unknown.
    level_edges : mapping of "arousal" and "valence" to float32 [4], optional
        Cut ratings into classes; from `affect_pipe.fusion.encoding.level_edges` on the training
        ratings alone (see `ratings`). Without them only rows that name a class have one.

    Raises
    ------
    UsageError
        If a video is not one of the labelled ones.
    ValueError
        If a block has not one row a segment.
    """
    unknown = set(features_by_video) - {video.id for video in labelled.videos}
    if unknown:
        raise UsageError(f"{labelled.labels} has no labels for the video {min(unknown)!r}.")
    return tuple(
        _dialogue(labelled, video, features_by_video[video.id], classes, level_edges or {})
        for video in labelled.videos
        if video.id in features_by_video
    )


def ratings(videos: Sequence[LabelledVideo], dimension: Dimension) -> FloatArray:
    """Collect the ratings of arousal or valence in [-1, 1], float32 [n]; NaN where unknown."""
    return np.array(
        [_or_nan(getattr(row, dimension)) for video in videos for row in video.segments],
        dtype=np.float32,
    )


def _dialogue(
    labelled: LabelledFolder,
    video: LabelledVideo,
    blocks: Mapping[Modality, FeatureBlock],
    classes: int,
    edges: Mapping[Dimension, FloatArray],
) -> Dialogue:
    n = len(video.segments)
    for modality, block in blocks.items():
        if len(block.reasons) != n:
            raise ValueError(
                f"{video.id}: {modality} has {len(block.reasons)} rows for {n} labelled segments"
            )
    targets = {
        **_sentiment(video.segments, classes),
        **_emotions(video.segments, labelled.intensities),
        **_levels(video, edges),
    }
    return Dialogue(
        id=video.id,
        corpus=labelled.labels.stem,
        features={modality: block.values for modality, block in blocks.items()},
        present=presence(
            {modality: block.values for modality, block in blocks.items()},
            {modality: block.present for modality, block in blocks.items()},
            n,
        ),
        targets={task: t for task, t in targets.items() if not np.isnan(t).all()},
    )


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _sentiment(rows: Sequence[LabelRow], classes: int) -> dict[TaskName, FloatArray]:
    intensity = np.array([_or_nan(row.sentiment) for row in rows])
    found = sentiment_classes(intensity, classes)
    named = np.array([_or_nan(row.sentiment_class) for row in rows])
    if classes in (2, 3):
        # Of two classes, neutral is not negative.
        coded = named if classes == 3 else np.where(np.isnan(named), np.nan, named > 0)
        # A class that somebody named is theirs, whatever the sign of the intensity beside it.
        found = np.where(np.isnan(coded), found, coded).astype(np.float32)
    return {
        "sentiment_intensity": (intensity / MAX_INTENSITY).astype(np.float32)[:, None],
        "sentiment_class": found[:, None],
    }


def _emotions(rows: Sequence[LabelRow], intensities: bool) -> dict[TaskName, FloatArray]:
    values = np.array([[_or_nan(row.emotions.get(e)) for e in EMOTION_CLASSES] for row in rows])
    six, none = values[:, : len(EMOTIONS)], values[:, EMOTION_CLASSES.index(NO_EMOTION)]
    here = np.where(np.isnan(six), np.nan, six > 0)
    # What nobody said of no-emotion follows from the six, where they settle it.
    some = (here == 1).any(axis=1)
    implied = np.where(some, 0.0, np.where(np.isnan(here).any(axis=1), np.nan, 1.0))
    none = np.where(np.isnan(none), implied, none > 0)
    classes = np.concatenate([here, none[:, None]], axis=1).astype(np.float32)
    targets: dict[TaskName, FloatArray] = {"emotion_class": classes}
    if intensities:
        targets["emotion_intensity"] = (six / MAX_INTENSITY).astype(np.float32)
    return targets


def _levels(
    video: LabelledVideo, edges: Mapping[Dimension, FloatArray]
) -> dict[TaskName, FloatArray]:
    targets: dict[TaskName, FloatArray] = {}
    for dimension, task in _LEVEL_TASKS.items():
        named = [_or_nan(getattr(row, task)) for row in video.segments]
        found = np.array(named, dtype=np.float32)
        if dimension in edges:
            rated = level_classes(ratings([video], dimension), edges[dimension])
            found = np.where(np.isnan(found), rated, found)
        targets[task] = found[:, None]
    return targets
