"""MELD (Poria et al. 2019): dialogues of a television series, an emotion and sentiment a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from affect_pipe.fusion.config import EMOTION_CLASSES, SENTIMENTS
from affect_pipe.fusion.datasets.files import Split, malformed, read_csv

NAME = "MELD"
_COLUMNS = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
_EMOTIONS = {
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "joy": "happy",
    "sadness": "sad",
    "surprise": "surprise",
    "neutral": "no-emotion",
}


@dataclass(frozen=True)
class MeldUtterance:
    """One line: ``emotion`` indexes `EMOTION_CLASSES`, ``sentiment`` `SENTIMENTS`."""

    text: str
    speaker: str
    emotion: int
    sentiment: int


@dataclass(frozen=True)
class MeldDialogue:
    """One scene's lines in order."""

    id: str
    utterances: tuple[MeldUtterance, ...]


def path(data: Path, split: Split) -> Path:
    """Where the split's file lies in the data folder."""
    return data / "text" / f"meld_{split}.csv"


def read(data: Path, split: Split) -> tuple[MeldDialogue, ...]:
    """Read a split, dialogues in the order of the file.

    Raises
    ------
    UsageError, CorpusError
        If the file is missing or malformed.
    """
    source = path(data, split)
    dialogues: dict[str, list[tuple[int, MeldUtterance]]] = {}
    rows = read_csv(source, NAME, _COLUMNS)
    with malformed(source, NAME):
        for row in rows:
            place, utterance = _utterance(row)
            dialogues.setdefault(row["Dialogue_ID"], []).append((place, utterance))
    return tuple(
        MeldDialogue(name, tuple(u for _, u in sorted(lines, key=lambda line: line[0])))
        for name, lines in dialogues.items()
    )


def _utterance(row: dict[str, str]) -> tuple[int, MeldUtterance]:
    emotion, sentiment = row["Emotion"].strip().lower(), row["Sentiment"].strip().lower()
    if emotion not in _EMOTIONS or sentiment not in SENTIMENTS:
        raise ValueError(f"unknown label {emotion!r} / {sentiment!r}")
    return int(row["Utterance_ID"]), MeldUtterance(
        text=row["Utterance"],
        speaker=row["Speaker"],
        emotion=EMOTION_CLASSES.index(_EMOTIONS[emotion]),
        sentiment=SENTIMENTS.index(sentiment),
    )


def texts(dialogues: Sequence[MeldDialogue]) -> list[str]:
    """All lines, end to end."""
    return [utterance.text for dialogue in dialogues for utterance in dialogue.utterances]
