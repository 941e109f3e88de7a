"""The starter's corpora as feature vectors and targets, ready to be made into dialogues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import EMOTION_CLASSES, EMOTIONS, TaskName
from affect_pipe.pipeline.records import MODALITIES, FloatArray, Modality

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
# RAVDESS asks its actors for two degrees; the papers' intensities run from 0 to 3, so a normal
# expression is taken for 2 and a strong one for 3.
NORMAL_INTENSITY, STRONG_INTENSITY = 2 / 3, 1.0


@dataclass(frozen=True, eq=False)
class TextCorpus:
    """Sentences in sequences.

    Attributes
    ----------
    vectors : float32 [n, d]
    noisy : float32 [n, d] or None
        The same sentences as a recogniser might mishear them.
    targets : mapping of task to float32 [n, width]
    sequences : tuple of int64 [u]
        Rows of each dialogue, in order.
    speakers : tuple of str, length n
        Empty where unknown.
    """

    name: str
    vectors: FloatArray
    noisy: FloatArray | None
    targets: Mapping[TaskName, FloatArray]
    sequences: tuple[Rows, ...]
    speakers: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.vectors)

    def misheard(self, share: float, rng: np.random.Generator) -> FloatArray:
        """Vectors of the corpus where about ``share`` of the sentences are misheard."""
        if self.noisy is None:
            return self.vectors
        chosen = rng.random(len(self.vectors)) < share
        vectors = self.vectors.copy()
        vectors[chosen] = self.noisy[chosen]
        return vectors

    def dialogues(
        self,
        vectors: FloatArray | None = None,
        chosen: Rows | None = None,
    ) -> list[Dialogue]:
        """Make its sequences, or the ``chosen`` ones, into dialogues of text alone."""
        values = self.vectors if vectors is None else vectors
        numbers = range(len(self.sequences)) if chosen is None else chosen
        return [
            Dialogue(
                str(number),
                self.name,
                {"text": values[rows]},
                presence(len(rows), "text"),
                {task: target[rows] for task, target in self.targets.items()},
            )
            for number in numbers
            for rows in (self.sequences[number],)
        ]


@dataclass(frozen=True, eq=False)
class VoiceCorpus:
    """Acted clips: vectors float32 [n, d]; present, actor, emotion index, strength, each [n]."""

    vectors: FloatArray
    present: Flags
    actors: Rows
    emotions: Rows
    strong: Flags

    def __len__(self) -> int:
        return len(self.vectors)

    def intensities(self, rows: Rows) -> FloatArray:
        """Emotion intensity float32 [u, 6]: of the acted emotion, zero for the others."""
        degree = np.where(self.strong[rows], STRONG_INTENSITY, NORMAL_INTENSITY)
        spread = np.eye(len(EMOTION_CLASSES))[self.emotions[rows]] * degree[:, None]
        degrees: FloatArray = spread[:, : len(EMOTIONS)].astype(np.float32)
        return degrees

    def dialogue(self, name: str, rows: Rows) -> Dialogue:
        """Make clips into one dialogue of voice alone."""
        present = presence(len(rows), "acoustic")
        present[:, MODALITIES.index("acoustic")] = self.present[rows]
        targets: dict[TaskName, FloatArray] = {
            "emotion_class": one_hot(self.emotions[rows]),
            "emotion_intensity": self.intensities(rows),
        }
        return Dialogue(name, "ravdess", {"acoustic": self.vectors[rows]}, present, targets)


@dataclass(frozen=True, eq=False)
class FaceCorpus:
    """Stills: views of the same n images (as they are; mirrored), where a face was found in each.

    Attributes
    ----------
    views : tuple of float32 [n, d]
    found : tuple of bool [n]
    emotions : int64 [n]
    """

    views: tuple[FloatArray, ...]
    found: tuple[Flags, ...]
    emotions: Rows

    def __len__(self) -> int:
        return len(self.emotions)

    def dialogues(self, view: int, rows: Rows) -> list[Dialogue]:
        """Make each face into a dialogue of one utterance without words or voice."""
        targets, vectors = one_hot(self.emotions[rows]), self.views[view][rows]
        present = presence(1, "visual")
        return [
            Dialogue(
                f"{view}-{row}",
                "fer2013",
                {"visual": vectors[i : i + 1]},
                present,
                {"emotion_class": targets[i : i + 1]},
            )
            for i, row in enumerate(rows)
        ]


@dataclass(frozen=True, eq=False)
class StarterData:
    """One split of every corpus; None where it is absent."""

    meld: TextCorpus | None
    mosi: TextCorpus | None
    sst5: TextCorpus | None
    goemotions: TextCorpus | None
    ravdess: VoiceCorpus | None
    fer2013: FaceCorpus | None
    absent: tuple[str, ...] = ()


def presence(n_utterances: int, *modalities: Modality) -> Flags:
    """Presence bool [u, 3] with these modalities throughout."""
    return np.tile([modality in modalities for modality in MODALITIES], (n_utterances, 1))


def one_hot(emotions: Rows) -> FloatArray:
    """Emotion indices [n] as 0/1 labels float32 [n, 7]."""
    labels: FloatArray = np.eye(len(EMOTION_CLASSES), dtype=np.float32)[emotions]
    return labels
