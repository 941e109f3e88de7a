"""Features as a file holds them, whatever its format: columns that say where a row is, then values.

====================  ============================================================================
level                 columns
====================  ============================================================================
``utterance``         ``start_s``, ``end_s``, ``text``, ``speaker``, ``present``, ``reason``, one
                      column a measure of quality, then the values
``frame``             ``time_s``, ``end_s`` where rows have an extent, one column a label, then the
                      values
====================  ============================================================================

A value that was not measured is not a number (NaN; an empty cell in CSV), and so are all values of
an utterance that is not ``present``: a zero would pass for a measurement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.interfaces import Arrays
from affect_pipe.pipeline.records import FeatureBlock, FeatureSpec, Media, Transcript, Utterance

SCHEMA = "affect-pipe-features/1"
Format = Literal["parquet", "csv", "npz", "hdf5"]
FORMATS: tuple[Format, ...] = ("parquet", "csv", "npz", "hdf5")

# Labels of rows that are numbers, so that a file without rows has the types of one with rows.
_NUMBERED = frozenset({"utterance", "track", "speaking", "in_vocabulary"})

Cells = tuple[str | int | None, ...]
Values = npt.NDArray[np.float32] | npt.NDArray[np.float64]


@dataclass(frozen=True)
class FeatureFile:
    """What one file holds of one feature of one video.

    Attributes
    ----------
    metadata : mapping
        JSON-able: level, media, feature, licence, where the words come from.
    leading : mapping of name to column
        What says where a row is and whether it was measured: arrays [n] of float or bool, or
        tuples of text, whole numbers and None.
    units : mapping of name to str
        Of the leading columns that have one.
    columns : tuple of str
        Names of the values.
    column_units : tuple of str
        Their units; empty where there is none.
    values : float32 or float64 [n, len(columns)]

    Raises
    ------
    ValueError
        If lengths do not agree or a name comes twice.
    """

    metadata: Mapping[str, Any]
    leading: Mapping[str, npt.NDArray[Any] | Cells]
    units: Mapping[str, str]
    columns: tuple[str, ...]
    column_units: tuple[str, ...]
    values: Values

    def __post_init__(self) -> None:
        name, n = self.metadata["feature"]["name"], len(self.values)
        if self.values.shape != (n, len(self.columns)) or len(self.column_units) != len(
            self.columns
        ):
            raise ValueError(
                f"{name}: {list(self.values.shape)} values, {len(self.columns)} columns and "
                f"{len(self.column_units)} units"
            )
        if any(len(column) != n for column in self.leading.values()):
            raise ValueError(f"{name}: every column needs {n} rows")
        column, count = Counter((*self.leading, *self.columns)).most_common(1)[0]
        if count > 1:
            raise ValueError(f"{name}: {count} columns are called {column}")

    def described(self) -> dict[str, Any]:
        """Return the metadata with the name and the unit of every column in its order."""
        units = [*(self.units.get(name, "") for name in self.leading), *self.column_units]
        names = [*self.leading, *self.columns]
        columns = [{"name": n, "unit": u or None} for n, u in zip(names, units, strict=True)]
        return {**self.metadata, "columns": columns}


@dataclass(frozen=True)
class Origin:
    """What a file says of where its numbers come from, besides the feature itself.

    Attributes
    ----------
    media : Media
    licence : str
        What the licences of the extractor and its weights allow, in a sentence.
    transcript : Transcript or None
        The words the utterances were cut from.
    segmentation : mapping or None
        How they were cut.
    """

    media: Media
    licence: str
    transcript: Transcript | None = None
    segmentation: Mapping[str, Any] | None = None


def is_numbered(name: str, cells: Cells) -> bool:
    """Whether a leading column that is no array holds whole numbers; otherwise it holds text."""
    known = [cell for cell in cells if cell is not None]
    return all(isinstance(cell, int) for cell in known) if known else name in _NUMBERED


def file_of_block(
    block: FeatureBlock, utterances: Sequence[Utterance], units: tuple[str, ...], origin: Origin
) -> FeatureFile:
    """Lay out the vectors of utterances; ``units`` are those of the block's columns."""
    values = np.where(block.present[:, None], block.values, np.float32(np.nan))
    return FeatureFile(
        metadata=_metadata("utterance", block.spec, origin),
        leading={
            "start_s": np.array([u.start_s for u in utterances], np.float64),
            "end_s": np.array([u.end_s for u in utterances], np.float64),
            "text": tuple(_storable(u.text) for u in utterances),
            "speaker": tuple(_storable(u.speaker) for u in utterances),
            "present": block.present,
            "reason": tuple(_storable(reason) for reason in block.reasons),
            **block.quality,
        },
        units={"start_s": "s", "end_s": "s"} | _units_by_name(block.quality),
        columns=block.spec.columns,
        column_units=units,
        values=values,
    )


def file_of_table(table: FrameTable, origin: Origin) -> FeatureFile:
    """Lay out what is finer than utterances."""
    ends = {} if table.end_s is None else {"end_s": table.end_s}
    labels = {name: tuple(map(_storable, cells)) for name, cells in table.labels.items()}
    return FeatureFile(
        metadata=_metadata("frame", table.spec, origin),
        leading={"time_s": table.time_s, **ends, **labels},
        units={"time_s": "s", "end_s": "s"},
        columns=table.columns,
        column_units=table.units,
        values=table.values,
    )


def _storable(cell: Any) -> Any:
    """Return text without what some format cannot hold: halves of surrogate pairs, NUL."""
    if not isinstance(cell, str):
        return cell
    return cell.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _units_by_name(quality: Arrays) -> dict[str, str]:
    """Read the unit of a measure of quality off its name: ``speech_s``, ``snr_db``."""
    endings = {"_s": "s", "_db": "dB", "_px": "px", "_hz": "Hz"}
    return {
        name: unit for name in quality for ending, unit in endings.items() if name.endswith(ending)
    }


def _metadata(level: str, spec: FeatureSpec, origin: Origin) -> dict[str, Any]:
    media, transcript = origin.media, origin.transcript
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "level": level,
        "media": {
            "file": _storable(media.path.name),
            "digest": media.digest,
            "duration_s": media.duration_s,
        },
        "feature": {
            "name": spec.name,
            "modality": spec.modality,
            "version": spec.version,
            "settings": dict(spec.settings),
            "model_id": spec.model_id,
            "weights_digest": spec.weights_digest,
            "backend": spec.backend,
        },
        "licence": origin.licence,
    }
    if transcript is not None:
        fields["transcript"] = {
            "source": transcript.source,
            "language": transcript.language,
            "word_times": transcript.word_times,
        }
        fields["segmentation"] = dict(origin.segmentation or {})
    return fields
