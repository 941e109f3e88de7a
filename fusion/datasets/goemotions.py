"""GoEmotions (Demszky et al. 2020), Ekman grouping: comments with one or several emotions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from affect_pipe.fusion.config import EMOTION_CLASSES
from affect_pipe.fusion.datasets.files import Split, malformed, read_lines

NAME = "GoEmotions"
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
class Comment:
    """One comment; ``emotions`` are indices into `EMOTION_CLASSES`, sorted."""

    text: str
    emotions: tuple[int, ...]


def path(data: Path, split: Split) -> Path:
    """Where the split's file lies in the data folder."""
    return data / "text" / f"goemotions_ekman_{split}.tsv"


def labels_path(data: Path) -> Path:
    """Where the names of the label numbers lie."""
    return data / "text" / "goemotions_ekman_labels.txt"


def read(data: Path, split: Split) -> tuple[Comment, ...]:
    """Read a split: text, comma-separated label numbers and an id, separated by tabs.

    Raises
    ------
    UsageError, CorpusError
        If a file is missing or malformed.
    """
    names = [name.strip() for name in read_lines(labels_path(data), NAME)]
    with malformed(labels_path(data), NAME):
        classes = [EMOTION_CLASSES.index(_EMOTIONS[name]) for name in names]
    source = path(data, split)
    comments = []
    with malformed(source, NAME):
        for number, line in enumerate(read_lines(source, NAME), start=1):
            fields = line.split("\t")
            ids = fields[1].split(",") if len(fields) > 1 else []
            if not ids or not all(i.isdecimal() and int(i) < len(classes) for i in ids):
                raise ValueError(f"line {number} has no label numbers below {len(classes)}")
            comments.append(Comment(fields[0], tuple(sorted({classes[int(i)] for i in ids}))))
    return tuple(comments)
