"""MuSe-Sent of MuSe 2021 (Stappen et al. 2021): five classes of arousal and valence a segment.

A folder with ``feature_segments/<feature>/<video>.csv`` (``timestamp`` in ms, ``segment_id``, then
the features, one row a step of 250 ms), ``label_segments/{arousal,valence}/<video>.csv`` and
``partition.csv`` (the video first, its partition last). Labels come a segment (``segment_id``,
``class_id``), as MuSe-Sent publishes them, or a step (``timestamp``, ``value`` or ``class_id``,
``segment_id``). One dialogue is one segment, one of its rows one step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import TaskName
from affect_pipe.fusion.datasets.corpus import (
    SPLIT_NAMES,
    Corpus,
    FeatureColumns,
    Origin,
    make_corpus,
    presence,
)
from affect_pipe.fusion.datasets.files import CorpusError, Split, existing, malformed
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.records import MODALITIES, FloatArray, Modality

NAME = "MuSe-Sent"
ORIGIN = Origin(
    "Stappen et al. 2021, The MuSe 2021 Multimodal Sentiment Analysis Challenge, on MuSe-CaR",
    "under the end user licence agreement of MuSe-CaR, for research",
    "on application: zenodo.org, MuSe-CaR, and the MuSe 2021 challenge's packages",
)
STEP_MS = 250
CLASSES = 5
Dimension = Literal["arousal", "valence"]
DIMENSIONS: tuple[Dimension, ...] = ("arousal", "valence")
_TASKS: dict[Dimension, TaskName] = {"arousal": "arousal_class", "valence": "valence_class"}
# The challenge's features, by the names of their folders.
FEATURE_MODALITIES: dict[str, Modality] = {
    "bert": "text",
    "bert-4": "text",
    "fasttext": "text",
    "deepspectrum": "acoustic",
    "egemaps": "acoustic",
    "vggish": "acoustic",
    "au": "visual",
    "fau": "visual",
    "fau_intensity": "visual",
    "faus": "visual",
    "gaze": "visual",
    "gocar": "visual",
    "landmarks_2d": "visual",
    "landmarks_3d": "visual",
    "openpose": "visual",
    "pose": "visual",
    "vggface": "visual",
    "xception": "visual",
}
_KEYS = ("timestamp", "segment_id")
_NOT_SEGMENT = -1


@dataclass(frozen=True, eq=False)
class _Table:
    """A CSV file's numbers: times in ms [n] (NaN where it has none), segments [n], the rest."""

    times: npt.NDArray[np.float64]
    segments: npt.NDArray[np.int64]
    columns: tuple[str, ...]
    values: npt.NDArray[np.float64]


def read_muse(
    root: Path,
    features: Sequence[str] | Mapping[Modality, Sequence[str]],
    dimensions: Sequence[Dimension] = DIMENSIONS,
) -> Corpus:
    """Read segments of steps with their classes; several features of a modality side by side.

    Parameters
    ----------
    root : Path
        The folder that holds ``feature_segments``, ``label_segments`` and ``partition.csv``.
    features : names, or mapping of modality to names
        Folders under ``feature_segments``; of the challenge's own names the modality is known.
    dimensions : sequence of {"arousal", "valence"}
        Labels to read. A video without labels (the test partition's) has unknown ones.

    Raises
    ------
    UsageError, CorpusError
        If a file is missing or malformed, or a feature's modality is not known.
    """
    by_modality = _by_modality(features)
    videos: dict[Split, list[Dialogue]] = {}
    names: dict[Modality, list[str]] = {}
    unlabelled = 0
    for video, split in _partition(root / "partition.csv").items():
        tables = {
            (modality, feature): _read_table(root / "feature_segments" / feature, video)
            for modality, chosen in by_modality.items()
            for feature in chosen
        }
        for (modality, feature), table in tables.items():
            columns = names.setdefault(modality, [])
            if not videos:
                columns += [f"{feature}_{column}" for column in table.columns]
        labels = {d: _labels(root / "label_segments" / d, video) for d in dimensions}
        unlabelled += any(table is None for table in labels.values())
        videos.setdefault(split, []).extend(_segments(video, tables, labels))
    warnings = [f"{unlabelled} videos have no labels"] if unlabelled else []
    described = {
        modality: FeatureColumns("+".join(by_modality[modality]), tuple(columns))
        for modality, columns in names.items()
    }
    return make_corpus(NAME, videos, described, ORIGIN, warnings)


def windows(dialogue: Dialogue, length: int, hop: int) -> tuple[Dialogue, ...]:
    """Cut a long segment into overlapping stretches, as the challenge's baseline trains.

    Parameters
    ----------
    dialogue : Dialogue
    length, hop : int
        In steps, ``0 < hop <= length``; the last stretch ends with the segment and may be shorter.
    """
    if not 0 < hop <= length:
        raise ValueError(f"windows need 0 < hop <= length, got hop={hop}, length={length}")
    n = len(dialogue)
    starts = range(0, max(n - length + hop, 1), hop)
    return tuple(
        replace(
            dialogue,
            id=f"{dialogue.id}+{start}" if start else dialogue.id,
            features={m: v[start : start + length] for m, v in dialogue.features.items()},
            present=dialogue.present[start : start + length],
            targets={t: v[start : start + length] for t, v in dialogue.targets.items()},
            weights=None if dialogue.weights is None else dialogue.weights[start : start + length],
            task_weights={t: v[start : start + length] for t, v in dialogue.task_weights.items()},
        )
        for start in starts
    )


def _by_modality(
    features: Sequence[str] | Mapping[Modality, Sequence[str]],
) -> dict[Modality, tuple[str, ...]]:
    if isinstance(features, Mapping):
        chosen = {m: tuple(features[m]) for m in MODALITIES if features.get(m)}
    else:
        unknown = [name for name in features if name.lower() not in FEATURE_MODALITIES]
        if unknown:
            raise UsageError(
                f"{NAME}: nothing says which modality the feature {unknown[0]!r} is: give it under "
                f"text, acoustic or visual; known ones are {', '.join(sorted(FEATURE_MODALITIES))}."
            )
        known = [(FEATURE_MODALITIES[name.lower()], name) for name in features]
        chosen = {m: tuple(n for of, n in known if of == m) for m in MODALITIES}
        chosen = {modality: names for modality, names in chosen.items() if names}
    if not chosen:
        raise UsageError(f"{NAME}: give at least one feature of feature_segments.")
    return chosen


def _partition(path: Path) -> dict[str, Split]:
    rows = existing(path, NAME).read_text(encoding="utf-8-sig").splitlines()
    found: dict[str, Split] = {}
    with malformed(path, NAME):
        for number, row in enumerate(rows[1:], start=2):
            fields = [field.strip() for field in row.split(",")]
            if not any(fields):
                continue
            video, split = fields[0], SPLIT_NAMES.get(fields[-1].lower())
            if split is None or not _is_name(video):
                raise ValueError(f"line {number} is no video and train, devel or test: {row[:60]}")
            found[video] = split
    return found


def _is_name(video: str) -> bool:
    """Whether it names a file beside the others: it becomes part of a path."""
    return video not in ("", ".", "..") and not set(video) & set("/\\\0")


def _read_table(folder: Path, video: str, keys: Sequence[str] = _KEYS) -> _Table:
    """Read a CSV file of numbers; empty cells are NaN."""
    import pyarrow
    import pyarrow.csv

    path = existing(folder / f"{video}.csv", NAME)
    with malformed(path, NAME):
        try:
            table = pyarrow.csv.read_csv(path)
        except pyarrow.ArrowInvalid as error:
            raise ValueError(" ".join(str(error).split())[:200]) from error
        columns: dict[str, npt.NDArray[np.float64]] = {}
        for name, column in zip(table.column_names, table.columns, strict=True):
            if pyarrow.types.is_null(column.type):
                columns[name] = np.full(len(table), np.nan)
            elif pyarrow.types.is_integer(column.type) or pyarrow.types.is_floating(column.type):
                columns[name] = column.cast(pyarrow.float64()).to_numpy()
            else:
                raise ValueError(f"its column {name[:40]!r} holds {column.type}, not numbers")
        if len(columns) < len(table.column_names):
            raise ValueError("two of its columns have one name")
        missing = [key for key in keys if key not in columns]
        if missing:
            raise ValueError(f"it has no column {', '.join(missing)}")
        unknown = np.full(len(table), np.nan)
        segments = np.nan_to_num(columns.pop("segment_id", unknown), nan=_NOT_SEGMENT)
        times = columns.pop("timestamp", unknown)
        timed = "timestamp" not in keys or np.isfinite(times).all()
        if not np.isfinite(segments).all() or not timed:
            raise ValueError("one of its rows has no timestamp or an infinite segment_id")
        values = np.stack(list(columns.values()), axis=1) if columns else np.zeros((len(table), 0))
    return _Table(times, segments.astype(np.int64), tuple(columns), values)


def _labels(folder: Path, video: str) -> _Table | None:
    """One class in [0, 4] a row, by step or by segment; None where the video has none."""
    path = folder / f"{video}.csv"
    if not path.is_file():
        return None
    table = _read_table(folder, video, ("segment_id",))
    name = next((n for n in ("class_id", "class", "label", "value") if n in table.columns), None)
    if name is None:
        raise CorpusError(
            f"{NAME}: {path} has the columns {', '.join(table.columns)}, expected class_id or "
            "value; fetch it anew."
        )
    classes = table.values[:, [table.columns.index(name)]]
    known = classes[~np.isnan(classes)]
    if not np.isin(known, range(CLASSES)).all():
        wrong = known[~np.isin(known, range(CLASSES))][0]
        raise CorpusError(
            f"{NAME}: {path} has {name} {wrong:g}, expected a class 0 to {CLASSES - 1}: give the "
            "labels of MuSe-Sent, not those of MuSe-Wilder."
        )
    return replace(table, columns=(name,), values=classes)


def _segments(
    video: str,
    tables: Mapping[tuple[Modality, str], _Table],
    labels: Mapping[Dimension, _Table | None],
) -> list[Dialogue]:
    """One dialogue a segment; steps are those of the first feature."""
    reference = next(iter(tables.values()))
    dialogues = []
    for segment in np.unique(reference.segments):
        if segment == _NOT_SEGMENT:
            continue
        steps = np.sort(reference.times[reference.segments == segment])
        features: dict[Modality, list[FloatArray]] = {}
        rows: dict[Modality, npt.NDArray[np.bool_]] = {}
        for (modality, _feature), table in tables.items():
            values, here = _aligned(table, segment, steps)
            features.setdefault(modality, []).append(values)
            rows[modality] = rows.get(modality, np.False_) | here
        joined = {m: np.concatenate(parts, axis=1) for m, parts in features.items()}
        targets = {
            _TASKS[dimension]: _classes(table, int(segment), steps)
            for dimension, table in labels.items()
        }
        dialogues.append(
            Dialogue(
                id=f"{video}_{segment}",
                corpus=NAME,
                features=joined,
                present=presence(joined, rows, len(steps)),
                targets=targets,
            )
        )
    return dialogues


def _nearest(
    table: _Table, segment: int, steps: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Row of each step, and whether it lies within half a step."""
    rows = np.flatnonzero(table.segments == segment)
    if not len(rows):
        return np.zeros(len(steps), dtype=np.int64), np.zeros(len(steps), dtype=np.bool_)
    rows = rows[np.argsort(table.times[rows], kind="stable")]
    times = table.times[rows]
    after = np.clip(np.searchsorted(times, steps), 0, len(times) - 1)
    before = np.clip(after - 1, 0, None)
    closer = np.where(steps - times[before] <= np.abs(times[after] - steps), before, after)
    return rows[closer], np.abs(times[closer] - steps) < STEP_MS / 2


def _aligned(
    table: _Table, segment: int, steps: npt.NDArray[np.float64]
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Vectors of each step, float32 [n, d], and whether there is one; zeros where not."""
    rows, here = _nearest(table, segment, steps)
    values = table.values[rows] if len(table.values) else np.zeros((len(steps), 0))
    with np.errstate(over="ignore"):
        vectors = values.astype(np.float32)
    finite = np.isfinite(vectors)
    here = here & finite.any(axis=1)
    return np.where(here[:, None] & finite, vectors, np.float32(0)), here


def _classes(table: _Table | None, segment: int, steps: npt.NDArray[np.float64]) -> FloatArray:
    if table is None:
        return np.full(len(steps), np.nan, dtype=np.float32)
    if np.isnan(table.times).all():
        of_segment = table.values[table.segments == segment, 0]
        label = of_segment[0] if len(of_segment) else np.nan
        return np.full(len(steps), label, dtype=np.float32)
    rows, here = _nearest(table, segment, steps)
    return np.where(here, table.values[rows, 0] if len(table.values) else 0, np.nan).astype(
        np.float32
    )
