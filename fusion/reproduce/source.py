"""What a dataset of a table is: where a user gets it, and the dialogues it gives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.pipeline.records import FloatArray, Modality

EncodeTexts = Callable[[Sequence[str]], FloatArray]
"""Sentences to vectors, float32 [n, d]."""
SplitName = Literal["train", "dev", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "dev", "test")


@dataclass(frozen=True, eq=False)
class Splits:
    """A dataset ready to train on.

    Attributes
    ----------
    train, dev, test : tuple of Dialogue
        ``dev`` and ``test`` may be empty.
    columns : mapping of modality to ((feature, width), ...)
        What the columns of each modality's vectors are, left to right.
    """

    train: tuple[Dialogue, ...]
    dev: tuple[Dialogue, ...]
    test: tuple[Dialogue, ...]
    columns: Mapping[Modality, tuple[tuple[str, int], ...]]

    def digest(self) -> str:
        """Name the content: every vector and label, in order."""
        digest = hashlib.blake2b(digest_size=16)
        for split in SPLITS:
            for dialogue in getattr(self, split):
                digest.update(f"{split}/{dialogue.id}/{len(dialogue)}".encode())
                digest.update(np.ascontiguousarray(dialogue.present).tobytes())
                for values in (dialogue.features, dialogue.targets):
                    for name in sorted(values):
                        digest.update(name.encode())
                        digest.update(np.ascontiguousarray(values[name]).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Request:
    """What decides the splits a source gives: setups with the same request share them.

    Attributes
    ----------
    source : str
    classes : int
        Of sentiment.
    features : tuple of str
        Of a source with several; in the order of the columns.
    seed : int
        Of the validation part; 0 for sources that have one of their own.
    """

    source: str
    classes: int = 2
    features: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Source:
    """A dataset by name.

    Attributes
    ----------
    name, title : str
    files : tuple of str
        Below the data folder; all of them are needed.
    how_to_get : str
        Who gives it out, for the sentence a user reads when it is absent.
    read : callable (data, request, encode) -> Splits
        None where there is no reader.
    by_seed : bool
        Whether its validation part depends on the seed.
    video_of : callable (dialogue id) -> str
        The video a dialogue comes from; the dialogue itself by default.
    """

    name: str
    title: str
    files: tuple[str, ...]
    how_to_get: str
    read: Callable[[Path, Request, EncodeTexts], Splits] | None = field(default=None, repr=False)
    by_seed: bool = False
    video_of: Callable[[str], str] = field(default=str, repr=False)

    def absent(self, data: Path) -> str | None:
        """Say what is missing and where a user gets it; None where all is there."""
        if self.read is None:
            return f"{self.title}: {self.how_to_get}"
        missing = [name for name in self.files if not (data / name).exists()]
        if not missing:
            return None
        return f"{self.title} is not in {data} (no {missing[0]}): {self.how_to_get}"
