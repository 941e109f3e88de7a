"""Rows of a label file: three layouts to one kind of row, every mistake with its line and column.

Own: ``video``, ``start_s`` and ``end_s`` or ``segment``, optional ``text``, ``speaker``, ``split``,
and any of ``sentiment``, ``sentiment_class``, ``emotion``, the emotions, ``arousal``, ``valence``,
``arousal_class``, ``valence_class``. MMSA's ``label.csv``: ``video_id``, ``clip_id``, ``text``,
``label``, ``mode``... MELD's: ``Utterance``, ``Speaker``, ``Emotion``, ``Sentiment``,
``Dialogue_ID``, ``Utterance_ID``...
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from affect_pipe.fusion.config import EMOTION_CLASSES, SENTIMENTS
from affect_pipe.fusion.datasets.files import CorpusError, Split, existing
from affect_pipe.fusion.datasets.label_models import (
    EMOTION_NAMES,
    MeldRow,
    MmsaRow,
    OwnRow,
    Row,
    number_between,
)
from affect_pipe.fusion.encoding import MAX_INTENSITY

NAME = "Labels"
Layout = Literal["own", "mmsa", "meld"]
_LISTED = 20


@dataclass(frozen=True)
class BadRow:
    """One mistake: where it is, what was expected, what is there."""

    line: int
    column: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: expected {self.expected}, got {self.got}"


class LabelError(CorpusError):
    """A label file has rows that cannot be read; ``rows`` has every one."""

    def __init__(self, path: Path, rows: Sequence[BadRow]) -> None:
        self.rows = tuple(rows)
        listed = "; ".join(f"{path}, {row}" for row in self.rows[:_LISTED])
        rest = len(self.rows) - _LISTED
        more = f"; and {rest} more" if rest > 0 else ""
        super().__init__(f"wrong label rows: {len(self.rows)}: {listed}{more}; correct them.")


@dataclass(frozen=True)
class LabelRow:
    """One labelled stretch, whatever layout it came from.

    Attributes
    ----------
    line : int
        Where its row starts in the file.
    segment : str
        Its name within the video; the start time where the file names none.
    start_s, end_s : float, optional
        Both, or neither where the segment is a clip of its own.
    order : tuple
        Sorts the segments of a video.
    sentiment : float, optional
        Intensity in [-3, 3].
    sentiment_class : int, optional
        Index into `SENTIMENTS`, where the file gives a class.
    emotions : mapping of emotion class to float
        Presence (0 or 1) or intensity ([0, 3]); the file decides which, see `LabelRows`.
    arousal, valence : float, optional
        Ratings in [-1, 1].
    arousal_class, valence_class : int, optional
        Indices into `LEVELS`.
    """

    line: int
    video: str
    segment: str
    order: tuple[float, str]
    start_s: float | None = None
    end_s: float | None = None
    text: str | None = None
    speaker: str | None = None
    split: Split | None = None
    sentiment: float | None = None
    sentiment_class: int | None = None
    emotions: Mapping[str, float] = field(default_factory=dict)
    arousal: float | None = None
    valence: float | None = None
    arousal_class: int | None = None
    valence_class: int | None = None


@dataclass(frozen=True)
class LabelRows:
    """A label file's rows in its order.

    Attributes
    ----------
    intensities : bool
        Whether emotion values are degrees in [0, 3]: some value is neither 0 nor 1.
    """

    layout: Layout
    rows: tuple[LabelRow, ...]
    intensities: bool
    warnings: tuple[str, ...] = ()


_LAYOUTS: dict[Layout, tuple[type[Row], frozenset[str]]] = {
    "meld": (MeldRow, frozenset({"Utterance", "Speaker", "Dialogue_ID", "Utterance_ID"})),
    "mmsa": (MmsaRow, frozenset({"video_id", "clip_id", "label"})),
    "own": (OwnRow, frozenset({"video"})),
}


class _MistakeError(ValueError):
    """A row whose fields are right by themselves and wrong together."""

    def __init__(self, column: str, expected: str, got: str) -> None:
        super().__init__(expected)
        self.column, self.expected, self.got = column, expected, got


def read_rows(path: Path, sentiment_scale: float = MAX_INTENSITY) -> LabelRows:
    """Read a label file in one of the three layouts, told apart by its columns.

    Parameters
    ----------
    path : Path
        CSV in UTF-8 with a header; separated by commas, semicolons or tabs.
    sentiment_scale : float
        Of MMSA's ``label``: 3 in CMU-MOSI and CMU-MOSEI, 1 in CH-SIMS.

    Raises
    ------
    UsageError
        If there is no such file.
    LabelError
        If rows are wrong; all of them are named.
    CorpusError
        If it is no such file at all.
    """
    header, records = _records(path)
    layout = next((name for name, (_, needed) in _LAYOUTS.items() if needed <= set(header)), None)
    if layout is None:
        raise CorpusError(
            f"{path} has the columns {', '.join(header)[:200]}: expected video (and start_s, "
            "end_s), or those of MMSA's label.csv or of MELD's CSV; name them so."
        )
    emotions = {c: EMOTION_NAMES[c.lower()] for c in header if c.lower() in EMOTION_NAMES}
    if layout != "own":
        emotions = {}
    model, _ = _LAYOUTS[layout]
    rows: list[LabelRow] = []
    bad: list[BadRow] = []
    for line, record in records:
        try:
            values = {key: value for key, value in record.items() if value.strip()}
            rows.append(_row(layout, model, values, emotions, line, sentiment_scale))
        except ValidationError as error:
            bad += [_bad(line, model, record, details) for details in error.errors()]
        except _MistakeError as error:
            bad.append(BadRow(line, error.column, error.expected, error.got))
    bad += _twice(rows)
    if bad:
        raise LabelError(path, sorted(bad, key=lambda row: row.line))
    if not rows:
        raise CorpusError(f"{path} has no rows under its header; give one a labelled segment.")
    degrees = any(v not in (0.0, 1.0) for row in rows for v in row.emotions.values())
    return LabelRows(layout, tuple(rows), degrees, _unread(layout, model, header, emotions))


def _records(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Header and rows; each row with the line it starts on."""
    try:
        text = existing(path, NAME).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not UTF-8 text: {error}; save it as UTF-8.") from error
    first = text.partition("\n")[0]
    separator = next((s for s in ",;\t" if s in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    records: list[tuple[int, dict[str, str]]] = []
    bad: list[BadRow] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        line = reader.line_num + 1
        for fields in reader:
            if len(fields) == len(header):
                records.append((line, dict(zip(header, fields, strict=True))))
            elif any(map(str.strip, fields)):
                wanted, found = f"{len(header)} fields as in the header", str(len(fields))
                bad.append(BadRow(line, str(min(len(fields), len(header)) + 1), wanted, found))
            line = reader.line_num + 1
    except csv.Error as error:
        raise CorpusError(f"{path}, line {reader.line_num}, is no CSV: {error}.") from error
    if bad:
        raise LabelError(path, bad)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise CorpusError(f"{path} has the column {twice[0]!r} twice; keep one.")
    return header, [(line, record) for line, record in records if any(record.values())]


def _bad(line: int, model: type[Row], record: Mapping[str, str], details: Any) -> BadRow:
    where = str(details["loc"][0])
    by_alias = {info.alias or name: info for name, info in model.model_fields.items()}
    expected = by_alias[where].description or "text"
    got = repr(record[where][:60]) if record.get(where, "").strip() else "nothing"
    return BadRow(line, where, expected, got)


def _row(
    layout: Layout,
    model: type[Row],
    values: Mapping[str, str],
    emotions: Mapping[str, str],
    line: int,
    scale: float,
) -> LabelRow:
    row = model.model_validate(values)
    if isinstance(row, MeldRow):
        return _meld(row, line)
    if isinstance(row, MmsaRow):
        return _mmsa(row, line, scale)
    if isinstance(row, OwnRow):
        return _own(row, _degrees(values, emotions), line)
    raise TypeError(f"no layout {layout}")


def _degrees(values: Mapping[str, str], emotions: Mapping[str, str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for column, emotion in emotions.items():
        if column not in values:
            continue
        try:
            found[emotion] = number_between(0, MAX_INTENSITY)(values[column])
        except ValueError as error:
            wanted = "0 or 1, or an intensity in [0, 3]"
            raise _MistakeError(column, wanted, repr(values[column][:60])) from error
    return found


def _own(row: OwnRow, emotions: dict[str, float], line: int) -> LabelRow:
    timed = row.start_s is not None and row.end_s is not None
    if row.start_s is not None and row.end_s is not None and row.end_s <= row.start_s:
        raise _MistakeError("end_s", f"more than start_s, {row.start_s:g}", f"{row.end_s:g}")
    if (row.start_s is None) != (row.end_s is None):
        lacking = "start_s" if row.start_s is None else "end_s"
        raise _MistakeError(lacking, "seconds beside the other time", "nothing")
    if not timed and row.segment is None:
        raise _MistakeError("start_s", "start_s and end_s, or a segment", "nothing")
    if row.emotion is not None:
        emotions = dict.fromkeys(EMOTION_CLASSES, 0.0) | {row.emotion: 1.0} | emotions
    named = isinstance(row.sentiment, str)
    segment = row.segment if row.segment is not None else f"{row.start_s:g}"
    return LabelRow(
        line=line,
        video=row.video,
        segment=segment,
        order=(row.start_s, segment) if row.start_s is not None else _place(segment),
        start_s=row.start_s,
        end_s=row.end_s,
        text=row.text,
        speaker=row.speaker,
        split=row.split,
        sentiment=None if named or row.sentiment is None else float(row.sentiment),
        sentiment_class=_named_class(row),
        emotions=emotions,
        arousal=row.arousal,
        valence=row.valence,
        arousal_class=row.arousal_class,
        valence_class=row.valence_class,
    )


def _named_class(row: OwnRow) -> int | None:
    if row.sentiment_class is None and isinstance(row.sentiment, str):
        return SENTIMENTS.index(row.sentiment)
    return row.sentiment_class


def _mmsa(row: MmsaRow, line: int, scale: float) -> LabelRow:
    if not abs(row.label) <= scale:
        raise _MistakeError("label", f"a number in [-{scale:g}, {scale:g}]", f"{row.label:g}")
    return LabelRow(
        line=line,
        video=row.video_id,
        segment=row.clip_id,
        order=_place(row.clip_id),
        text=row.text,
        split=row.mode,
        sentiment=row.label / scale * MAX_INTENSITY,
    )


def _meld(row: MeldRow, line: int) -> LabelRow:
    # The times are those of the broadcast; the clips are cut already.
    return LabelRow(
        line=line,
        video=f"dia{row.dialogue}",
        segment=f"utt{row.place}",
        order=(float(row.place), ""),
        text=row.utterance,
        speaker=row.speaker,
        sentiment_class=row.sentiment,
        emotions=dict.fromkeys(EMOTION_CLASSES, 0.0) | {row.emotion: 1.0},
    )


def _place(segment: str) -> tuple[float, str]:
    """Sort numbers as numbers, with what stands around them after that."""
    digits = re.findall(r"\d+", segment)
    return (float(digits[-1]) if digits else float("inf"), segment)


def _twice(rows: Sequence[LabelRow]) -> list[BadRow]:
    seen: dict[tuple[str, str], int] = {}
    bad = []
    for row in rows:
        first = seen.setdefault((row.video, row.segment), row.line)
        if first != row.line:
            wanted = f"a segment of {row.video} that line {first} has not labelled already"
            bad.append(BadRow(row.line, "video", wanted, row.segment))
    return bad


def _unread(
    layout: Layout, model: type[Row], header: Sequence[str], emotions: Mapping[str, str]
) -> tuple[str, ...]:
    if layout != "own":
        return ()
    known = {*model.model_fields, *EMOTION_NAMES}
    warnings = []
    for name in header:
        if name not in model.model_fields and name not in emotions:
            near = difflib.get_close_matches(name.lower(), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            warnings.append(f"the column {name!r} is not read{hint}")
    return tuple(warnings)
