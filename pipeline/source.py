"""One video as its extractors see it: media, audio, words, passes over its frames."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from affect_pipe.pipeline import serialise
from affect_pipe.pipeline.fingerprint import stage_key
from affect_pipe.pipeline.interfaces import (
    Arrays,
    Frame,
    FrameStage,
    SpeechRecogniser,
    VoiceActivityDetector,
)
from affect_pipe.pipeline.media import MediaLimits, iter_frames, read_audio
from affect_pipe.pipeline.records import Audio, Interval, Media, Transcript
from affect_pipe.pipeline.stages import Stages


class Stopped(Exception):  # noqa: N818 - a signal between threads, not an error
    """Another branch of the run failed; this one stops where it is."""


@dataclass
class CachedSource:
    """A `Source` whose every part is computed at most once, through the cache.

    Safe to use from several threads; a part that two threads want is computed by the first.
    """

    media: Media
    stages: Stages
    recogniser: SpeechRecogniser
    detector: VoiceActivityDetector
    limits: MediaLimits
    stop: threading.Event = field(default_factory=threading.Event)
    _audio_lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _frames_lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _passes: dict[str, Arrays] = field(default_factory=dict, repr=False)

    @property
    def audio(self) -> Audio | None:
        """Decoded audio, or None when the file has none."""
        with self._audio_lock:
            return self._audio

    @cached_property
    def _audio(self) -> Audio | None:
        if self.media.audio is None:
            return None
        return self.stages.timed(
            "audio", lambda: read_audio(self.media, limits=self.limits, warn=self.stages.warn)
        )

    @property
    def voice_activity(self) -> tuple[Interval, ...]:
        """Where somebody speaks."""
        with self._audio_lock:
            return self._voice_activity

    @property
    def voice_activity_key(self) -> str:
        """Cache key of the voice activity."""
        return stage_key(self.media.digest, self.detector.spec())

    @cached_property
    def _voice_activity(self) -> tuple[Interval, ...]:
        if self.media.audio is None:
            return ()
        return self.stages.cached(
            "voice-activity",
            self.voice_activity_key,
            self._detect,
            serialise.intervals_to_entry,
            serialise.intervals_from_entry,
        )

    def _detect(self) -> tuple[Interval, ...]:
        audio = self.audio
        return self.detector.detect(audio) if audio is not None else ()

    @property
    def transcript(self) -> Transcript:
        """The words."""
        with self._audio_lock:
            return self._transcript

    @cached_property
    def _transcript(self) -> Transcript:
        return self.stages.cached(
            "speech",
            stage_key(self.media.digest, self.recogniser.spec(), (self.voice_activity_key,)),
            lambda: self.recogniser.transcribe(self),
            serialise.transcript_to_entry,
            serialise.transcript_from_entry,
        )

    def frames_key(self, stage: FrameStage) -> str:
        """Cache key of a pass over the frames: nothing of the words is in it."""
        return stage_key(self.media.digest, stage.spec())

    def frames(self, stage: FrameStage) -> Arrays:
        """Return the output of a pass over the frames; empty when the file has no video."""
        if self.media.video is None:
            return {}
        spec, key = stage.spec(), self.frames_key(stage)
        with self._frames_lock:
            if key not in self._passes:
                self._passes[key] = self.stages.cached(
                    spec.stage,
                    key,
                    lambda: stage.analyse(self._watched(stage), self.media),
                    lambda arrays: (arrays, {}),
                    lambda entry: entry.arrays,
                )
            return self._passes[key]

    def _watched(self, stage: FrameStage) -> Iterator[Frame]:
        """Frames at the stage's rate, with progress told and the stop signal obeyed."""
        name, told = stage.spec().stage, 0.0
        frames = iter_frames(self.media, stage.rate_hz, limits=self.limits, warn=self.stages.warn)
        for frame in frames:
            if self.stop.is_set():
                raise Stopped
            fraction = min(frame.time_s / max(self.media.duration_s, 1e-6), 1.0)
            if fraction - told >= 0.01:
                told = fraction
                self.stages.tell(name, "progress", fraction)
            yield frame
