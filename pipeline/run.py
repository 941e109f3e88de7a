"""One video, top to bottom: words and voice in one branch, the face in another, then fusion."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from affect_pipe.pipeline import serialise
from affect_pipe.pipeline.cache import Cache
from affect_pipe.pipeline.digest_memo import DigestMemo
from affect_pipe.pipeline.events import Listener, ignore
from affect_pipe.pipeline.fingerprint import digest_json, digest_utterances, stage_key
from affect_pipe.pipeline.frame_pass import FramePass, in_this_thread
from affect_pipe.pipeline.interfaces import (
    Arrays,
    FeatureExtractor,
    FrameStage,
    Predictor,
    SpeechRecogniser,
    VoiceActivityDetector,
)
from affect_pipe.pipeline.media import MediaLimits, probe
from affect_pipe.pipeline.records import (
    FeatureBlock,
    Prediction,
    Utterance,
    VideoFeatures,
    VideoResult,
)
from affect_pipe.pipeline.segmentation import SegmentationSettings, cut_utterances
from affect_pipe.pipeline.source import CachedSource
from affect_pipe.pipeline.stages import Stages

NO_SPEECH = "no speech was found in this file, so there are no utterances to judge"
NO_AUDIO = (
    "this file has no audio and no words come from elsewhere, so there are no utterances to judge"
)


@dataclass(frozen=True)
class Run:
    """What a run is composed of. Every part is handed in; nothing here knows an implementation."""

    recogniser: SpeechRecogniser
    detector: VoiceActivityDetector
    extractors: tuple[FeatureExtractor, ...]
    predictor: Predictor
    cache: Cache
    segmentation: SegmentationSettings
    limits: MediaLimits
    memo: DigestMemo | None = None
    frame_pass: FramePass = in_this_thread

    def __call__(self, path: Path, listener: Listener = ignore) -> VideoResult:
        """Analyse one video.

        Raises
        ------
        AffectPipeError
            If the file cannot be read, or a stage cannot run. What was computed is in the cache.
        """
        start = time.perf_counter()
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
                utterances = cut_utterances(
                    source.transcript, source.voice_activity, self.segmentation
                )
                features = self._describe(source, utterances, passes)
            except BaseException:
                source.stop.set()
                raise
        prediction = self._predict(source, features)
        return VideoResult(
            media=media,
            transcript=self.recogniser.signed(source.transcript),
            features=features,
            prediction=prediction,
            model=self.predictor.info(),
            warnings=self._warnings(source, features, passes),
            timings_s={**stages.timings_s, "total": time.perf_counter() - start},
        )

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

    def _predict(self, source: CachedSource, features: VideoFeatures) -> Prediction:
        """Judge the utterances; keyed on the checkpoint and on the numbers it is given."""
        inputs = [
            (m, serialise.block_digest(block)) for m, block in sorted(features.blocks.items())
        ]
        return source.stages.cached(
            "fusion",
            digest_json(["fusion", self.predictor.info().digest, inputs]),
            lambda: self.predictor.predict(features),
            serialise.prediction_to_entry,
            serialise.prediction_from_entry,
        )

    def _warnings(
        self,
        source: CachedSource,
        features: VideoFeatures,
        passes: Sequence[tuple[FrameStage, Future[Arrays]]],
    ) -> tuple[str, ...]:
        transcript = self.recogniser.signed(source.transcript)
        found = [*transcript.warnings, *self.predictor.warnings(features)]
        if not features.utterances:
            found.append(NO_AUDIO if source.media.audio is None else NO_SPEECH)
        if source.media.video is not None:
            problems = (stage.problem(future.result()) for stage, future in passes)
            found += [problem for problem in problems if problem is not None]
        found += [w for w in sorted(source.stages.warnings) if w not in found]
        return tuple(found)
