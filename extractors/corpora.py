"""Describing training corpora with the very extractors a run uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from affect_pipe.pipeline.interfaces import (
    Arrays,
    AudioStage,
    FeatureExtractor,
    FrameStage,
    VoiceActivityDetector,
)
from affect_pipe.pipeline.media import probe, read_audio
from affect_pipe.pipeline.records import (
    Audio,
    FeatureBlock,
    Interval,
    Media,
    Transcript,
    Utterance,
)


@dataclass(frozen=True)
class ClipSource:
    """Clips of one speaker, one after the other, as if they were one recording."""

    media: Media
    audio: Audio | None
    voice_activity: tuple[Interval, ...]
    transcript: Transcript = field(default_factory=lambda: Transcript((), "none"))

    def frames(self, stage: FrameStage) -> Arrays:
        """Return nothing: clips have no frames."""
        return {}

    def sound(self, stage: AudioStage) -> Arrays:
        """Return a pass over the sound, computed where it is asked for."""
        return stage.analyse(self.audio) if self.audio is not None else {}


def describe_clips(
    clips: Sequence[Path], extractor: FeatureExtractor, detector: VoiceActivityDetector
) -> FeatureBlock:
    """Describe the clips of one speaker as a run would describe a video with these utterances.

    Each clip becomes one utterance that spans the speech detected in it (the whole clip where
    none is detected), and whatever the extractor does for a recording as a whole, such as setting
    its level, it does over all the clips.

    Parameters
    ----------
    clips : sequence of Path
        Audio files of one speaker.
    extractor : FeatureExtractor
        An acoustic extractor.
    detector : VoiceActivityDetector

    Returns
    -------
    FeatureBlock
        One row a clip, in the order given.
    """
    parts, spans, activity = [], [], list[Interval]()
    position_s = 0.0
    for clip in clips:
        audio = read_audio(probe(clip))
        parts.append(audio.samples)
        speech = detector.detect(Audio(audio.samples, audio.sample_rate_hz))
        start_s, end_s = (
            (speech[0].start_s, speech[-1].end_s) if speech else (0.0, audio.duration_s)
        )
        spans.append((position_s + start_s, position_s + end_s))
        found = speech or (Interval(start_s, end_s),)
        activity += [Interval(position_s + i.start_s, position_s + i.end_s) for i in found]
        position_s += audio.duration_s
    joined = Audio(np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32))
    media = Media(Path("clips"), "", "clips", position_s, None, None)
    utterances = [Utterance(i, start_s, end_s, "") for i, (start_s, end_s) in enumerate(spans)]
    return extractor.extract(ClipSource(media, joined, tuple(activity)), utterances)


def describe_recordings(
    recordings: Sequence[Sequence[Path]],
    extractor: FeatureExtractor,
    detector: VoiceActivityDetector,
    tell: Callable[[int], None] = lambda done: None,
) -> Iterator[FeatureBlock]:
    """Describe several speakers' clips; ``tell`` hears how many speakers are done."""
    for done, clips in enumerate(recordings, start=1):
        yield describe_clips(clips, extractor, detector)
        tell(done)
