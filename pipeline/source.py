"""One video as its extractors see it: media, audio, words, passes over its frames."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property

from affect_pipe.pipeline import serialise
from affect_pipe.pipeline.fingerprint import stage_key
from affect_pipe.pipeline.frame_pass import FramePass, in_this_thread
from affect_pipe.pipeline.interfaces import (
    Arrays,
    AudioStage,
    FrameStage,
    SpeechRecogniser,
    VoiceActivityDetector,
)
from affect_pipe.pipeline.media import MediaLimits, read_audio
from affect_pipe.pipeline.records import Audio, Diarisation, Interval, Media, Transcript
from affect_pipe.pipeline.speakers import assign_speakers
from affect_pipe.pipeline.stages import Stages

SPEECH = "speech"


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
    frame_pass: FramePass = in_this_thread
    diarisation: Diarisation | None = None
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
        # Speakers are put to the words afterwards: the words are kept, whoever is said to speak.
        if self.diarisation is None:
            return self._heard()
        transcript, warnings = assign_speakers(self._heard(), self.diarisation)
        for warning in warnings:
            self.stages.warn(warning)
        return transcript

    @property
    def speech_key(self) -> str:
        """Cache key of the words, whoever is said to speak them."""
        return stage_key(self.media.digest, self.recogniser.spec(), (self.voice_activity_key,))

    def _heard(self) -> Transcript:
        return self.stages.cached(
            SPEECH,
            self.speech_key,
            lambda: self.recogniser.transcribe(self),
            serialise.transcript_to_entry,
            serialise.transcript_from_entry,
            kind="speech",
        )

    def frames_key(self, stage: FrameStage) -> str:
        """Cache key of a pass over the frames: nothing of the words is in it."""
        return stage_key(self.media.digest, stage.spec())

    def frames(self, stage: FrameStage) -> Arrays:
        """Return the output of a pass over the frames; empty when the file has no video."""
        if self.media.video is None:
            return {}
        spec, key = stage.spec(), self.frames_key(stage)
        watch = StageWatch(self.stages, spec.stage, self.stop)
        with self._frames_lock:
            if key not in self._passes:
                self._passes[key] = self.stages.cached(
                    spec.stage,
                    key,
                    lambda: self.frame_pass(stage, self.media, self.limits, watch),
                    lambda arrays: (arrays, {}),
                    lambda entry: entry.arrays,
                    kind="faces",
                )
            return self._passes[key]

    def sound(self, stage: AudioStage) -> Arrays:
        """Return the output of a pass over the sound; empty when the file has no audio."""
        if self.media.audio is None:
            return {}
        spec = stage.spec()
        key = stage_key(self.media.digest, spec)
        with self._audio_lock:
            if key not in self._passes:
                self._passes[key] = self.stages.cached(
                    spec.stage,
                    key,
                    lambda: self._analyse(stage),
                    lambda arrays: (arrays, {}),
                    lambda entry: entry.arrays,
                    kind="acoustic",
                )
            return self._passes[key]

    def _analyse(self, stage: AudioStage) -> Arrays:
        audio = self.audio
        return stage.analyse(audio) if audio is not None else {}


@dataclass(frozen=True)
class StageWatch:
    """Passes on what a pass over frames tells, and the signal to stop."""

    stages: Stages
    stage: str
    stop: threading.Event

    def progress(self, fraction: float) -> None:
        """Tell how far the pass is."""
        self.stages.tell(self.stage, "progress", fraction)

    def warn(self, message: str) -> None:
        """Keep what could not be decoded."""
        self.stages.warn(message)

    def stopped(self) -> bool:
        """Say whether the pass should give up."""
        return self.stop.is_set()
