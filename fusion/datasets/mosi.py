"""CMU-MOSI (Zadeh et al. 2016), as published with MMMU-BA (Ghosal et al. 2018): transcripts only.

The text and video features in that file were learnt from the train labels, so they are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affect_pipe.fusion.datasets.files import malformed, read_arrays

NAME = "MOSI"
_ARRAYS = ("split", "video_id", "utterance", "transcript", "label")


@dataclass(frozen=True)
class MosiVideo:
    """One monologue: its transcripts in order, and whether each is positive (else negative)."""

    id: str
    texts: tuple[str, ...]
    positive: tuple[bool, ...]


def path(data: Path) -> Path:
    """Where the file lies in the data folder; it holds both splits."""
    return data / "mosi" / "mosi_mmmuba.npz"


def read(data: Path, split: str) -> tuple[MosiVideo, ...]:
    """Read the videos of ``train`` or ``test`` (there is no other split), sorted by id.

    Raises
    ------
    UsageError, CorpusError
        If the file is missing or malformed.
    """
    source = path(data)
    arrays = read_arrays(source, NAME, _ARRAYS)
    with malformed(source, NAME):
        if len({array.shape for array in arrays.values()}) != 1 or arrays["label"].ndim != 1:
            raise ValueError("its arrays differ in shape")
        if not np.isin(arrays["label"], (0, 1)).all():
            raise ValueError("its labels are not all 0 or 1")
        if not np.isin(arrays["split"], ("train", "test")).all():
            raise ValueError("its splits are not all train or test")
        chosen = np.flatnonzero(arrays["split"] == split)
        videos: dict[str, list[int]] = {}
        # By place in the video; the order of the file decides between equal places.
        for row in chosen[np.argsort(arrays["utterance"][chosen], kind="stable")]:
            videos.setdefault(str(arrays["video_id"][row]), []).append(int(row))
    return tuple(
        MosiVideo(
            name,
            tuple(str(arrays["transcript"][row]) for row in rows),
            tuple(bool(arrays["label"][row]) for row in rows),
        )
        for name, rows in sorted(videos.items())
    )
