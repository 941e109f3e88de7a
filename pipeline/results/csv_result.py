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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from affect_pipe.pipeline.records import MODALITIES, USUAL_OUTPUTS, ModelOutputs, VideoResult
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
    shown = _shown(result.model.outputs, utterances_to_json(result))
    return _header(shown, _tells_face(result))


def to_rows(result: VideoResult) -> list[dict[str, str]]:
    """Return one mapping of column to cell an utterance, text cells neutralised."""
    utterances = utterances_to_json(result)
    shown = _shown(result.model.outputs, utterances)
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
    return _bytes(columns(result), to_rows(result))


def published_csv(published: Mapping[str, Any]) -> bytes:
    """Return the CSV of a result in the shape of its JSON file.

    A column of what no utterance has may be missing, for the JSON says what was predicted by the
    utterance: with nobody speaking, columns are those of the usual model.
    """
    utterances = published["utterances"]
    if not utterances:
        outputs = USUAL_OUTPUTS
    else:
        # A model predicts a part of all or of none, but a file may have been edited.
        told = {name for utterance in utterances for name in utterance}
        scales = ("arousal", "valence")
        labels = {n: _labels(u.get(n) for u in utterances) for n in scales if n in told}
        outputs = ModelOutputs(
            sentiment=() if "sentiment" in told else None,
            emotions=_emotions(utterances) if "emotions" in told else None,
            arousal=labels.get("arousal"),
            valence=labels.get("valence"),
            evidence="evidence" in told,
        )
    shown = _shown(outputs, utterances)
    faces = any("face" in utterance for utterance in utterances)
    rows = [_row(utterance, shown, faces) for utterance in utterances]
    return _bytes(_header(shown, faces), rows)


def _emotions(utterances: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the emotions of a model in the usual order, its own behind them."""
    found = dict.fromkeys(name for one in utterances for name in one.get("emotions") or ())
    usual = [name for name in USUAL_OUTPUTS.emotions or () if name in found]
    return tuple(dict.fromkeys((*usual, *found)))


def _labels(found: Iterable[Mapping[str, Any] | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label for one in found if one for label in one["probabilities"]))


def _bytes(header: Sequence[str], rows: Iterable[Mapping[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def neutralise(text: str) -> str:
    """Return ``text`` as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if _looks_like_formula(text) else text


def restore(cell: str) -> str:
    """Return the text that `neutralise` was given."""
    return cell[1:] if cell.startswith("'") and _looks_like_formula(cell) else cell


def _looks_like_formula(text: str) -> bool:
    return text.lstrip("' \t\r\n\N{NO-BREAK SPACE}").startswith(_FORMULA_STARTS)


def _shown(outputs: ModelOutputs, utterances: Sequence[Mapping[str, Any]]) -> ModelOutputs:
    """Return what to show: what the model says it predicts, then what else is there, in order."""
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


def _row(utterance: Mapping[str, Any], shown: ModelOutputs, faces: bool) -> dict[str, str]:
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
        evidence = utterance.get("evidence") or {}
        reasons = "; ".join(evidence.get("reasons", ()))
        values += [evidence.get("sufficient"), neutralise(reasons)]
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
