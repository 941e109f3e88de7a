"""Training on a folder of videos and a label file: the pipeline's features, fusion's training."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affect_pipe.extract import DEFAULT_FEATURES
from affect_pipe.extractors import registry
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.fusion.datasets.folder_labels import (
    LabelledFolder,
    LabelledVideo,
    MediaPart,
    join_blocks,
    read_labels,
)
from affect_pipe.fusion.device_check import check_device
from affect_pipe.fusion.recipes import own_videos as recipe
from affect_pipe.fusion.recipes.own_videos import OwnVideosReport, OwnVideosSettings
from affect_pipe.labelled_parts import LabelledPart
from affect_pipe.pipeline.cache import Cache, resolve_root
from affect_pipe.pipeline.errors import AffectPipeError, UsageError
from affect_pipe.pipeline.events import Listener, ignore
from affect_pipe.pipeline.frame_process import FrameProcess
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.interfaces import FeatureExtractor
from affect_pipe.pipeline.records import FeatureBlock, Modality
from affect_pipe.pipeline.settings import RunSettings

if TYPE_CHECKING:
    from affect_pipe.fusion.training_events import Listener as TrainingListener

Tell = Callable[[str], None]


def _ignore(line: str) -> None:
    """Tell nobody."""


def train_on_videos(
    videos: str | Path,
    labels: str | Path,
    out: str | Path,
    *,
    features: Sequence[str] = DEFAULT_FEATURES,
    feature_settings: Mapping[str, Mapping[str, Any]] | None = None,
    settings: OwnVideosSettings | None = None,
    run: RunSettings | None = None,
    sentiment_scale: float = 3.0,
    resume: bool = False,
    tell: Tell = _ignore,
    listener: Listener = ignore,
    listen: TrainingListener | None = None,
) -> OwnVideosReport:
    """Train a checkpoint on a folder of videos and a label file.

    A video that cannot be described is told of and left out; the others go on.

    Parameters
    ----------
    videos : str or Path
        Folder that holds the videos, or clips, the label file names.
    labels : str or Path
        CSV: see `affect_pipe.fusion.datasets.folder_labels`.
    out : str or Path
        Run folder to write; ``analyze(video, RunSettings(model=out))`` uses its checkpoint.
    features : sequence of str
        At most one a modality.
    feature_settings : mapping of feature name to settings, optional
        What the checkpoint's contract then asks for.
    settings : OwnVideosSettings, optional
        Backbone, tasks, normalisation, training.
    run : RunSettings, optional
        Of the pipeline: where words come from that the labels do not have, limits, cache.
    sentiment_scale : float
        Largest intensity of an MMSA label file.
    resume : bool
        Go on with the training that is in ``out``.
    tell : callable (line)
        Hears what is left out and why.
    listener, listen : callable
        Hear of every stage of every video, and of every step of the training.

    Raises
    ------
    AffectPipeError
        With one sentence that says what was wrong with which file and what to do.
    """
    extractors = registry.build_all(features, feature_settings)
    modalities = [extractor.spec().modality for extractor in extractors]
    if len(set(modalities)) != len(modalities) or len(extractors) != len(features):
        raise UsageError(
            f"features {', '.join(features)} are of {', '.join(modalities)}: name one a modality."
        )
    settings = settings or own_videos_settings({}, {})
    check_device(settings.training.device)
    labelled = read_labels(Path(labels), Path(videos), sentiment_scale)
    for missing in labelled.missing[:10]:
        tell(
            f"warning: line {missing.line} of {labels}: no media for {missing.video} "
            f"{missing.segment} (looked for {missing.looked_for[0]}); left out"
        )
    if len(labelled.missing) > 10:
        tell(f"warning: {len(labelled.missing) - 10} more label rows have no media")
    frames = FrameProcess()
    try:
        describing = _Describing(
            labelled, tuple(extractors), run or RunSettings(), frames, listener
        )
        described = describing.all(tell)
    finally:
        frames.close()
    return recipe.build(
        labelled,
        described,
        Path(out),
        settings,
        name=Path(out).name,
        resume=resume,
        tell=tell,
        listen=listen,
    )


def own_videos_settings(given: Mapping[str, Any], training: Mapping[str, Any]) -> OwnVideosSettings:
    """Check settings of a training on own videos.

    Parameters
    ----------
    given : mapping
        Fields of `OwnVideosSettings`; ``backbone_settings`` may be JSON text.
    training : mapping
        Fields of `affect_pipe.fusion.training_settings.TrainingSettings`.

    Raises
    ------
    UsageError
        If one does not fit; the sentence names it.
    """
    from pydantic import ValidationError

    from affect_pipe.fusion.models.backbone import BACKBONES

    fields = dict(given)
    text = fields.get("backbone_settings")
    if isinstance(text, str):
        try:
            fields["backbone_settings"] = json.loads(text)
        except ValueError as error:
            raise UsageError(f"the backbone's settings are no JSON: {error}.") from error
    if fields.get("backbone", "cim") not in BACKBONES:
        raise UsageError(
            f"unknown backbone {quoted(fields['backbone'])}: known are {', '.join(BACKBONES)}."
        )
    try:
        return OwnVideosSettings.model_validate({**fields, "training": dict(training)})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{where} cannot be {quoted(first['input'])}: {first['msg']}.") from error


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
        labelled = LabelledPart(video, part, self.run)
        describer = labelled.describer(self.extractors, self._detector, self._cache, self.frames)
        return describer(part.path, labelled.cut, self.listener).features.blocks
