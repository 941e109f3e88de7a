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
from pathlib import Path
from typing import Any

from affect_pipe.pipeline.records import MODALITIES, VideoResult
from affect_pipe.pipeline.results.json_result import utterances_to_json
from affect_pipe.pipeline.results.writing import write_result

SENTIMENTS = ("negative", "neutral", "positive")
EMOTIONS = ("anger", "disgust", "fear", "happy", "sad", "surprise", "no-emotion")
# The full-width forms are formulas to East Asian editions of Excel.
_FORMULA_STARTS = ("=", "+", "-", "@", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
                   "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip


def columns(result: VideoResult) -> list[str]:
    """Return the header: the same for every video of one model, whether or not anyone speaks.

    The three sentiments and seven emotions are always there; what else a model predicts follows.
    """
    return _header(*_labels(utterances_to_json(result)))


def to_rows(result: VideoResult) -> list[dict[str, str]]:
    """Return one mapping of column to cell an utterance, text cells neutralised."""
    utterances = utterances_to_json(result)
    sentiments, emotions = _labels(utterances)
    return [_row(utterance, sentiments, emotions) for utterance in utterances]


def write_csv(result: VideoResult, path: str | Path) -> None:
    """Write a result as a CSV file, whole or not at all.

    Raises
    ------
    ResultError
        If it cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns(result))
    writer.writeheader()
    writer.writerows(to_rows(result))
    write_result(path, text.getvalue().encode("utf-8", "replace"))


def neutralise(text: str) -> str:
    """Return ``text`` as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if _looks_like_formula(text) else text


def restore(cell: str) -> str:
    """Return the text that `neutralise` was given."""
    return cell[1:] if cell.startswith("'") and _looks_like_formula(cell) else cell


def _looks_like_formula(text: str) -> bool:
    return text.lstrip("' \t\r\n\N{NO-BREAK SPACE}").startswith(_FORMULA_STARTS)


def _labels(utterances: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Return the sentiments and emotions to show: the usual ones, then others in order."""
    sentiments, emotions = dict.fromkeys(SENTIMENTS), dict.fromkeys(EMOTIONS)
    for utterance in utterances:
        if utterance["sentiment"] is not None:
            sentiments |= dict.fromkeys(utterance["sentiment"]["probabilities"])
            emotions |= dict.fromkeys(utterance["emotions"])
    return list(sentiments), list(emotions)


def _header(sentiments: list[str], emotions: list[str]) -> list[str]:
    header = ["index", "start_s", "end_s", "speaker", "text", "sentiment", "sentiment_intensity"]
    header += [f"p_{_flat(label)}" for label in sentiments]
    for name in emotions:
        header += [f"{_flat(name)}_{what}" for what in ("probability", "present", "intensity")]
    for modality in MODALITIES:
        header += [f"{modality}_present", f"{modality}_reason"]
    return header


def _row(utterance: dict[str, Any], sentiments: list[str], emotions: list[str]) -> dict[str, str]:
    sentiment, judged = utterance["sentiment"] or {}, utterance["emotions"] or {}
    probabilities = sentiment.get("probabilities", {})
    values: list[object] = [
        utterance["index"],
        utterance["start_s"],
        utterance["end_s"],
        neutralise(utterance.get("speaker", "")),
        neutralise(utterance["text"]),
        sentiment.get("label"),
        sentiment.get("intensity"),
        *(probabilities.get(label) for label in sentiments),
    ]
    for name in emotions:
        emotion = judged.get(name, {})
        values += [emotion.get(what) for what in ("probability", "present", "intensity")]
    for modality in MODALITIES:
        found = utterance["modalities"][modality]
        values += [found["present"], neutralise(found["reason"] or "")]
    header = _header(sentiments, emotions)
    return dict(zip(header, map(_cell, values), strict=True))


def _flat(name: str) -> str:
    return name.replace("-", "_").replace(" ", "_")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
