"""What the pipeline asks of an extractor, a recogniser and a predictor.

``pipeline`` never imports an implementation: whoever composes a run hands them in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.records import (
    Audio,
    FeatureBlock,
    FeatureSpec,
    Interval,
    Media,
    ModelInfo,
    Prediction,
    StageSpec,
    Transcript,
    Utterance,
    VideoFeatures,
)

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Frame:
    """One decoded video frame.

    Attributes
    ----------
    time_s : float
        Its true presentation time.
    image : uint8 [height, width, 3]
        RGB, upright (rotation metadata applied). Valid until the next frame is asked for.
    """

    time_s: float
    image: npt.NDArray[np.uint8]


class FrameStage(Protocol):
    """A pass over the frames of a video that knows nothing of utterances (face tracking)."""

    @property
    def rate_hz(self) -> float:
        """Frames per second of video it wants to see."""

    def spec(self) -> StageSpec:
        """Say what decides its output; cheap, loads no model."""

    def analyse(self, frames: Iterable[Frame], media: Media) -> Arrays:
        """Consume the frames in one stream and return named arrays, ready for the cache."""

    def problem(self, arrays: Arrays) -> str | None:
        """Say in one sentence that the whole pass found nothing, if it did not."""


class AudioStage(Protocol):
    """A pass over the whole sound of a file that knows nothing of utterances (a frame matrix)."""

    def spec(self) -> StageSpec:
        """Say what decides its output; cheap, loads no model."""

    def analyse(self, audio: Audio) -> Arrays:
        """Return named arrays, ready for the cache."""


class Source(Protocol):
    """One video as an extractor sees it. Everything is computed at most once and kept."""

    @property
    def media(self) -> Media:
        """The probed file."""

    @property
    def audio(self) -> Audio | None:
        """Decoded audio, or None when the file has none. Decodes on first use."""

    @property
    def voice_activity(self) -> tuple[Interval, ...]:
        """Where somebody speaks, in order, disjoint; empty when there is no audio."""

    @property
    def transcript(self) -> Transcript:
        """The words the utterances were cut from."""

    def frames(self, stage: FrameStage) -> Arrays:
        """Return the output of a pass over the frames, from the cache or computed.

        Empty mapping when the file has no video.
        """

    def sound(self, stage: AudioStage) -> Arrays:
        """Return the output of a pass over the sound, from the cache or computed.

        Empty mapping when the file has no audio.
        """


class SpeechRecogniser(Protocol):
    """Where the words come from."""

    def spec(self) -> StageSpec:
        """Say what decides its output besides the media; cheap, loads no model."""

    def transcribe(self, source: Source) -> Transcript:
        """Return the words of a video that has audio (or whose words are in a file beside it).

        They are kept for every file of the same bytes: nothing in them names a file.
        """

    def signed(self, transcript: Transcript) -> Transcript:
        """Add to what `transcribe` gave, now or on an earlier run, what only this run knows.

        That is the name of the file or model the words come from, and why it was chosen.
        """


class VoiceActivityDetector(Protocol):
    """Where somebody speaks."""

    def spec(self) -> StageSpec:
        """Say what decides its output; cheap, loads no model."""

    def detect(self, audio: Audio) -> tuple[Interval, ...]:
        """Return disjoint intervals of speech in order, on the media's clock."""


class FeatureExtractor(Protocol):
    """Turns utterances into one vector each."""

    def spec(self) -> FeatureSpec:
        """Return the contract of its vectors; cheap, loads no model."""

    def frame_stage(self) -> FrameStage | None:
        """Return the pass over the frames it builds on, or None; it may be started early."""

    def extract(self, source: Source, utterances: Sequence[Utterance]) -> FeatureBlock:
        """Describe each utterance. A missing modality is an absent row with a reason, no error.

        Whatever a pass over the frames or the sound it builds on depends on must show in its own
        ``spec()``: its version, settings, model or back end.
        """


@runtime_checkable
class FrameLevel(Protocol):
    """A feature extractor that can also tell what happens inside utterances."""

    def frame_table(self, source: Source, utterances: Sequence[Utterance]) -> FrameTable:
        """Return one row a frame, patch or word of the whole file, or of the utterances' words.

        A missing modality is a table without rows, no error.
        """


@runtime_checkable
class WithUnits(Protocol):
    """A feature extractor whose columns are measured in something."""

    def units(self) -> tuple[str, ...]:
        """Return the unit of each column of the utterance vector; empty where it has none."""


class Predictor(Protocol):
    """A fusion checkpoint, ready to predict."""

    def info(self) -> ModelInfo:
        """Return name, digest, backbone and licence; cheap, loads no weights."""

    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """Return the exact feature specs it was trained on, one a modality."""

    def warnings(self, features: VideoFeatures) -> tuple[str, ...]:
        """Say where features differ from those it was trained on without being of another kind."""

    def predict(self, features: VideoFeatures) -> Prediction:
        """Judge the utterances of one video, together, as one sequence."""
