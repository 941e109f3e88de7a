"""Stanford Sentiment Treebank (Socher et al. 2013), five classes, whole sentences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from affect_pipe.fusion.datasets.files import Split, malformed, read_lines

NAME = "SST-5"
GRADES = 5


@dataclass(frozen=True)
class SstSentence:
    """One sentence of a film review: ``grade`` 0 very negative to 4 very positive."""

    text: str
    grade: int

    @property
    def intensity(self) -> float:
        """The grade as sentiment in [-1, 1]."""
        return (self.grade - 2) / 2


def path(data: Path, split: Split) -> Path:
    """Where the split's file lies in the data folder."""
    return data / "text" / f"sst5_{split}.txt"


def read(data: Path, split: Split) -> tuple[SstSentence, ...]:
    """Read a split: one sentence a line, its grade first.

    Raises
    ------
    UsageError, CorpusError
        If the file is missing or malformed.
    """
    source = path(data, split)
    sentences = []
    with malformed(source, NAME):
        for number, line in enumerate(read_lines(source, NAME), start=1):
            grade, _, text = line.partition(" ")
            if grade not in {str(g) for g in range(GRADES)} or not text.strip():
                raise ValueError(f"line {number} is not a grade 0 to 4 and a sentence")
            sentences.append(SstSentence(text, int(grade)))
    return tuple(sentences)
