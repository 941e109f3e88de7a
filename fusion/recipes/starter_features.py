"""From the starter's corpora on disk to vectors, with the very extractors a run uses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.config import EMOTION_CLASSES, SENTIMENTS, TaskName
from affect_pipe.fusion.datasets import fer2013, goemotions, meld, mosi, ravdess, sst5
from affect_pipe.fusion.datasets.files import Split
from affect_pipe.fusion.recipes.starter_data import (
    FaceCorpus,
    Flags,
    Rows,
    StarterData,
    TextCorpus,
    VoiceCorpus,
    one_hot,
)
from affect_pipe.fusion.recipes.starter_noise import Mishearing
from affect_pipe.fusion.recipes.starter_store import Arrays, FeatureStore, feature_key
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.records import FeatureBlock, FeatureSpec, FloatArray

Tell = Callable[[str], None]
# Each training sentence is misheard to a degree of its own; the measurement mishears as many
# words as the embedded recogniser does.
TRAINING_NOISE, MEASURED_NOISE = (0.1, 0.45), (0.38, 0.38)
NOISE_SEED = 20
NOISE_VERSION = "1"
_IMPLIED = {
    **dict.fromkeys(("anger", "disgust", "fear", "sad"), float(SENTIMENTS.index("negative"))),
    "no-emotion": float(SENTIMENTS.index("neutral")),
    "happy": float(SENTIMENTS.index("positive")),
    "surprise": math.nan,
}


@dataclass(frozen=True)
class StarterEncoders:
    """What turns corpora into vectors; `fusion` may not reach for extractors itself.

    Attributes
    ----------
    text_spec, acoustic_spec, visual_spec : FeatureSpec
        Contracts of the vectors, as a run checks them.
    encode_texts : callable (texts) -> float32 [n, d]
    describe_voices : callable (recordings) -> FeatureBlocks
        Each recording is one speaker's clips in order; one block a recording, one row a clip.
    describe_faces : callable (images) -> (float32 [n, d], bool [n])
        Grey uint8 [n, h, w]; which faces were found.
    mirror_faces : callable (float32 [n, d]) -> float32 [n, d]
        Vectors of the same faces seen in a mirror.
    """

    text_spec: FeatureSpec
    acoustic_spec: FeatureSpec
    visual_spec: FeatureSpec
    encode_texts: Callable[[Sequence[str]], FloatArray]
    describe_voices: Callable[[Sequence[Sequence[Path]]], Iterable[FeatureBlock]]
    describe_faces: Callable[[npt.NDArray[np.uint8]], tuple[FloatArray, Flags]]
    mirror_faces: Callable[[FloatArray], FloatArray]

    @property
    def specs(self) -> tuple[FeatureSpec, FeatureSpec, FeatureSpec]:
        """Text, acoustic, visual."""
        return self.text_spec, self.acoustic_spec, self.visual_spec


Corpus = TypeVar("Corpus")


class Loader:
    """Reads one split of each corpus and describes it.

    Parameters
    ----------
    data : Path
        Folder of the corpora.
    encoders : StarterEncoders
    store : FeatureStore
        Where vectors are kept between runs.
    tell : callable (line)
        Hears what is being computed.
    """

    def __init__(
        self, data: Path, encoders: StarterEncoders, store: FeatureStore, tell: Tell
    ) -> None:
        self._data = data
        self._encoders = encoders
        self._store = store
        self._tell = tell

    def load(self, split: Split, needed: bool) -> StarterData:
        """Load every corpus.

        Parameters
        ----------
        needed : bool
            Whether a missing corpus is an error; otherwise it is listed as absent.

        Raises
        ------
        UsageError, CorpusError
            If a file is missing though needed, or malformed.
        """
        absent: list[str] = []

        def attempt(name: str, read: Callable[[Split], Corpus]) -> Corpus | None:
            try:
                return read(split)
            except UsageError:
                if needed:
                    raise
                absent.append(name)
                return None

        return StarterData(
            meld=attempt(meld.NAME, self.meld),
            mosi=attempt(mosi.NAME, self.mosi),
            sst5=attempt(sst5.NAME, self.sst5),
            goemotions=attempt(goemotions.NAME, self.goemotions),
            ravdess=attempt(ravdess.NAME, self.ravdess),
            fer2013=attempt(fer2013.NAME, self.fer2013),
            absent=tuple(absent),
        )

    def meld(self, split: Split) -> TextCorpus:
        """MELD: dialogues with emotion and sentiment."""
        dialogues = meld.read(self._data, split)
        lines = [line for dialogue in dialogues for line in dialogue.utterances]
        texts = [line.text for line in lines]
        targets: dict[TaskName, FloatArray] = {
            "emotion_class": one_hot(np.array([line.emotion for line in lines], np.int64)),
            "sentiment_class": np.array([[line.sentiment] for line in lines], np.float32),
        }
        sequences = _runs([len(dialogue.utterances) for dialogue in dialogues])
        speakers = tuple(line.speaker for line in lines)
        noise = TRAINING_NOISE if split == "train" else MEASURED_NOISE
        return TextCorpus(
            "meld",
            self._texts(meld.NAME, texts),
            self._misheard(meld.NAME, texts, noise),
            targets,
            sequences,
            speakers,
        )

    def mosi(self, split: Split) -> TextCorpus:
        """MOSI transcripts: monologues with binary sentiment; dev and test are its test videos."""
        part = "train" if split == "train" else "test"
        videos = mosi.read(self._data, part)
        texts = [text for video in videos for text in video.texts]
        positive = [flag for video in videos for flag in video.positive]
        return TextCorpus(
            "mosi",
            self._texts(mosi.NAME, texts),
            self._misheard(mosi.NAME, texts, TRAINING_NOISE) if split == "train" else None,
            {"sentiment_class": np.array([[2.0 if p else 0.0] for p in positive], np.float32)},
            _runs([len(video.texts) for video in videos]),
        )

    def sst5(self, split: Split) -> TextCorpus:
        """SST-5: sentences with sentiment intensity, and class by its sign."""
        sentences = sst5.read(self._data, split)
        texts = [sentence.text for sentence in sentences]
        intensity = np.array([[sentence.intensity] for sentence in sentences], np.float32)
        signs: FloatArray = np.sign(intensity) + np.float32(1)
        return TextCorpus(
            "sst5",
            self._texts(sst5.NAME, texts),
            self._misheard(sst5.NAME, texts, TRAINING_NOISE) if split == "train" else None,
            {"sentiment_intensity": intensity, "sentiment_class": signs},
            _runs([1] * len(texts)),
        )

    def goemotions(self, split: Split) -> TextCorpus:
        """GoEmotions: comments with several emotions, and sentiment where one emotion tells it."""
        comments = goemotions.read(self._data, split)
        labels = np.zeros((len(comments), len(EMOTION_CLASSES)), np.float32)
        for row, comment in enumerate(comments):
            labels[row, list(comment.emotions)] = 1.0
        vectors = self._texts(goemotions.NAME, [comment.text for comment in comments])
        sequences = _runs([1] * len(comments))
        targets: dict[TaskName, FloatArray] = {"emotion_class": labels}
        if split == "train":
            targets["sentiment_class"] = implied_sentiment(labels)
        return TextCorpus("goemotions", vectors, None, targets, sequences)

    def ravdess(self, split: Split) -> VoiceCorpus:
        """RAVDESS: clips of a split's actors, each actor described as one recording."""
        clips = ravdess.read(self._data, split)
        recordings = [
            [clip.path for clip in group] for _, group in groupby(clips, lambda clip: clip.actor)
        ]
        spec = self._encoders.acoustic_spec
        inputs = [part for clip in clips for part in (clip.path.name, clip.path.read_bytes())]

        def compute() -> Arrays:
            self._tell(f"{ravdess.NAME}: {len(clips)} clips through {spec.name}")
            blocks = list(self._encoders.describe_voices(recordings))
            return {
                "values": np.concatenate([block.values for block in blocks]),
                "present": np.concatenate([block.present for block in blocks]),
            }

        arrays = self._store.get(feature_key("voices", spec, inputs), compute)
        return VoiceCorpus(
            arrays["values"],
            arrays["present"].astype(np.bool_),
            np.array([clip.actor for clip in clips], np.int64),
            np.array([clip.emotion for clip in clips], np.int64),
            np.array([clip.strong for clip in clips], np.bool_),
        )

    def fer2013(self, split: Split) -> FaceCorpus:
        """FER-2013: faces; for training their mirror images too."""
        faces = fer2013.read(self._data, split)
        arrays = self._faces(faces.images)
        values, found = arrays["values"], arrays["found"].astype(np.bool_)
        views: tuple[FloatArray, ...] = (values,)
        if split == "train":
            mirrored = self._encoders.mirror_faces(values)
            views = (values, np.where(found[:, None], mirrored, np.float32(0)))
        return FaceCorpus(views, (found,) * len(views), faces.emotions)

    def _faces(self, images: npt.NDArray[np.uint8]) -> Arrays:
        spec = self._encoders.visual_spec

        def compute() -> Arrays:
            self._tell(f"{fer2013.NAME}: {len(images)} faces through {spec.name}")
            values, found = self._encoders.describe_faces(images)
            return {"values": values, "found": found}

        key = feature_key("faces", spec, [str(images.shape), images.tobytes()])
        return self._store.get(key, compute)

    def _texts(self, corpus: str, texts: Sequence[str]) -> FloatArray:
        key = feature_key("texts", self._encoders.text_spec, texts)
        return self._encoded(key, f"{corpus}: {len(texts)} sentences", lambda: texts)

    def _misheard(
        self, corpus: str, texts: Sequence[str], shares: tuple[float, float]
    ) -> FloatArray:
        settings = f"misheard {NOISE_VERSION} {shares} {NOISE_SEED}"
        key = feature_key(settings, self._encoders.text_spec, texts)
        damage = partial(mishear_all, texts, shares, NOISE_SEED)
        return self._encoded(key, f"{corpus}: {len(texts)} misheard sentences", damage)

    def _encoded(self, key: str, what: str, texts: Callable[[], Sequence[str]]) -> npt.NDArray[Any]:
        def compute() -> Arrays:
            self._tell(f"{what} through {self._encoders.text_spec.name}")
            return {"values": self._encoders.encode_texts(texts())}

        return self._store.get(key, compute)["values"]


def mishear_all(texts: Sequence[str], shares: tuple[float, float], seed: int) -> list[str]:
    """Damage each text by a share of its words drawn from ``shares``; see `Mishearing`."""
    ear, rng = Mishearing(texts), np.random.default_rng(seed)
    return [ear.damage(text, rng.uniform(*shares), rng) for text in texts]


def implied_sentiment(labels: FloatArray) -> FloatArray:
    """Sentiment class float32 [n, 1] that a single emotion implies in MELD's labels.

    Happy is positive; anger, disgust, fear and sad are negative; no emotion is neutral. NaN for
    surprise, which is either, and for comments with several emotions.
    """
    classes = np.array([_IMPLIED[emotion] for emotion in EMOTION_CLASSES], np.float32)
    implied = classes[labels.argmax(axis=1)]
    return np.where(labels.sum(axis=1) == 1, implied, np.float32(np.nan))[:, None]


def _runs(lengths: Sequence[int]) -> tuple[Rows, ...]:
    """Rows of consecutive sequences of these lengths."""
    ends = np.cumsum(lengths, dtype=np.int64)
    pairs = zip(ends, lengths, strict=True)
    return tuple(np.arange(end - n, end, dtype=np.int64) for end, n in pairs)
