"""How a media file of a labelled video is described, with the words and times of its labels."""

from __future__ import annotations

from dataclasses import dataclass

from affect_pipe.extractors.speech.no_words import NoWords
from affect_pipe.extractors.speech.recognisers import choose
from affect_pipe.extractors.speech.rttm import find_diarisation
from affect_pipe.fusion.datasets.folder_labels import LabelledVideo, MediaPart, utterances_of
from affect_pipe.pipeline.cache import Cache
from affect_pipe.pipeline.describe import Describer
from affect_pipe.pipeline.digest_memo import DigestMemo
from affect_pipe.pipeline.frame_process import FrameProcess
from affect_pipe.pipeline.given_times import fill_words
from affect_pipe.pipeline.interfaces import FeatureExtractor, VoiceActivityDetector
from affect_pipe.pipeline.records import Utterance
from affect_pipe.pipeline.settings import RunSettings
from affect_pipe.pipeline.source import CachedSource


@dataclass(frozen=True)
class LabelledPart:
    """One media file of a video in a label file.

    Attributes
    ----------
    video : LabelledVideo
    part : MediaPart
    run : RunSettings
        Where words come from that the labels do not have, limits, segmentation.
    """

    video: LabelledVideo
    part: MediaPart
    run: RunSettings

    @property
    def is_written(self) -> bool:
        """Whether the label file has all the words."""
        return all(self.video.segments[place].text for place in self.part.segments)

    def describer(
        self,
        extractors: tuple[FeatureExtractor, ...],
        detector: VoiceActivityDetector,
        cache: Cache,
        frames: FrameProcess,
    ) -> Describer:
        """Return what describes it."""
        path, run = self.part.path, self.run
        # Nobody listens, and no weights are fetched, where the label file has all the words.
        recogniser = (
            NoWords()
            if self.is_written
            else choose(
                run.asr,
                media_path=path,
                language=run.language,
                task=run.asr_task,
                max_words_per_s=run.limits.max_words_per_s,
            )
        )
        return Describer(
            recogniser=recogniser,
            detector=detector,
            extractors=extractors,
            cache=cache,
            limits=run.limits,
            memo=DigestMemo(cache.digest_folder()),
            frame_pass=frames,
            diarisation=find_diarisation(path),
        )

    def cut(self, source: CachedSource) -> tuple[Utterance, ...]:
        """Return its utterances: the label file's times, and words where that has none."""
        utterances = utterances_of(self.video, self.part, source.media.duration_s)
        if self.is_written:
            return utterances
        return fill_words(utterances, source.transcript, self.run.segmentation)
