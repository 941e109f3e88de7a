"""Tiny corpora in the published layouts, and encoders that cost nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.recipes.starter_features import StarterEncoders
from affect_pipe.pipeline.records import FeatureBlock, FeatureSpec, FloatArray, Modality

WORDS = (
    *("the", "a", "cat", "door", "fish", "is", "was", "so"),
    *("very", "good", "bad", "right", "late", "nobody", "laughs", "again"),
)
MELD_EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
SENTIMENT_OF = {"joy": "positive", "neutral": "neutral", "surprise": "positive"}
FER_CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
DIMS: dict[Modality, int] = {"text": 12, "acoustic": 6, "visual": 5}


def write_corpora(folder: Path, splits: Sequence[str], seed: int = 0) -> Path:
    """Write every corpus, a few items a split, and return the folder."""
    rng = np.random.default_rng(seed)
    for name in ("text", "mosi", "fer2013"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "text/goemotions_ekman_labels.txt").write_text("\n".join(MELD_EMOTIONS))
    for split in splits:
        _meld(folder / f"text/meld_{split}.csv", rng)
        _sst5(folder / f"text/sst5_{split}.txt", rng)
        _goemotions(folder / f"text/goemotions_ekman_{split}.tsv", rng)
        _fer2013(folder / f"fer2013/fer2013_{split}.npz", rng)
        for actor in {"train": (1, 2, 14), "dev": (15, 18), "test": (19, 24)}[split]:
            _ravdess(folder / f"ravdess/Actor_{actor:02d}", actor)
    _mosi(folder / "mosi/mosi_mmmuba.npz", rng)
    return folder


def sentence(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(WORDS, size=int(rng.integers(2, 7))))


def _meld(path: Path, rng: np.random.Generator) -> None:
    labels = ("Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
    header = ("Sr No.", "Utterance", *labels)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for dialogue in range(4):
            # Written backwards: the reader goes by Utterance_ID.
            for place in reversed(range(7)):
                emotion = MELD_EMOTIONS[(dialogue + place) % 7]
                sentiment = SENTIMENT_OF.get(emotion, "negative")
                speaker = "ABC"[place % 3]
                text = f"{sentence(rng)}, “{dialogue}/{place}”"
                writer.writerow([0, text, speaker, emotion, sentiment, dialogue, place])


def _sst5(path: Path, rng: np.random.Generator) -> None:
    path.write_text("".join(f"{i % 5} {sentence(rng)} .\n" for i in range(20)), encoding="utf-8")


def _goemotions(path: Path, rng: np.random.Generator) -> None:
    lines = [f"{sentence(rng)}\t{i % 7}{',3' if i % 5 == 0 else ''}\tid{i}" for i in range(21)]
    # A separator that str.splitlines takes for an end of line, inside a comment.
    lines.append("one\u2028comment\t4\tid")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _fer2013(path: Path, rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (28, 48, 48), dtype=np.uint8)
    np.savez(path, images=images, labels=np.arange(28) % 7, classes=np.array(FER_CLASSES))


def _mosi(path: Path, rng: np.random.Generator) -> None:
    split = np.array(["train"] * 12 + ["test"] * 8)
    video = np.array(["b"] * 6 + ["a"] * 6 + ["c"] * 8)
    place = np.array([6, 5, 4, 3, 2, 1, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 7, 8])
    words = np.array([sentence(rng).upper() for _ in split])
    arrays = {"split": split, "video_id": video, "utterance": place, "transcript": words}
    np.savez(path, **arrays, label=np.arange(20) % 2)


def _ravdess(folder: Path, actor: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for emotion in range(1, 9):
        for strength in (1,) if emotion == 1 else (1, 2):
            name = f"03-01-{emotion:02d}-{strength:02d}-01-01-{actor:02d}.flac"
            (folder / name).write_bytes(name.encode())


class CountingEncoders:
    """Vectors made of the inputs' bytes; counts what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        self.calls.append("text")
        rows = [
            [len(text), *(text.lower().count(word) for word in WORDS[: DIMS["text"] - 1])]
            for text in texts
        ]
        return np.array(rows, np.float32).reshape(-1, DIMS["text"])

    def describe_voices(self, recordings: Sequence[Sequence[Path]]) -> Iterator[FeatureBlock]:
        self.calls.append("acoustic")
        for clips in recordings:
            rows = [[int(part) for part in clip.stem.split("-")[2:]] for clip in clips]
            values = np.array([[*row, 1.0] for row in rows], np.float32)
            present = np.ones(len(clips), np.bool_)
            yield FeatureBlock(spec("acoustic"), values, present, (None,) * len(clips))

    def describe_faces(
        self, images: npt.NDArray[np.uint8]
    ) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        self.calls.append("visual")
        values = images.reshape(len(images), -1)[:, : DIMS["visual"]].astype(np.float32)
        found = np.ones(len(images), np.bool_)
        found[-1], values[-1] = False, 0.0
        return values, found

    def mirror_faces(self, values: FloatArray) -> FloatArray:
        return values[:, ::-1].copy()

    def encoders(self) -> StarterEncoders:
        return StarterEncoders(
            spec("text"),
            spec("acoustic"),
            spec("visual"),
            self.encode_texts,
            self.describe_voices,
            self.describe_faces,
            self.mirror_faces,
        )


def spec(modality: Modality, version: str = "1") -> FeatureSpec:
    columns = tuple(f"c{i}" for i in range(DIMS[modality]))
    return FeatureSpec(f"made-{modality}", modality, DIMS[modality], columns, version)
