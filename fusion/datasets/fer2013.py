"""FER-2013 (Goodfellow et al. 2013): faces from the web, 48 x 48 grey, one emotion each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.config import EMOTION_CLASSES
from affect_pipe.fusion.datasets.files import Split, malformed, read_arrays

NAME = "FER-2013"
_EMOTIONS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "no-emotion",
    "sad": "sad",
    "surprise": "surprise",
}


@dataclass(frozen=True, eq=False)
class Faces:
    """A split's faces.

    Attributes
    ----------
    images : uint8 [n, 48, 48]
    emotions : int64 [n]
        Indices into `EMOTION_CLASSES`.
    """

    images: npt.NDArray[np.uint8]
    emotions: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"Faces({self.images.shape})"


def path(data: Path, split: Split) -> Path:
    """Where the split's file lies in the data folder."""
    return data / "fer2013" / f"fer2013_{split}.npz"


def read(data: Path, split: Split) -> Faces:
    """Read a split.

    Raises
    ------
    UsageError, CorpusError
        If the file is missing or malformed.
    """
    source = path(data, split)
    arrays = read_arrays(source, NAME, ("images", "labels", "classes"))
    with malformed(source, NAME):
        images, labels = arrays["images"], arrays["labels"]
        if images.dtype != np.uint8 or images.ndim != 3 or labels.shape != (len(images),):
            raise ValueError(
                f"images must be uint8 [n, height, width] with n labels, got {images.dtype} "
                f"{list(images.shape)} and {list(labels.shape)}"
            )
        classes = [EMOTION_CLASSES.index(_EMOTIONS[str(name)]) for name in arrays["classes"]]
        if len(labels) and not (labels.min() >= 0 and labels.max() < len(classes)):
            raise ValueError(f"its labels are not all below {len(classes)}")
        emotions = np.array(classes, dtype=np.int64)[labels.astype(np.int64)]
    return Faces(images, emotions)
