"""The CSV result: one row an utterance, for spreadsheets and data frames.

UTF-8, comma, header always there, RFC 4180 quoting. An empty cell is an unknown value; truth is
``true`` or ``false``. Numbers are those of the JSON result.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula, and the words
of a stranger's video must not be one. Text cells whose first character (after spaces and
apostrophes) is one of these therefore get an apostrophe in front; `neutralise` and `restore` are
the exact rule and its inverse.
"""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from affect_pipe.pipeline.records import MODALITIES, ModelOutputs, VideoResult
from affect_pipe.pipeline.results.json_result import utterances_to_json
from affect_pipe.pipeline.results.speaking_face import FACE_COLUMNS
from affect_pipe.pipeline.results.writing import write_result

# The full-width forms are formulas to East Asian editions of Excel.
_FORMULA_STARTS = ("=", "+", "-", "@", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
                   "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip


def columns(result: VideoResult) -> list[str]:
    """Return the header: the same for every video of one model, whether or not anyone speaks.

    The classes and emotions are those of the model. Columns of arousal, valence and evidence are
    there where the model has them, those of the face where its visual features tell which it is.
    """
    return _header(_shown(result, utterances_to_json(result)), _tells_face(result))


def to_rows(result: VideoResult) -> list[dict[str, str]]:
    """Return one mapping of column to cell an utterance, text cells neutralised."""
    utterances = utterances_to_json(result)
    shown = _shown(result, utterances)
    faces = _tells_face(result)
    return [_row(utterance, shown, faces) for utterance in utterances]


def write_csv(result: VideoResult, path: str | Path) -> None:
    """Write a result as a CSV file, whole or not at all.

    Raises
    ------
    ResultError
        If it cannot be written.
    """
    write_result(path, csv_bytes(result))


def csv_bytes(result: VideoResult) -> bytes:
    """Return the bytes that `write_csv` writes."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns(result))
    writer.writeheader()
    writer.writerows(to_rows(result))
    return text.getvalue().encode("utf-8", "replace")


def neutralise(text: str) -> str:
    """Return ``text`` as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if _looks_like_formula(text) else text


def restore(cell: str) -> str:
    """Return the text that `neutralise` was given."""
    return cell[1:] if cell.startswith("'") and _looks_like_formula(cell) else cell


def _looks_like_formula(text: str) -> bool:
    return text.lstrip("' \t\r\n\N{NO-BREAK SPACE}").startswith(_FORMULA_STARTS)


def _shown(result: VideoResult, utterances: list[dict[str, Any]]) -> ModelOutputs:
    """Return what to show: what the model says it predicts, then what else is there, in order."""
    outputs = result.model.outputs
    sentiments = dict.fromkeys(outputs.sentiment or ())
    emotions = dict.fromkeys(outputs.emotions or ())
    for utterance in utterances:
        sentiment = utterance.get("sentiment") or {}
        sentiments |= dict.fromkeys(sentiment.get("probabilities") or ())
        emotions |= dict.fromkeys(utterance.get("emotions") or ())
    return replace(outputs, sentiment=tuple(sentiments), emotions=tuple(emotions))


def _tells_face(result: VideoResult) -> bool:
    block = result.features.blocks.get("visual")
    return block is not None and set(FACE_COLUMNS) <= set(block.quality)


def _header(shown: ModelOutputs, faces: bool) -> list[str]:
    header = ["index", "start_s", "end_s", "speaker", "text", "sentiment", "sentiment_intensity"]
    header += [f"p_{_flat(label)}" for label in shown.sentiment or ()]
    for name in shown.emotions or ():
        header += [f"{_flat(name)}_{what}" for what in ("probability", "present", "intensity")]
    for modality in MODALITIES:
        header += [f"{modality}_present", f"{modality}_reason"]
    for name, labels in _scales(shown):
        header += [name, *(f"p_{name}_{_flat(label)}" for label in labels)]
    if shown.evidence:
        header += ["evidence_sufficient", "evidence_reasons"]
    if faces:
        header += ["n_faces", "face_track", "face_chosen_by", "face_confidence", "face_doubt"]
    return header


def _scales(shown: ModelOutputs) -> list[tuple[str, tuple[str, ...]]]:
    found = [("arousal", shown.arousal), ("valence", shown.valence)]
    return [(name, labels) for name, labels in found if labels is not None]


def _row(utterance: dict[str, Any], shown: ModelOutputs, faces: bool) -> dict[str, str]:
    sentiment, judged = utterance.get("sentiment") or {}, utterance.get("emotions") or {}
    probabilities = sentiment.get("probabilities") or {}
    values: list[object] = [
        utterance["index"],
        utterance["start_s"],
        utterance["end_s"],
        neutralise(utterance.get("speaker", "")),
        neutralise(utterance["text"]),
        sentiment.get("label"),
        sentiment.get("intensity"),
        *(probabilities.get(label) for label in shown.sentiment or ()),
    ]
    for name in shown.emotions or ():
        emotion = judged.get(name, {})
        values += [emotion.get(what) for what in ("probability", "present", "intensity")]
    for modality in MODALITIES:
        found = utterance["modalities"][modality]
        values += [found["present"], neutralise(found["reason"] or "")]
    for name, labels in _scales(shown):
        scale = utterance.get(name) or {}
        values.append(scale.get("label"))
        values += [scale.get("probabilities", {}).get(label) for label in labels]
    if shown.evidence:
        evidence = utterance["evidence"]
        values += [evidence["sufficient"], neutralise("; ".join(evidence["reasons"]))]
    if faces:
        face = utterance.get("face", {})
        names = ("n_faces", "track", "chosen_by", "confidence", "doubt")
        values += [face.get(name) for name in names]
    return dict(zip(_header(shown, faces), map(_cell, values), strict=True))


def _flat(name: str) -> str:
    return name.replace("-", "_").replace(" ", "_")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
