"""A folder of labelled videos as the feature file that MMSA's models train on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from affect_pipe.extractors import registry
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.fusion.datasets.folder_labels import (
    LabelledFolder,
    LabelledVideo,
    MediaPart,
    read_labels,
)
from affect_pipe.fusion.datasets.mmsa_file import Clip, Rows, Tokeniser, labels_of, mmsa_bytes
from affect_pipe.fusion.datasets.splits import assign_splits
from affect_pipe.labelled_parts import LabelledPart
from affect_pipe.pipeline.cache import Cache, resolve_root
from affect_pipe.pipeline.errors import AffectPipeError, MissingWeightsError, UsageError
from affect_pipe.pipeline.events import Listener, ignore
from affect_pipe.pipeline.extraction import Extracted, Extraction, Level
from affect_pipe.pipeline.frame_process import FrameProcess
from affect_pipe.pipeline.interfaces import FeatureExtractor, FrameLevel
from affect_pipe.pipeline.records import MODALITIES, Modality, Utterance
from affect_pipe.pipeline.results.feature_file import Origin, file_of_block, file_of_table
from affect_pipe.pipeline.results.sequences import timed_rows
from affect_pipe.pipeline.results.writing import write_result
from affect_pipe.pipeline.settings import RunSettings

MMSA_NAME = "mmsa_unaligned.pkl"
#: Longest sequences of an MMSA file: words or tokens, frames of sound, frames with the face.
MMSA_STEPS: Mapping[Modality, int] = {"text": 100, "acoustic": 1500, "visual": 500}
# Splits are drawn the same way every time.
_SEED = 1
Tell = Callable[[str], None]


def _ignore(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class MmsaReport:
    """What an MMSA file holds: clips by split, and what was left out or cut."""

    path: Path
    clips: Mapping[str, int]
    warnings: tuple[str, ...]


def write_mmsa(
    videos: Path,
    labels: Path,
    out: Path,
    features: Sequence[str],
    *,
    feature_settings: Mapping[str, Mapping[str, Any]] | None = None,
    settings: RunSettings | None = None,
    sentiment_scale: float = 3.0,
    steps: Mapping[Modality, int] = MMSA_STEPS,
    tell: Tell = _ignore,
    listener: Callable[[], Listener] = lambda: ignore,
) -> MmsaReport:
    """Write ``<out>/mmsa_unaligned.pkl`` of a folder of labelled videos.

    Sound and face are sequences of frames, text of words where its extractor tells them (`bert`,
    `glove`), and one vector an utterance otherwise. ``text_bert`` is there where bert's tokens can
    be made on this machine. Splits are those of training (`assign_splits`), or the labels' own.

    Parameters
    ----------
    videos, labels : Path
        See `affect_pipe.fusion.datasets.folder_labels.read_labels`.
    out : Path
    features : sequence of str
        One of each modality.
    feature_settings : mapping of feature name to settings, optional
    settings : RunSettings, optional
        Where words come from that the labels do not have, limits, cache.
    sentiment_scale : float
        Of MMSA's own ``label.csv``.
    steps : mapping of modality to int
        Longest sequences.
    tell : callable (line)
        Hears of what is left out.
    listener : callable
        Makes the listener of one video.

    Raises
    ------
    AffectPipeError
        If the labels or features are wrong, no video can be described, or the videos are too few
        for three splits.
    """
    extractors = registry.build_all(features, feature_settings)
    modalities = [extractor.spec().modality for extractor in extractors]
    if sorted(modalities) != sorted(MODALITIES):
        raise UsageError(
            f"an MMSA file holds one feature of text, sound and face each; {', '.join(features)} "
            f"are of {', '.join(modalities)}."
        )
    labelled = read_labels(labels, videos, sentiment_scale)
    warnings = [f"line {m.line} of {labels}: no media for {m.video}" for m in labelled.missing]
    found, told = labels_of(labelled.segments)
    warnings += [told] if told else []
    splits = assign_splits(labelled.split_items(), _SEED)
    warnings += splits.warnings
    frames = FrameProcess()
    clips: list[Clip] = []
    try:
        describing = _Sequences(tuple(extractors), settings or RunSettings(), frames, listener)
        known = iter(found)
        for video in labelled.videos:
            mine = [next(known) for _ in video.segments]
            try:
                sequences = describing.of_video(video)
            except AffectPipeError as error:
                warnings.append(f"{video.id} is left out: {error}")
                continue
            for row, label, (text, arrays) in zip(video.segments, mine, sequences, strict=True):
                if label is not None:
                    split = splits.by_video[video.id]
                    clips.append(Clip(video.id, row.segment, text, *label, split, arrays))
    finally:
        frames.close()
    for warning in warnings:
        tell(f"warning: {warning}")
    if not clips:
        raise UsageError(f"none of the videos in {videos} could be described: see the warnings.")
    return _written(clips, out, steps, warnings, tell, labelled)


def _written(
    clips: Sequence[Clip],
    out: Path,
    steps: Mapping[Modality, int],
    warnings: list[str],
    tell: Tell,
    labelled: LabelledFolder,
) -> MmsaReport:
    fresh = [
        f"{n} of {len(clips)} clips have more than {steps[m]} steps of {m} and are cut"
        for m in MODALITIES
        if (n := sum(len(clip.sequences[m]) > steps[m] for clip in clips))
    ]
    tokens = _tokens(fresh)
    for warning in fresh:
        tell(f"warning: {warning}")
    path = out / MMSA_NAME
    write_result(path, mmsa_bytes(clips, steps, tokens))
    names = {"train": "train", "dev": "valid", "test": "test"}
    counts = {shown: sum(c.split == split for c in clips) for split, shown in names.items()}
    return MmsaReport(path, counts, (*labelled.warnings, *warnings, *fresh))


def _tokens(warnings: list[str]) -> Tokeniser | None:
    from affect_pipe.extractors.text.bert_tokens import BertTokens

    try:
        return BertTokens()
    except MissingWeightsError as error:
        warnings.append(f"no text_bert, which MMSA's models with BERT want: {error}")
        return None


@dataclass
class _Sequences:
    """The sequences of every labelled segment of a video."""

    extractors: tuple[FeatureExtractor, ...]
    run: RunSettings
    frames: FrameProcess
    listener: Callable[[], Listener]

    def __post_init__(self) -> None:
        self._cache = Cache(resolve_root(self.run.cache_dir))
        self._detector = SileroVAD()

    def of_video(self, video: LabelledVideo) -> list[tuple[str, Mapping[Modality, Rows]]]:
        """Return text and sequences of a video's segments, in their order."""
        found: dict[int, tuple[str, Mapping[Modality, Rows]]] = {}
        for part in video.media:
            found |= dict(zip(part.segments, self._part(video, part), strict=True))
        return [found[place] for place in range(len(video.segments))]

    def _part(
        self, video: LabelledVideo, part: MediaPart
    ) -> Iterator[tuple[str, Mapping[Modality, Rows]]]:
        fine = tuple(e for e in self.extractors if isinstance(e, FrameLevel))
        whole = tuple(e for e in self.extractors if not isinstance(e, FrameLevel))
        rows: dict[Modality, list[Rows]] = {}
        spoken: tuple[Utterance, ...] = ()
        passes: tuple[tuple[tuple[FeatureExtractor, ...], Level], ...]
        # Of words, whoever describes them asks for the utterances: they are known afterwards.
        passes = ((whole, "utterance"), (fine, "frame"))
        for extractors, level in passes:
            if not extractors:
                continue
            extracted = self._extract(video, part, extractors, level)
            spoken = extracted.utterances or spoken
            for modality, sequences in _by_utterance(extracted, spoken):
                rows[modality] = sequences
        for number, utterance in enumerate(spoken):
            yield utterance.text, {modality: found[number] for modality, found in rows.items()}

    def _extract(
        self,
        video: LabelledVideo,
        part: MediaPart,
        extractors: tuple[FeatureExtractor, ...],
        level: Level,
    ) -> Extracted:
        labelled = LabelledPart(video, part, self.run)
        describer = labelled.describer(extractors, self._detector, self._cache, self.frames)
        extracted = Extraction(describer, labelled.cut, level)(part.path, self.listener())
        for _, error in extracted.failures:
            raise error
        return extracted


def _by_utterance(
    extracted: Extracted, utterances: Sequence[Utterance]
) -> Iterator[tuple[Modality, list[Rows]]]:
    """Yield each feature's sequences, one an utterance; of no steps where there is nothing."""
    origin = Origin(extracted.media, "")
    for block in extracted.blocks:
        units = ("",) * block.spec.dim
        file = file_of_block(block, extracted.utterances, units, origin)
        values = np.nan_to_num(file.values.astype(np.float32))
        yield (
            block.spec.modality,
            [values[i : i + 1] if block.present[i] else values[:0] for i in range(len(values))],
        )
    for table in extracted.tables:
        rows = timed_rows(file_of_table(table, origin))
        yield table.spec.modality, [rows.within(u.start_s, u.end_s) for u in utterances]
