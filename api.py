"""Affect-pipe as Python calls: what the command line does, composed from its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from affect_pipe.extractors import registry
from affect_pipe.extractors.speech.recognisers import choose
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.fusion.checkpoint import resolve
from affect_pipe.fusion.predict import CheckpointPredictor, describe_difference
from affect_pipe.pipeline.cache import Cache, resolve_root
from affect_pipe.pipeline.digest_memo import DigestMemo
from affect_pipe.pipeline.errors import CheckpointError
from affect_pipe.pipeline.events import Listener, ignore
from affect_pipe.pipeline.interfaces import FeatureExtractor
from affect_pipe.pipeline.records import FeatureSpec, VideoResult
from affect_pipe.pipeline.run import Run
from affect_pipe.pipeline.settings import RunSettings, load_settings

__all__ = ["Analyzer", "RunSettings", "VideoResult", "analyze", "load_settings"]


def analyze(
    video: str | Path, settings: RunSettings | None = None, *, listener: Listener = ignore
) -> VideoResult:
    """Turn one video into per-utterance sentiment and emotion.

    Parameters
    ----------
    video : str or Path
        A video or audio file.
    settings : RunSettings, optional
        Checkpoint, source of words, segmentation, cache.
    listener : callable, optional
        Told of every step of every stage.

    Raises
    ------
    AffectPipeError
        With one sentence that says what was wrong with which file and what to do.
    """
    return Analyzer(settings or RunSettings())(video, listener)


class Analyzer:
    """Analyses one video after another with the models loaded once.

    Parameters
    ----------
    settings : RunSettings

    Raises
    ------
    CheckpointError
        If the checkpoint is unknown, unreadable, or wants features this version cannot compute.
    CacheError
        If the cache folder cannot be written to.
    """

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._predictor = CheckpointPredictor(resolve(settings.model))
        self._extractors = matching_extractors(self._predictor.feature_specs())
        self._detector = SileroVAD()
        self._problems: list[str] = []
        self._cache = Cache(resolve_root(settings.cache_dir), on_problem=self._problems.append)

    def __call__(self, video: str | Path, listener: Listener = ignore) -> VideoResult:
        """Analyse one video; see `analyze`."""
        video, settings = Path(video), self._settings
        self._problems.clear()
        recogniser = choose(
            settings.asr,
            media_path=video,
            transcript=settings.transcript,
            language=settings.language,
        )
        run = Run(
            recogniser=recogniser,
            detector=self._detector,
            extractors=self._extractors,
            predictor=self._predictor,
            cache=self._cache,
            segmentation=settings.segmentation,
            limits=settings.limits,
            memo=DigestMemo(self._cache.digest_folder()),
        )
        result = run(video, listener)
        return replace(result, warnings=(*result.warnings, *self._problems))


def matching_extractors(specs: Sequence[FeatureSpec]) -> tuple[FeatureExtractor, ...]:
    """Build the extractors a checkpoint was trained on.

    Raises
    ------
    CheckpointError
        If a feature is unknown here, or computed differently; the two specs are put side by side.
    """
    extractors = tuple(registry.build(spec.name, spec.settings) for spec in specs)
    for wanted, extractor in zip(specs, extractors, strict=True):
        offered = extractor.spec()
        if not wanted.compatible_with(offered):
            raise CheckpointError(
                f"the checkpoint was trained on another {wanted.name} than this version computes "
                f"({describe_difference(wanted, offered)}): use a checkpoint made for this version."
            )
    return extractors
