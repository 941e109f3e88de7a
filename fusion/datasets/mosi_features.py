"""CMU-MOSI's utterance features as published with MMMU-BA (Ghosal et al. 2018), two tracks.

The features track has their text 100 (CNN), audio 73 (openSMILE) and video 100 (3D-CNN). The text
and video networks were trained on the train labels, so nothing inside the train split can choose
an epoch: the honest protocol is cross-fitting on halves of the test videos (`halvings`). The clean
track has the transcripts, encoded anew, and the openSMILE columns; there a validation split taken
from the train videos does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.datasets.corpus import (
    Corpus,
    Encoder,
    FeatureColumns,
    Origin,
    encode_texts,
    make_corpus,
)
from affect_pipe.fusion.datasets.files import Split, malformed, read_arrays
from affect_pipe.fusion.datasets.mosi import NAME, path
from affect_pipe.fusion.datasets.splits import hold_out
from affect_pipe.pipeline.records import MODALITIES, FloatArray, Modality

ORIGIN = Origin(
    "Zadeh et al. 2016, MOSI; features and transcripts published with Ghosal et al. 2018",
    "for research; cite both",
    "the MMMU-BA repository's dataset, laid out as docs/data.md says",
)
N_HALVINGS = 50
DEV_SHARE = 0.2
_ARRAYS: dict[Modality, str] = {"text": "text", "acoustic": "audio", "visual": "video"}
_SPLITS: tuple[Split, ...] = ("train", "test")
_LEARNT = (
    "the text and video features of the train split were learnt from its labels: choose epochs by "
    "cross-fitting on the test videos, not on a part of the train split"
)


def read_features(data: Path, classes: Literal[2, 3] = 2) -> Corpus:
    """Read the features track: splits train and test, three modalities.

    Parameters
    ----------
    data : Path
        The folder of corpora; see `affect_pipe.fusion.datasets.mosi.path`.
    classes : {2, 3}
        Whether positive is class 1 of two or class 2 of three; negative is 0.

    Raises
    ------
    UsageError, CorpusError
        If the file is missing or malformed.
    """
    arrays = _read(data, tuple(_ARRAYS))
    features = {modality: arrays[key].astype(np.float32) for modality, key in _ARRAYS.items()}
    columns = {
        modality: FeatureColumns(
            f"MMMU-BA {key}", tuple(f"{key}_{i}" for i in range(features[modality].shape[1]))
        )
        for modality, key in _ARRAYS.items()
    }
    return make_corpus(NAME, _dialogues(arrays, features, classes), columns, ORIGIN, (_LEARNT,))


def read_clean(
    data: Path,
    encode: Encoder,
    seed: int = 0,
    dev_share: float = DEV_SHARE,
    classes: Literal[2, 3] = 2,
) -> Corpus:
    """Read the clean track: splits train, dev and test, text and acoustic.

    Parameters
    ----------
    data : Path
    encode : callable
        Turns the transcripts into vectors; it must never have seen the labels.
    seed, dev_share : int and float
        Which and what share of the train videos are held out as dev.
    classes : {2, 3}
        As in `read_features`.

    Raises
    ------
    UsageError, CorpusError
        If the file is missing or malformed, or the encoder gives no vectors.
    """
    arrays = _read(data, ("acoustic",))
    texts = [str(text) for text in arrays["transcript"]]
    features: dict[Modality, FloatArray] = {
        "text": encode_texts(encode, texts, NAME),
        "acoustic": arrays["audio"].astype(np.float32),
    }
    columns = {
        modality: FeatureColumns(name, tuple(f"{name}_{i}" for i in range(values.shape[1])))
        for (modality, values), name in zip(
            features.items(), ("transcript", "openSMILE"), strict=True
        )
    }
    dialogues = _dialogues(arrays, features, classes)
    train, dev = hold_out(dialogues["train"], dev_share, np.random.default_rng(seed))
    parts: dict[Split, Sequence[Dialogue]] = {
        "train": train,
        "dev": dev,
        "test": dialogues["test"],
    }
    return make_corpus(f"{NAME} clean", parts, columns, ORIGIN)


def halvings(
    videos: Sequence[str], rng: np.random.Generator, n: int = N_HALVINGS
) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Cut videos into two random halves, again and again.

    For cross-fitting: the epoch is chosen on the first half and scored on the second.

    Parameters
    ----------
    videos : sequence of str
        Different ids, in any order: the outcome does not depend on it.
    rng : Generator
    n : int
        How many halvings.

    Returns
    -------
    tuple of (first half, second half)
        Sorted ids. Of an odd number the larger half is the first and the second in turn.

    Raises
    ------
    ValueError
        If there are fewer than two videos or one comes twice.
    """
    names = sorted(videos)
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(f"halving needs at least two different videos, got {len(names)}")
    found = []
    for turn in range(n):
        order = rng.permutation(len(names))
        middle = (len(names) + (turn + 1) % 2) // 2
        first, second = order[:middle], order[middle:]
        found.append(
            (tuple(names[i] for i in sorted(first)), tuple(names[i] for i in sorted(second)))
        )
    return tuple(found)


def _read(data: Path, modalities: Sequence[Modality]) -> Mapping[str, npt.NDArray[Any]]:
    source = path(data)
    wanted = [_ARRAYS[modality] for modality in modalities]
    arrays = read_arrays(
        source, NAME, ("split", "video_id", "utterance", "transcript", "label", *wanted)
    )
    with malformed(source, NAME):
        n = len(np.atleast_1d(arrays["label"]))
        if any(len(np.atleast_1d(array)) != n for array in arrays.values()):
            raise ValueError("its arrays differ in length")
        if not np.isin(arrays["label"], (0, 1)).all():
            raise ValueError("its labels are not all 0 or 1")
        if not np.isin(arrays["split"], _SPLITS).all():
            raise ValueError("its splits are not all train or test")
        for key in wanted:
            values = arrays[key]
            if values.ndim != 2 or values.dtype.kind != "f" or not np.isfinite(values).all():
                raise ValueError(f"its {key} is {values.dtype} {list(values.shape)} or not finite")
    return arrays


def _dialogues(
    arrays: Mapping[str, npt.NDArray[Any]],
    features: Mapping[Modality, FloatArray],
    classes: Literal[2, 3],
) -> dict[Split, list[Dialogue]]:
    positive = classes - 1
    parts: dict[Split, list[Dialogue]] = {}
    for split in _SPLITS:
        chosen = np.flatnonzero(arrays["split"] == split)
        chosen = chosen[np.argsort(arrays["utterance"][chosen], kind="stable")]
        names = arrays["video_id"][chosen]
        parts[split] = []
        for name in np.unique(names):
            rows = chosen[names == name]
            present = np.tile([modality in features for modality in MODALITIES], (len(rows), 1))
            parts[split].append(
                Dialogue(
                    id=str(name),
                    corpus=NAME,
                    features={modality: values[rows] for modality, values in features.items()},
                    present=present,
                    targets={
                        "sentiment_class": (arrays["label"][rows] * positive).astype(np.float32)
                    },
                )
            )
    return parts
