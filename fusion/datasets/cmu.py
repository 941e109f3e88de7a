"""CMU-MOSEI and CMU-MOSI as computational sequences: rows to utterances, labels to targets.

The papers describe an utterance by the mean over its words (GloVe) or frames (COVAREP, Facet)
(akhtar2019, section 4.1). Departures: a row belongs to the segment that holds its middle, where
the SDK takes every row that touches the segment and so counts rows at a border twice; rows of
exact zeros (pauses, unknown words, frames without a face) and single values that are not finite
(COVAREP's -inf in silence) are left out of the mean instead of counting as zeros.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import EMOTIONS, TaskName
from affect_pipe.fusion.datasets.corpus import (
    Corpus,
    Encoder,
    FeatureColumns,
    Origin,
    emotion_targets,
    encode_texts,
    make_corpus,
    presence,
    sentiment_targets,
    with_sentiment_classes,
)
from affect_pipe.fusion.datasets.csd import ComputationalSequence, Entry, open_csd
from affect_pipe.fusion.datasets.files import CorpusError, Split
from affect_pipe.fusion.encoding import MAX_INTENSITY
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.records import MODALITIES, FloatArray, Modality

CorpusName = Literal["CMU-MOSEI", "CMU-MOSI"]
ORIGINS: dict[CorpusName, Origin] = {
    "CMU-MOSEI": Origin(
        "Zadeh et al. 2018, Multimodal Language Analysis in the Wild: CMU-MOSEI",
        "for research; see the SDK's terms",
        "CMU-MultimodalSDK (github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK) fetches "
        "CMU_MOSEI_TimestampedWordVectors.csd, CMU_MOSEI_COVAREP.csd, CMU_MOSEI_VisualFacet42.csd "
        "and CMU_MOSEI_Labels.csd",
    ),
    "CMU-MOSI": Origin(
        "Zadeh et al. 2016, MOSI: multimodal corpus of sentiment intensity",
        "for research; see the SDK's terms",
        "CMU-MultimodalSDK (github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK) fetches "
        "CMU_MOSI_TimestampedWordVectors.csd, CMU_MOSI_COVAREP.csd, CMU_MOSI_Visual_Facet_41.csd "
        "and CMU_MOSI_Opinion_Labels.csd",
    ),
}
# Columns of "All Labels"; "Opinion Segment Labels" has the first alone.
LABEL_COLUMNS = ("sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear")
# A recogniser's marks for silence, no words.
PAUSES = frozenset({"sp", "sil", "<s>", "</s>", "[sil]", "{p}"})
_ALIGNED = re.compile(r"(.*)\[(\d+)\]", re.DOTALL)


@dataclass(frozen=True)
class _Segment:
    """A labelled stretch of a video; ``name`` is its entry in files that the SDK aligned."""

    start_s: float
    end_s: float
    name: str
    values: npt.NDArray[np.float64]


def read_cmu(
    corpus: CorpusName,
    labels: Path,
    features: Mapping[Modality, Path],
    folds: Mapping[str, Split],
    words: Path | None = None,
    encode: Encoder | None = None,
    classes: int = 3,
) -> Corpus:
    """Read a corpus from its ``.csd`` files, one video at a time.

    Parameters
    ----------
    corpus : str
        Its labels: CMU-MOSEI has sentiment and six emotions, CMU-MOSI sentiment.
    labels : Path
        "All Labels" or "Opinion Segment Labels".
    features : mapping of modality to Path
        Word vectors, COVAREP, Facet... as they are or aligned by the SDK.
    folds : mapping of video to split
        See `affect_pipe.fusion.datasets.folds.read_folds`. Videos in none are left out.
    words, encode : Path and callable, optional
        Time-stamped words and an encoder that turns an utterance's words into the text vector,
        in place of ``features["text"]``.
    classes : {2, 3, 5, 7}
        Of sentiment.

    Raises
    ------
    UsageError, CorpusError, MissingDependencyError
        If a file is missing, malformed or refers to others, or if no fold names a labelled video.
    """
    if (words is None) != (encode is None) or (words is not None and "text" in features):
        raise UsageError(
            f"{corpus}: words need an encoder and replace the text features: give both or neither."
        )
    with ExitStack() as stack:
        opened = {
            m: stack.enter_context(open_csd(features[m])) for m in MODALITIES if m in features
        }
        spoken = stack.enter_context(open_csd(words)) if words else None
        labelled = stack.enter_context(open_csd(labels))
        made = _read(corpus, labelled, opened, folds, spoken, encode)
    if classes == 3:
        return made
    return replace(
        made,
        dialogues={
            split: with_sentiment_classes(part, classes) for split, part in made.dialogues.items()
        },
    )


def _read(
    corpus: CorpusName,
    labels: ComputationalSequence,
    features: Mapping[Modality, ComputationalSequence],
    folds: Mapping[str, Split],
    words: ComputationalSequence | None,
    encode: Encoder | None,
) -> Corpus:
    videos: dict[Split, list[Dialogue]] = {}
    left_out = 0
    for video, segments in _labelled(labels):
        split = folds.get(video)
        if split is None:
            left_out += 1
            continue
        vectors = {m: _pooled(sequence, video, segments) for m, sequence in features.items()}
        if words is not None and encode is not None:
            vectors["text"] = _encoded(words, video, segments, encode, corpus)
        videos.setdefault(split, []).append(_dialogue(corpus, video, segments, vectors, labels))
    if not videos:
        raise CorpusError(
            f"{corpus}: none of the {left_out} labelled videos in {labels.path} is in the folds; "
            "give the folds of this corpus."
        )
    first = next(part[0] for part in videos.values())
    columns = {
        m: FeatureColumns(
            features[m].root if m in features else "encoded words",
            features[m].columns(values.shape[1])
            if m in features
            else tuple(f"text_{index}" for index in range(values.shape[1])),
        )
        for m, values in first.features.items()
    }
    everyone = [dialogue for part in videos.values() for dialogue in part]
    warnings = [f"{left_out} labelled videos are in no fold and left out"] if left_out else []
    for index, modality in enumerate(MODALITIES):
        absent = sum(int((~d.present[:, index]).sum()) for d in everyone)
        if modality in columns and absent:
            total = sum(len(d) for d in everyone)
            warnings.append(f"{absent} of {total} utterances have no {modality} features")
    return make_corpus(corpus, videos, columns, ORIGINS[corpus], warnings)


def _labelled(labels: ComputationalSequence) -> Iterator[tuple[str, list[_Segment]]]:
    """Videos with their labelled segments, both in order."""
    entries: dict[str, list[tuple[int, str]]] = {}
    for name in labels.names:
        match = _ALIGNED.fullmatch(name)
        video, number = (match[1], int(match[2])) if match else (name, -1)
        entries.setdefault(video, []).append((number, name))
    for video, parts in entries.items():
        segments = []
        for number, name in sorted(parts):
            entry = labels.read(name)
            values = _numbers(labels, name, entry)
            for row, (start_s, end_s) in enumerate(entry.intervals):
                key = name if number >= 0 else f"{name}[{row}]"
                segments.append(_Segment(float(start_s), float(end_s), key, values[row]))
        segments.sort(key=lambda segment: (segment.start_s, segment.end_s))
        if segments:
            yield video, segments


def _numbers(sequence: ComputationalSequence, name: str, entry: Entry) -> npt.NDArray[np.float64]:
    if entry.features.dtype.kind != "f":
        raise CorpusError(
            f"{sequence.path} holds text in {name!r} where numbers are expected; "
            "words are given as words, not as features."
        )
    return entry.features


def _dialogue(
    corpus: CorpusName,
    video: str,
    segments: Sequence[_Segment],
    vectors: Mapping[Modality, FloatArray],
    labels: ComputationalSequence,
) -> Dialogue:
    rows = {m: np.isfinite(values).all(axis=1) for m, values in vectors.items()}
    return Dialogue(
        id=video,
        corpus=corpus,
        features={m: np.where(rows[m][:, None], v, np.float32(0)) for m, v in vectors.items()},
        present=presence(vectors, rows, len(segments)),
        targets=_targets(corpus, video, np.stack([s.values for s in segments]), labels),
    )


def _targets(
    corpus: CorpusName,
    video: str,
    values: npt.NDArray[np.float64],
    labels: ComputationalSequence,
) -> dict[TaskName, FloatArray]:
    names = LABEL_COLUMNS if corpus == "CMU-MOSEI" else LABEL_COLUMNS[:1]
    if values.shape[1] != len(names):
        raise CorpusError(
            f"{corpus}: {labels.path} has {values.shape[1]} labels an utterance in {video!r}, "
            f"expected {len(names)}: {', '.join(names)}."
        )
    given = [name.lower() for name in labels.columns(len(names))]
    # Files without usable names are in the published order.
    by_name = {n: given.index(n) if set(given) == set(names) else i for i, n in enumerate(names)}
    values = np.where(np.isfinite(values), values, np.nan)
    for name, index in by_name.items():
        low = -MAX_INTENSITY if name == "sentiment" else 0.0
        wrong = (values[:, index] < low) | (values[:, index] > MAX_INTENSITY)
        if wrong.any():
            raise CorpusError(
                f"{corpus}: {labels.path} has {name} {values[wrong, index][0]:g} in {video!r}, "
                f"expected {low:g} to {MAX_INTENSITY:g}; fetch it anew."
            )
    targets = sentiment_targets(values[:, by_name["sentiment"]])
    if corpus == "CMU-MOSEI":
        targets |= emotion_targets(values[:, [by_name[emotion] for emotion in EMOTIONS]])
    return targets


def _pooled(
    sequence: ComputationalSequence, video: str, segments: Sequence[_Segment]
) -> FloatArray:
    """Mean rows of each segment [U, d]; NaN where there is none."""
    if video in sequence:
        entry = sequence.read(video)
        values = _numbers(sequence, video, entry)
        return np.stack([mean_row(values[_inside(entry.intervals, s)]) for s in segments])
    found = {
        s.name: _numbers(sequence, s.name, sequence.read(s.name))
        for s in segments
        if s.name in sequence
    }
    if found:
        dim = next(iter(found.values())).shape[1]
        nothing = np.zeros((0, dim))
        return np.stack([mean_row(found.get(s.name, nothing)) for s in segments])
    names = sequence.names
    if not names:
        raise CorpusError(f"{sequence.path} has no entry at all; fetch it anew.")
    dim = sequence.read(names[0]).features.shape[1]
    return np.full((len(segments), dim), np.nan, dtype=np.float32)


def _inside(intervals: npt.NDArray[np.float64], segment: _Segment) -> npt.NDArray[np.bool_]:
    """Which rows have their middle in the segment; those that touch it if none has, bool [n]."""
    middle = intervals.mean(axis=1)
    here: npt.NDArray[np.bool_] = (middle >= segment.start_s) & (middle < segment.end_s)
    if here.any():
        return here
    touching: npt.NDArray[np.bool_] = (intervals[:, 0] < segment.end_s) & (
        intervals[:, 1] > segment.start_s
    )
    return touching


def mean_row(rows: npt.NDArray[Any]) -> FloatArray:
    """Mean of the rows that say something.

    Parameters
    ----------
    rows : float [n, d]
        A row of exact zeros was not measured; values that float32 cannot hold count for nothing.

    Returns
    -------
    float32 [d]
        All NaN if no row says anything; zero in columns without a finite value.
    """
    with np.errstate(over="ignore"):
        values = rows.astype(np.float32).astype(np.float64)
    finite = np.isfinite(values)
    values = np.where(finite, values, 0.0)
    spoken = values.any(axis=1)
    if not spoken.any():
        return np.full(rows.shape[1], np.nan, dtype=np.float32)
    count = finite[spoken].sum(axis=0)
    mean: FloatArray = (values[spoken].sum(axis=0) / np.maximum(count, 1)).astype(np.float32)
    return mean


def _encoded(
    words: ComputationalSequence,
    video: str,
    segments: Sequence[_Segment],
    encode: Encoder,
    corpus: str,
) -> FloatArray:
    texts = [_text(words, video, segment) for segment in segments]
    spoken = [index for index, text in enumerate(texts) if text]
    # At least one text, so that the width is known; its vector is dropped if nobody said it.
    vectors = encode_texts(encode, [texts[index] for index in spoken] or [""], corpus)
    values = np.full((len(segments), vectors.shape[1]), np.nan, dtype=np.float32)
    if spoken:
        values[spoken] = vectors
    return values


def _text(words: ComputationalSequence, video: str, segment: _Segment) -> str:
    """Join the words of a segment, pauses left out."""
    name = video if video in words else segment.name
    if name not in words:
        return ""
    entry = words.read(name)
    if entry.features.dtype.kind != "U" or entry.features.shape[1] != 1:
        raise CorpusError(f"{words.path} holds no words in {name!r}; give the time-stamped words.")
    tokens = entry.features[:, 0]
    if name == video:
        tokens = tokens[_inside(entry.intervals, segment)]
    return " ".join(t for t in map(str, tokens) if t and t.lower() not in PAUSES)
