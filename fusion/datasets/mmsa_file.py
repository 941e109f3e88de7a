"""Feature files of MMSA (Mao et al. 2022), made of a user's own labelled videos.

A dictionary of ``train``, ``valid`` and ``test``; in each, for n clips: ``id`` ("video$_$clip"),
``raw_text``, ``text`` [n, l, d], ``audio``, ``vision``, ``audio_lengths``, ``vision_lengths``,
``regression_labels`` [n], ``classification_labels`` [n], ``annotations``; and ``text_bert``
[n, 3, l] where there are tokens. Modalities are not aligned to words. Only arrays of numbers and
plain containers are in it; the same content gives the same bytes.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.datasets.files import Split
from affect_pipe.fusion.datasets.label_rows import LabelRow
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.records import MODALITIES, Modality

Rows = npt.NDArray[np.float32]
Tokens = npt.NDArray[np.int64]
_SPLITS: Mapping[str, Split] = {"train": "train", "valid": "dev", "test": "test"}
_KEYS: Mapping[Modality, str] = {"text": "text", "acoustic": "audio", "visual": "vision"}
ANNOTATIONS = ("Negative", "Neutral", "Positive")
#: What Python versions since 3.4 read.
PROTOCOL = 4


class Tokeniser(Protocol):
    """Makes the tokens of ``text_bert``."""

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""

    def __call__(self, texts: Sequence[str], length: int) -> Tokens:
        """Return token numbers, mask and segment numbers, int64 [n, 3, length]."""


@dataclass(frozen=True, eq=False)
class Clip:
    """One labelled segment.

    Attributes
    ----------
    sequences : mapping of modality to float32 [steps, d]
        No steps where there is nothing.
    """

    video: str
    segment: str
    text: str
    label: float
    label_class: int
    split: Split
    sequences: Mapping[Modality, Rows] = field(repr=False)


def labels_of(rows: Sequence[LabelRow]) -> tuple[list[tuple[float, int] | None], str]:
    """Return intensity and class (0 negative, 1 neutral, 2 positive) of every row, and a warning.

    MMSA's models learn intensities. Rows without one have None; where no row has one, classes
    count as -1, 0 and 1, and the warning says so.

    Raises
    ------
    UsageError
        If no row has a sentiment of any kind.
    """
    if any(row.sentiment is not None for row in rows):
        found = [
            None
            if row.sentiment is None
            else (row.sentiment, _or(row.sentiment_class, int(np.sign(row.sentiment)) + 1))
            for row in rows
        ]
        n = found.count(None)
        return found, f"{n} segments without a sentiment intensity are left out" if n else ""
    named = [
        None if row.sentiment_class is None else (row.sentiment_class - 1.0, row.sentiment_class)
        for row in rows
    ]
    if all(pair is None for pair in named):
        raise UsageError(
            "an MMSA file needs sentiment: give the label file a column sentiment or "
            "sentiment_class."
        )
    return named, "no intensity is labelled: regression labels are -1, 0 and 1 by class"


def _or(value: int | None, other: int) -> int:
    return other if value is None else value


def mmsa_bytes(
    clips: Sequence[Clip],
    steps: Mapping[Modality, int],
    tokens: Tokeniser | None = None,
) -> bytes:
    """Return a feature file.

    Parameters
    ----------
    clips : sequence of Clip
        In order; each split must have some.
    steps : mapping of modality to int
        Longest sequences: what is longer is cut behind. Shorter ones are padded with zeros to the
        longest there is.
    tokens : Tokeniser, optional
        Of BERT, for ``text_bert``; as long as the text may be.

    Raises
    ------
    UsageError
        If a split is empty: MMSA's loader opens all three.
    """
    parts = {name: [c for c in clips if c.split == split] for name, split in _SPLITS.items()}
    empty = [name for name, part in parts.items() if not part]
    if empty:
        raise UsageError(
            f"MMSA needs labelled videos in train, valid and test, and {', '.join(empty)} would "
            "have none: add videos, or give the label file a column split."
        )
    lengths = {
        m: min(steps[m], max(1, *(len(clip.sequences[m]) for clip in clips))) for m in MODALITIES
    }
    n_tokens = 0
    if tokens is not None:
        n_tokens = min(steps["text"], max(tokens.count(clip.text) for clip in clips))
    content = {name: _part(part, lengths, tokens, n_tokens) for name, part in parts.items()}
    return pickle.dumps(content, protocol=PROTOCOL)


def _part(
    clips: Sequence[Clip],
    lengths: Mapping[Modality, int],
    tokens: Tokeniser | None,
    n_tokens: int,
) -> dict[str, Any]:
    texts = [clip.text for clip in clips]
    found: dict[str, Any] = {
        "raw_text": texts,
        "id": [f"{clip.video}$_${clip.segment}" for clip in clips],
    }
    for modality, key in _KEYS.items():
        found[key] = _padded([clip.sequences[modality] for clip in clips], lengths[modality])
        if modality != "text":
            # A sequence of no steps cannot be packed: a step of zeros stands for it.
            found[f"{key}_lengths"] = [
                max(1, min(len(clip.sequences[modality]), lengths[modality])) for clip in clips
            ]
    if tokens is not None:
        found["text_bert"] = tokens(texts, n_tokens)
    found["regression_labels"] = np.array([clip.label for clip in clips], np.float32)
    found["classification_labels"] = np.array([clip.label_class for clip in clips], np.int64)
    found["annotations"] = [ANNOTATIONS[clip.label_class] for clip in clips]
    return found


def _padded(sequences: Sequence[Rows], length: int) -> Rows:
    width = sequences[0].shape[1]
    found = np.zeros((len(sequences), length, width), np.float32)
    for row, sequence in zip(found, sequences, strict=True):
        row[: len(sequence)] = sequence[:length]
    return found
