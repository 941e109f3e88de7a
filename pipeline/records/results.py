"""Everything that was found in one video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from affect_pipe.pipeline.records.contributions import Contributions
from affect_pipe.pipeline.records.features import VideoFeatures
from affect_pipe.pipeline.records.media import Media
from affect_pipe.pipeline.records.models import ModelInfo
from affect_pipe.pipeline.records.predictions import Prediction
from affect_pipe.pipeline.records.transcript import Transcript


@dataclass(frozen=True)
class VideoResult:
    """Everything one run found in one video.

    ``contributions`` is None where it was not asked for; otherwise it has an item an utterance,
    None for one that was not judged.
    """

    media: Media
    transcript: Transcript
    features: VideoFeatures
    prediction: Prediction
    model: ModelInfo
    warnings: tuple[str, ...] = ()
    timings_s: Mapping[str, float] = field(default_factory=dict)
    contributions: tuple[Contributions | None, ...] | None = None
