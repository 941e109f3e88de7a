"""What single-task and multitask models say of each utterance, side by side.

The layout of akhtar2020's Tables 5 and 7: an utterance a row, its labels, and what each setup made
of it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from affect_pipe.fusion.config import EMOTION_CLASSES, EMOTIONS, SINGLE_LABEL_TASKS, TaskName
from affect_pipe.fusion.reproduce.cells import CellResult
from affect_pipe.fusion.reproduce.moments import INTENSITY_SCALE
from affect_pipe.fusion.reproduce.scoring import Load
from affect_pipe.fusion.reproduce.tables import Entry, Setup, letters
from affect_pipe.pipeline.records import FloatArray

UNKNOWN = ""


@dataclass(frozen=True)
class UtteranceTable:
    """Rows of text: video, utterance, then label and predictions of each task."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def as_csv(self) -> str:
        """RFC 4180, with a header."""
        stream = io.StringIO()
        writer = csv.writer(stream)
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return stream.getvalue()


def has_both(entries: Sequence[Entry]) -> bool:
    """Whether a table has single-task and multitask rows."""
    counts = {len(entry.setup.tasks) for entry in entries}
    return 1 in counts and len(counts) > 1


def stl_against_mtl(entries: Sequence[Entry], load: Load, seed: int) -> UtteranceTable | None:
    """Put every setup's predictions of each utterance side by side.

    Of the setups with the most modalities, of one dataset, one seed.

    Returns
    -------
    UtteranceTable or None
        None where no setup has finished with this seed.
    """
    most = max((len(entry.setup.modalities) for entry in entries), default=0)
    setups: dict[str, Setup] = {}
    for entry in entries:
        setup = entry.setup
        if len(setup.modalities) == most and setup.source == entries[0].setup.source:
            setups.setdefault(setup.row, setup)
    found = {row: load(setup).get(seed) for row, setup in setups.items()}
    results = {row: result for row, result in found.items() if result is not None}
    if not results:
        return None
    ids = {result.ids for result in results.values()}
    if len(ids) > 1:
        return None
    return side_by_side({row: (setups[row], result) for row, result in results.items()})


def side_by_side(results: Mapping[str, tuple[Setup, CellResult]]) -> UtteranceTable:
    """Lay out results on the same utterances, by the row they belong to."""
    first = next(iter(results.values()))[1]
    places = _places(first)
    columns = ["video", "utterance"]
    cells: list[list[str]] = [[first.ids[video] for video, _ in places]]
    cells.append([str(place + 1) for _, place in places])
    tasks = dict.fromkeys(task.name for setup, _ in results.values() for task in setup.tasks)
    for task in tasks:
        with_task = {row: pair for row, pair in results.items() if task in pair[1].values}
        setup, result = next(iter(with_task.values()))
        columns.append(f"{task}: label")
        cells.append(_labels(setup, task, result.targets[task]))
        for row, (own, said) in with_task.items():
            columns.append(f"{task}: {row} ({letters(own.modalities)})")
            cells.append(_predictions(own, task, said.values[task]))
    return UtteranceTable(tuple(columns), tuple(zip(*cells, strict=True)))


def _places(result: CellResult) -> list[tuple[int, int]]:
    """Return each utterance's video and its number in it, from 0."""
    seen: dict[int, int] = {}
    places = []
    for video in result.videos.tolist():
        places.append((video, seen.get(video, 0)))
        seen[video] = seen.get(video, 0) + 1
    return places


def _labels(setup: Setup, task: TaskName, target: FloatArray) -> list[str]:
    names = _class_names(setup, task)
    if task in SINGLE_LABEL_TASKS:
        return [UNKNOWN if np.isnan(row[0]) else names[int(row[0])] for row in target]
    if task == "emotion_class":
        return [_listed(row > 0, names, np.isnan(row)) for row in target]
    return [_intensities(row, task) for row in target]


def _predictions(setup: Setup, task: TaskName, values: FloatArray) -> list[str]:
    names = _class_names(setup, task)
    if task in SINGLE_LABEL_TASKS:
        return [names[int(index)] for index in values.argmax(axis=1)]
    if task == "emotion_class":
        limit = np.float32(setup.f1_threshold)
        return [_listed(row > limit, names, np.zeros(len(row), bool)) for row in values]
    return [_intensities(row, task) for row in values]


def _class_names(setup: Setup, task: TaskName) -> tuple[str, ...]:
    if task == "emotion_class":
        return EMOTION_CLASSES
    return next(found.class_names for found in setup.tasks if found.name == task)


def _listed(
    here: np.ndarray[tuple[int], np.dtype[np.bool_]],
    names: Sequence[str],
    unknown: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> str:
    if unknown.all():
        return UNKNOWN
    return ";".join(name for name, present in zip(names, here, strict=True) if present)


def _intensities(row: FloatArray, task: TaskName) -> str:
    """Intensities on the annotators' scale: [-3, 3] or, an emotion each, [0, 3]."""
    if np.isnan(row).all():
        return UNKNOWN
    scaled = INTENSITY_SCALE * row
    if task == "sentiment_intensity":
        return f"{scaled[0]:.2f}"
    return ";".join(f"{name}={value:.2f}" for name, value in zip(EMOTIONS, scaled, strict=True))
