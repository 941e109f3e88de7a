"""Training on a folder of videos and a label file: the pipeline's features, fusion's training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from affect_pipe.extractors.speech.no_words import NoWords
from affect_pipe.extractors.speech.recognisers import choose
from affect_pipe.extractors.speech.rttm import find_diarisation
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.fusion.datasets.folder_labels import (
    LabelledFolder,
    LabelledVideo,
    MediaPart,
    join_blocks,
    read_labels,
    utterances_of,
)
from affect_pipe.fusion.recipes import own_videos as recipe
from affect_pipe.fusion.recipes.own_videos import OwnVideosReport, OwnVideosSettings
from affect_pipe.pipeline.cache import Cache, resolve_root
from affect_pipe.pipeline.describe import Describer
from affect_pipe.pipeline.digest_memo import DigestMemo
from affect_pipe.pipeline.errors import AffectPipeError, UsageError
from affect_pipe.pipeline.events import Listener, ignore
from affect_pipe.pipeline.frame_process import FrameProcess
from affect_pipe.pipeline.given_times import fill_words
from affect_pipe.pipeline.interfaces import FeatureExtractor
from affect_pipe.pipeline.records import FeatureBlock, Modality, Utterance
from affect_pipe.pipeline.settings import RunSettings
from affect_pipe.pipeline.source import CachedSource

if TYPE_CHECKING:
    from affect_pipe.fusion.training_events import Listener as TrainingListener

Tell = Callable[[str], None]


def train_on_videos(
    videos: Path,
    labels: Path,
    out: Path,
    extractors: Sequence[FeatureExtractor],
    run: RunSettings,
    settings: OwnVideosSettings,
    *,
    sentiment_scale: float = 3.0,
    resume: bool = False,
    tell: Tell = lambda line: None,
    listener: Listener = ignore,
    listen: TrainingListener | None = None,
) -> OwnVideosReport:
    """Describe every labelled segment through the pipeline and its cache, and train on them.

    A video that cannot be described is told of and left out; the others go on.

    Parameters
    ----------
    videos, labels : Path
        See `affect_pipe.fusion.datasets.folder_labels.read_labels`.
    out : Path
        Run folder.
    extractors : sequence of FeatureExtractor
        At most one a modality.
    run : RunSettings
        Of the pipeline: where words come from where the labels have none, limits, cache.
    settings : OwnVideosSettings
    sentiment_scale : float
        Of MMSA's ``label``: the largest intensity.
    resume : bool
        Go on with the training that is in ``out``.
    tell : callable (line)
        Hears what was left out and why.
    listener : callable (Event)
        Hears of every stage of every video.
    listen : callable (TrainingEvent), optional
        Hears of every step of the training.

    Raises
    ------
    UsageError
        If the labels or the folder are wrong, or no video could be described.
    """
    labelled = read_labels(labels, videos, sentiment_scale)
    for missing in labelled.missing[:10]:
        tell(
            f"warning: line {missing.line} of {labels}: no media for {missing.video} "
            f"{missing.segment} (looked for {missing.looked_for[0]}); left out"
        )
    if len(labelled.missing) > 10:
        tell(f"warning: {len(labelled.missing) - 10} more label rows have no media")
    frames = FrameProcess()
    try:
        describing = _Describing(labelled, tuple(extractors), run, frames, listener)
        features = describing.all(tell)
    finally:
        frames.close()
    return recipe.build(
        labelled,
        features,
        out,
        settings,
        name=out.name,
        resume=resume,
        tell=tell,
        listen=listen,
    )


@dataclass
class _Describing:
    """The features of every labelled segment of a folder."""

    labelled: LabelledFolder
    extractors: tuple[FeatureExtractor, ...]
    run: RunSettings
    frames: FrameProcess
    listener: Listener

    def __post_init__(self) -> None:
        self._cache = Cache(resolve_root(self.run.cache_dir))
        self._detector = SileroVAD()

    def all(self, tell: Tell) -> dict[str, dict[Modality, FeatureBlock]]:
        """Describe the videos one after the other; those that fail are told of and left out."""
        found: dict[str, dict[Modality, FeatureBlock]] = {}
        for video in self.labelled.videos:
            try:
                found[video.id] = self._video(video)
            except AffectPipeError as error:
                tell(f"warning: {video.id} is left out: {error}")
        if not found:
            raise UsageError(
                f"none of the videos in {self.labelled.folder} could be described: see the "
                "warnings above."
            )
        return found

    def _video(self, video: LabelledVideo) -> dict[Modality, FeatureBlock]:
        parts: dict[Modality, dict[Path, FeatureBlock]] = {}
        for part in video.media:
            for modality, block in self._part(video, part).items():
                parts.setdefault(modality, {})[part.path] = block
        return {modality: join_blocks(video, blocks) for modality, blocks in parts.items()}

    def _part(self, video: LabelledVideo, part: MediaPart) -> Mapping[Modality, FeatureBlock]:
        written = all(video.segments[place].text for place in part.segments)
        # Nobody listens, and no weights are fetched, where the label file has all the words.
        recogniser = (
            NoWords()
            if written
            else choose(
                self.run.asr,
                media_path=part.path,
                language=self.run.language,
                task=self.run.asr_task,
                max_words_per_s=self.run.limits.max_words_per_s,
            )
        )
        describer = Describer(
            recogniser=recogniser,
            detector=self._detector,
            extractors=self.extractors,
            cache=self._cache,
            limits=self.run.limits,
            memo=DigestMemo(self._cache.digest_folder()),
            frame_pass=self.frames,
            diarisation=find_diarisation(part.path),
        )

        def cut(source: CachedSource) -> tuple[Utterance, ...]:
            utterances = utterances_of(video, part, source.media.duration_s)
            if written:
                return utterances
            return fill_words(utterances, source.transcript, self.run.segmentation)

        return describer(part.path, cut, self.listener).features.blocks
