"""From one video to its utterances' features: words and voice in one branch, face in another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from affect_pipe.pipeline import serialise
from affect_pipe.pipeline.cache import Cache
from affect_pipe.pipeline.digest_memo import DigestMemo
from affect_pipe.pipeline.events import Listener, ignore
from affect_pipe.pipeline.fingerprint import digest_utterances, stage_key
from affect_pipe.pipeline.frame_pass import FramePass, in_this_thread
from affect_pipe.pipeline.interfaces import (
    Arrays,
    FeatureExtractor,
    FrameStage,
    SpeechRecogniser,
    VoiceActivityDetector,
)
from affect_pipe.pipeline.media import MediaLimits, probe
from affect_pipe.pipeline.records import FeatureBlock, Utterance, VideoFeatures
from affect_pipe.pipeline.source import CachedSource
from affect_pipe.pipeline.stages import Stages

Cut = Callable[[CachedSource], tuple[Utterance, ...]]
"""Says which utterances of a video are to be described: from its words, or from given times."""


@dataclass(frozen=True)
class Described:
    """One video's features.

    Attributes
    ----------
    source : CachedSource
        The video with what was computed of it; its ``stages`` go on counting.
    features : VideoFeatures
    problems : tuple of str
        What whole passes over the frames did not find ("no face found in the video").
    """

    source: CachedSource
    features: VideoFeatures
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Describer:
    """Computes features. Every part is handed in; nothing here knows an implementation."""

    recogniser: SpeechRecogniser
    detector: VoiceActivityDetector
    extractors: tuple[FeatureExtractor, ...]
    cache: Cache
    limits: MediaLimits
    memo: DigestMemo | None = None
    frame_pass: FramePass = in_this_thread

    def __call__(self, path: Path, cut: Cut, listener: Listener = ignore) -> Described:
        """Describe the utterances that ``cut`` finds in one video.

        Raises
        ------
        AffectPipeError
            If the file cannot be read, or a stage cannot run. What was computed is in the cache.
        """
        digest = self.memo.digest if self.memo is not None else None
        media = probe(path, limits=self.limits, digest=digest)
        stages = Stages(media, self.cache, listener)
        source = CachedSource(
            media, stages, self.recogniser, self.detector, self.limits, self.frame_pass
        )
        frame_stages = [s for s in (e.frame_stage() for e in self.extractors) if s is not None]
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="frames") as pool:
            passes = [(stage, pool.submit(source.frames, stage)) for stage in frame_stages]
            try:
                features = self._describe(source, cut(source), passes)
            except BaseException:
                source.stop.set()
                raise
        return Described(source, features, _problems(source, passes))

    def _describe(
        self,
        source: CachedSource,
        utterances: tuple[Utterance, ...],
        passes: Sequence[tuple[FrameStage, Future[Arrays]]],
    ) -> VideoFeatures:
        """Extract every modality: first those that need no frames, while the frames are read."""
        ordered = sorted(self.extractors, key=lambda e: e.frame_stage() is not None)
        blocks: dict[str, FeatureBlock] = {}
        for extractor in ordered:
            if extractor.frame_stage() is not None:
                for _, future in passes:
                    future.result()
            block = self._extract(source, extractor, utterances)
            blocks[block.spec.modality] = block
        by_modality = {e.spec().modality: blocks[e.spec().modality] for e in self.extractors}
        return VideoFeatures(utterances, by_modality)

    def _extract(
        self, source: CachedSource, extractor: FeatureExtractor, utterances: tuple[Utterance, ...]
    ) -> FeatureBlock:
        spec, stage = extractor.spec(), extractor.frame_stage()
        upstream = (
            digest_utterances(utterances),
            source.voice_activity_key,
            source.frames_key(stage) if stage is not None else "",
        )
        return source.stages.cached(
            f"features-{spec.modality}",
            stage_key(source.media.digest, spec, upstream),
            lambda: extractor.extract(source, utterances),
            serialise.block_to_entry,
            serialise.block_from_entry,
        )


def _problems(
    source: CachedSource, passes: Sequence[tuple[FrameStage, Future[Arrays]]]
) -> tuple[str, ...]:
    if source.media.video is None:
        return ()
    found = (stage.problem(future.result()) for stage, future in passes)
    return tuple(problem for problem in found if problem is not None)
