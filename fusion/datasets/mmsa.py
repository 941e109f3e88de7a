"""MMSA's feature files (Mao et al. 2022): ``aligned_50.pkl`` and ``unaligned_50.pkl``.

A dictionary of ``train``, ``valid`` and ``test``; in each, for n clips: ``raw_text``, ``id``
("video$_$clip"), ``text`` [n, l, d], ``audio``, ``vision``, ``regression_labels`` or
``classification_labels``, and in the unaligned file ``audio_lengths`` and ``vision_lengths``.
``text_bert`` [n, 3, l] holds token numbers and their mask, no vectors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import SENTIMENTS, TaskName
from affect_pipe.fusion.datasets.array_pickle import load_arrays
from affect_pipe.fusion.datasets.cmu import mean_row
from affect_pipe.fusion.datasets.corpus import (
    SPLIT_NAMES,
    Corpus,
    Encoder,
    FeatureColumns,
    Origin,
    encode_texts,
    make_corpus,
    presence,
    sentiment_targets,
)
from affect_pipe.fusion.datasets.files import CorpusError, Split, malformed
from affect_pipe.fusion.encoding import MAX_INTENSITY
from affect_pipe.pipeline.records import FloatArray, Modality

NAME = "MMSA"
ORIGIN = Origin(
    "Mao et al. 2022, M-SENA; features of CMU-MOSI, CMU-MOSEI or CH-SIMS",
    "that of the corpus inside",
    "the Google Drive or Baidu folder that github.com/thuiar/MMSA links to, Processed/*.pkl",
)
_KEYS: dict[Modality, str] = {"text": "text", "acoustic": "audio", "visual": "vision"}
# In unaligned files; the text's is the mask of text_bert.
_LENGTHS: dict[Modality, str] = {"acoustic": "audio_lengths", "visual": "vision_lengths"}
_ID = re.compile(r"(.+)\$_\$(.+)", re.DOTALL)


def read_mmsa(
    path: str | Path,
    encode: Encoder | None = None,
    sentiment_scale: float = MAX_INTENSITY,
    classes: int = 3,
) -> Corpus:
    """Read a feature file: one dialogue a video, its clips in order.

    An utterance's vector is the mean over its real steps: as many as ``*_lengths`` or the mask of
    ``text_bert`` say, of those the ones that are not all zero.

    Parameters
    ----------
    path : str or Path
    encode : callable, optional
        Makes the text vectors from ``raw_text``, in place of ``text``.
    sentiment_scale : float
        Labels run from its negative to it: 3 in CMU-MOSI and CMU-MOSEI, 1 in CH-SIMS.
    classes : {2, 3, 5, 7}
        Of sentiment, where the labels are intensities; those that are classes are three.

    Raises
    ------
    UsageError, CorpusError
        If the file is missing, is refused (see `array_pickle`), or has another layout.
    """
    path = Path(path)
    content = load_arrays(path, NAME)
    videos: dict[Split, list[Dialogue]] = {}
    warnings: list[str] = []
    with malformed(path, NAME):
        if not isinstance(content, dict) or "train" not in content:
            raise ValueError("it is no dictionary with the split train")
        for name, part in content.items():
            if name not in SPLIT_NAMES or not isinstance(part, dict):
                raise ValueError(f"{str(name)[:40]!r} is none of train, valid and test")
            try:
                videos[SPLIT_NAMES[name]] = _dialogues(
                    part, encode, (sentiment_scale, classes), path.stem
                )
            except (ValueError, KeyError) as error:
                raise ValueError(f"its {name}: {error}") from error
    if "text" not in content["train"] and "text_bert" in content["train"] and encode is None:
        warnings.append("text_bert holds token numbers, no vectors: give a text encoder for text")
    warnings += _shared_videos(videos)
    everyone = [dialogue for part in videos.values() for dialogue in part]
    if not everyone:
        raise CorpusError(f"{NAME}: {path} has no clips at all; fetch it anew.")
    columns = {
        modality: FeatureColumns(
            "encoded raw_text" if modality == "text" and encode else _KEYS[modality],
            tuple(f"{_KEYS[modality]}_{index}" for index in range(values.shape[1])),
        )
        for modality, values in everyone[0].features.items()
    }
    return make_corpus(NAME, videos, columns, ORIGIN, warnings)


def _shared_videos(videos: dict[Split, list[Dialogue]]) -> list[str]:
    """Keep apart what splits share: MMSA's CH-SIMS cuts by clip, so a video may be in several."""
    seen: dict[str, Split] = {}
    shared: set[str] = set()
    for split, part in videos.items():
        for dialogue in part:
            if seen.setdefault(dialogue.id, split) != split:
                shared.add(dialogue.id)
    if not shared:
        return []
    for split, part in videos.items():
        videos[split] = [_renamed(d, split) if d.id in shared else d for d in part]
    return [
        f"{len(shared)} videos have clips in several splits, as the file has them: "
        "results on such splits flatter every model"
    ]


def _renamed(dialogue: Dialogue, split: Split) -> Dialogue:
    return replace(dialogue, id=f"{dialogue.id} ({split})")


def _dialogues(
    part: Mapping[str, Any], encode: Encoder | None, scheme: tuple[float, int], corpus: str
) -> list[Dialogue]:
    ids = [_split_id(name) for name in _texts(part, "id")]
    targets = _targets(part, len(ids), *scheme)
    features: dict[Modality, FloatArray] = {}
    rows: dict[Modality, npt.NDArray[np.bool_]] = {}
    for modality, key in _KEYS.items():
        if modality == "text" and encode is not None:
            pooled = encode_texts(encode, _of_length(_texts(part, "raw_text"), len(ids)), NAME)
        elif key in part:
            pooled = _pooled(part, modality, len(ids))
        else:
            continue
        rows[modality] = np.isfinite(pooled).all(axis=1)
        features[modality] = np.where(rows[modality][:, None], pooled, np.float32(0))
    present = presence(features, rows, len(ids))
    places: dict[str, list[int]] = {}
    for index, (video, _clip) in enumerate(ids):
        places.setdefault(video, []).append(index)
    dialogues = []
    for video, members in sorted(places.items()):
        # Clips are numbered; names that are no number keep to the alphabet, after the numbers.
        members.sort(key=lambda index: _order(ids[index][1]))
        dialogues.append(
            Dialogue(
                id=video,
                corpus=f"{NAME}/{corpus}",
                features={modality: values[members] for modality, values in features.items()},
                present=present[members],
                targets={task: values[members] for task, values in targets.items()},
            )
        )
    return dialogues


def _order(clip: str) -> tuple[int, str]:
    return (int(clip), "") if clip.isdecimal() else (2**62, clip)


def _split_id(name: str) -> tuple[str, str]:
    match = _ID.fullmatch(name)
    if match is None:
        raise ValueError(f"the id {name[:60]!r} is not video$_$clip")
    return match[1], match[2]


def _texts(part: Mapping[str, Any], key: str) -> list[str]:
    values = part.get(key)
    if isinstance(values, np.ndarray):
        # Some files have a column of one; the first says it.
        values = (values if values.ndim < 2 else values[:, 0]).tolist()
    if not isinstance(values, list):
        raise ValueError(f"it has no list {key}")
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]


def _of_length(values: list[str], n: int) -> list[str]:
    if len(values) != n:
        raise ValueError(f"it has {len(values)} texts for {n} ids")
    return values


def _numbers(part: Mapping[str, Any], key: str, n: int) -> npt.NDArray[np.float64]:
    values = np.asarray(part[key])
    if values.dtype.kind not in "iufb" or values.ndim == 0 or len(values) != n:
        raise ValueError(f"{key} is {values.dtype} {list(values.shape)}, expected {n} numbers")
    return values.reshape(n, -1)[:, 0].astype(np.float64)


def _targets(
    part: Mapping[str, Any], n: int, scale: float, classes: int
) -> dict[TaskName, FloatArray]:
    if "regression_labels" in part:
        values = _numbers(part, "regression_labels", n)
        # Averages of annotators may miss the ends of the scale by rounding.
        if (np.abs(values) > scale * (1 + 1e-6)).any():
            raise ValueError(
                f"the label {values[np.abs(values) > scale][0]:g} is outside the scale of "
                f"-{scale:g} to {scale:g}"
            )
        return sentiment_targets(np.clip(values / scale, -1, 1) * MAX_INTENSITY, classes)
    if "classification_labels" in part:
        values = _numbers(part, "classification_labels", n)
        if not np.isin(values[~np.isnan(values)], range(len(SENTIMENTS))).all():
            raise ValueError(f"its classification_labels are not below {len(SENTIMENTS)}")
        return {"sentiment_class": values.astype(np.float32)[:, None]}
    raise ValueError("it has neither regression_labels nor classification_labels")


def _pooled(part: Mapping[str, Any], modality: Modality, n: int) -> FloatArray:
    """Mean over the real steps of each clip, float32 [n, d]; NaN where there is none."""
    key = _KEYS[modality]
    values = np.asarray(part[key])
    if values.dtype.kind not in "fiu" or values.ndim not in (2, 3) or len(values) != n:
        raise ValueError(f"{key} is {values.dtype} {list(values.shape)}, expected [{n}, l, d]")
    if values.ndim == 2:
        values = values[:, None, :]
    steps = values.shape[1]
    lengths = _lengths(part, modality, n, steps)
    if not n:
        return np.zeros((0, values.shape[2]), dtype=np.float32)
    return np.stack([mean_row(_real(values[i], int(lengths[i]))) for i in range(n)])


def _real(rows: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
    """Leave out the padding, which stands behind the steps or, in older files, before them."""
    behind, before = rows[length:], rows[: len(rows) - length]
    padded_before = behind.any() and not before.any()
    return rows[len(rows) - length :] if padded_before else rows[:length]


def _lengths(
    part: Mapping[str, Any], modality: Modality, n: int, steps: int
) -> npt.NDArray[np.int64]:
    """Count the real steps of each clip, int64 [n]; all of them where nothing says."""
    key = _LENGTHS.get(modality)
    if key is not None and key in part:
        # Longer clips were cut when the file was made, their lengths were not.
        return np.clip(_numbers(part, key, n), 0, steps).astype(np.int64)
    mask = np.asarray(part["text_bert"]) if "text_bert" in part else None
    if modality == "text" and mask is not None and mask.shape == (n, 3, steps):
        return np.asarray(mask[:, 1].sum(axis=1), dtype=np.int64)
    return np.full(n, steps, dtype=np.int64)
