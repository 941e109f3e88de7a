"""From one video to its utterances' features: words and voice in one branch, face in another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
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
from affect_pipe.pipeline.placement import EVERY, OF_MODALITY, Elsewhere, Kinds
from affect_pipe.pipeline.records import (
    Diarisation,
    FeatureBlock,
    Media,
    Utterance,
    VideoFeatures,
)
from affect_pipe.pipeline.source import SPEECH, CachedSource
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
    diarisation: Diarisation | None = None
    kinds: Kinds = EVERY

    def __call__(self, path: Path, cut: Cut, listener: Listener = ignore) -> Described:
        """Describe the utterances that ``cut`` finds in one video.

        Raises
        ------
        AffectPipeError
            If the file cannot be read, or a stage cannot run. What was computed is in the cache.
        Elsewhere
            If a stage is wanted that is not computed here; all that can be without it was.
        """
        with self.open(path, listener) as opened:
            features = self._describe(opened, cut(opened.source))
        return Described(opened.source, features, opened.problems())

    @contextmanager
    def open(self, path: Path, listener: Listener = ignore) -> Iterator[Opened]:
        """Probe one video and start looking at its frames, which ends with the block.

        Raises
        ------
        AffectPipeError
            If the file cannot be read.
        """
        digest = self.memo.digest if self.memo is not None else None
        source = self._source(probe(path, limits=self.limits, digest=digest), listener)
        frame_stages = self._frame_stages()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="frames") as pool:
            passes = {
                source.frames_key(stage): (stage, pool.submit(source.frames, stage))
                for stage in frame_stages
            }
            try:
                yield Opened(source, passes)
            except Elsewhere:
                # What the passes over the frames come to is wanted there.
                _finish([future for _, future in passes.values()])
                raise
            except BaseException:
                source.stop.set()
                raise

    def holds(self, media: Media) -> bool:
        """Whether the words, and what is seen in the frames, of a video are in the cache.

        What is left then takes little time. Nothing is read, and no model is loaded.
        """
        source = self._source(media, ignore)
        wanted = {source.speech_key: SPEECH}
        if media.video is not None:
            wanted |= {source.frames_key(s): s.spec().stage for s in self._frame_stages()}
        return all(self.cache.holds(key, stage) for key, stage in wanted.items())

    def _source(self, media: Media, listener: Listener) -> CachedSource:
        return CachedSource(
            media,
            Stages(media, self.cache, listener, self.kinds),
            self.recogniser,
            self.detector,
            self.limits,
            self.frame_pass,
            self.diarisation,
        )

    def _frame_stages(self) -> list[FrameStage]:
        return [s for s in (e.frame_stage() for e in self.extractors) if s is not None]

    def in_order(self) -> list[FeatureExtractor]:
        """Return the extractors, first those that need no frames, while the frames are read."""
        return sorted(self.extractors, key=lambda e: e.frame_stage() is not None)

    def _describe(self, opened: Opened, utterances: tuple[Utterance, ...]) -> VideoFeatures:
        blocks: dict[str, FeatureBlock] = {}
        elsewhere: list[Elsewhere] = []
        for extractor in self.in_order():
            try:
                block = opened.block(extractor, utterances)
            except Elsewhere as wanted:
                elsewhere.append(wanted)
                continue
            blocks[block.spec.modality] = block
        if elsewhere:
            raise elsewhere[0]
        by_modality = {e.spec().modality: blocks[e.spec().modality] for e in self.extractors}
        return VideoFeatures(utterances, by_modality)


def _finish(passes: Sequence[Future[Arrays]]) -> None:
    """Wait for passes over the frames; one that failed raises its error."""
    for future in passes:
        with suppress(Elsewhere):
            future.result()


@dataclass(frozen=True)
class Opened:
    """One video that is being described.

    Attributes
    ----------
    source : CachedSource
    passes : mapping
        Passes over the frames that were started, by their cache key.
    """

    source: CachedSource
    passes: Mapping[str, tuple[FrameStage, Future[Arrays]]]

    def wait(self, extractor: FeatureExtractor) -> None:
        """Wait for the pass over the frames that an extractor builds on.

        Raises
        ------
        AffectPipeError
            If the pass failed.
        """
        stage = extractor.frame_stage()
        if stage is not None:
            _, future = self.passes[self.source.frames_key(stage)]
            future.result()

    def block(
        self, extractor: FeatureExtractor, utterances: tuple[Utterance, ...], name: str = ""
    ) -> FeatureBlock:
        """Return what an extractor says of the utterances, from the cache or computed.

        Parameters
        ----------
        name : str
            What the stage is called to the listener; by default ``features-<modality>``.
        """
        self.wait(extractor)
        spec, stage = extractor.spec(), extractor.frame_stage()
        upstream = (
            digest_utterances(utterances),
            self.source.voice_activity_key,
            self.source.frames_key(stage) if stage is not None else "",
        )
        return self.source.stages.cached(
            name or f"features-{spec.modality}",
            stage_key(self.source.media.digest, spec, upstream),
            lambda: extractor.extract(self.source, utterances),
            serialise.block_to_entry,
            serialise.block_from_entry,
            kind=OF_MODALITY[spec.modality],
        )

    def problems(self) -> tuple[str, ...]:
        """Say what whole passes over the frames did not find."""
        if self.source.media.video is None:
            return ()
        done = (
            stage.problem(future.result())
            for stage, future in self.passes.values()
            if future.done() and not future.cancelled() and future.exception() is None
        )
        return tuple(problem for problem in done if problem is not None)
