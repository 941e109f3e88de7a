"""What a recording shows on its page: found in the cache, or computed where that may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from affect_pipe.analysis import Analyzer
from affect_pipe.extractors import registry
from affect_pipe.extractors.speech.no_words import NoWords
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.pipeline.cache import Cache, resolve_root
from affect_pipe.pipeline.errors import AffectPipeError
from affect_pipe.pipeline.events import Event
from affect_pipe.pipeline.interfaces import FrameLevel
from affect_pipe.pipeline.records import FeatureSpec, Media, Utterance, VideoResult
from affect_pipe.pipeline.results.report.data import Signals
from affect_pipe.pipeline.results.report.signals import (
    faces_in_view,
    traces_of,
    values_of,
    waveform,
)
from affect_pipe.pipeline.settings import RunSettings
from affect_pipe.pipeline.source import CachedSource
from affect_pipe.pipeline.stages import Stages

# Not kept in the cache: decoding an hour takes seconds.
_CHEAP = frozenset({"audio", "probe"})
# openSMILE looks at about a hundred seconds of sound in one; longer ones wait to be asked for.
FRAMES_MAX_S = 2 * 3600.0


class NotInCacheError(AffectPipeError):
    """A stage would have to be computed."""

    def __init__(self, stage: str) -> None:
        super().__init__(f"the stage {stage} is not in the cache.")
        self.stage = stage


def look_again(media: Media, settings: RunSettings, *, recompute: bool) -> VideoResult:
    """Run a video again, through the cache alone unless ``recompute``.

    Raises
    ------
    NotInCacheError
        If a stage is not there.
    AffectPipeError
        If the run cannot be made at all: an unknown checkpoint, a transcript that is gone.
    """
    with Analyzer(settings, frames_apart=recompute) as analyzer:
        return analyzer(media.path, _allow_all if recompute else _only_cheap)


def sound_of(media: Media, settings: RunSettings, missing: Mapping[str, str]) -> Signals:
    """Return what needs no utterances: sound, and where the cache knows it, speech."""
    source = _source(media, settings, recompute=False)
    signals = Signals(missing=missing)
    try:
        signals = _with_sound(signals, source)
        return replace(signals, speech=source.voice_activity)
    except AffectPipeError:
        return signals


def signals_of(result: VideoResult, settings: RunSettings, *, recompute: bool) -> Signals:
    """Return all that a result's recording shows.

    Parameters
    ----------
    recompute : bool
        Whether what is not in the cache may be computed.
    """
    media, utterances = result.media, result.features.utterances
    source = _source(media, settings, recompute=recompute)
    signals = sound_of(media, settings, {})
    values = [values_of(block) for block in result.features.blocks.values()]
    signals = replace(signals, values=tuple(v for v in values if v is not None))
    for block in result.features.blocks.values():
        signals = _with_frames(signals, block.spec, source, utterances, recompute)
    return signals


def _source(media: Media, settings: RunSettings, *, recompute: bool) -> CachedSource:
    cache = Cache(resolve_root(settings.cache_dir))
    return CachedSource(
        media,
        Stages(media, cache, _allow_all if recompute else _only_cheap),
        NoWords(),
        SileroVAD(),
        settings.limits,
    )


def _with_sound(signals: Signals, source: CachedSource) -> Signals:
    if source.audio is None:
        return replace(
            signals, missing={**signals.missing, "waveform": "This recording has no sound."}
        )
    peaks, step_s = waveform(source.audio, source.media.duration_s)
    return replace(signals, waveform=peaks, waveform_step_s=step_s)


def _with_frames(
    signals: Signals,
    spec: FeatureSpec,
    source: CachedSource,
    utterances: Sequence[Utterance],
    recompute: bool,
) -> Signals:
    """Add what a feature tells frame by frame, where it tells anything."""
    if spec.modality == "text":
        return signals
    if spec.modality == "acoustic" and source.media.duration_s > FRAMES_MAX_S and not recompute:
        return _missing(signals, "The voice of so long a recording is looked at with --recompute.")
    extractor = registry.build(spec.name, spec.settings)
    if not isinstance(extractor, FrameLevel):
        return signals
    try:
        table = extractor.frame_table(source, utterances)
    except AffectPipeError as error:
        return _missing(signals, f"{spec.name} is not shown frame by frame: {error}")
    if spec.modality == "visual" and source.media.video is not None:
        counts, step_s = faces_in_view(table, source.media.duration_s)
        signals = replace(signals, faces=counts, faces_step_s=step_s)
    traces = traces_of(table, source.media.duration_s)
    return signals if traces is None else replace(signals, traces=(*signals.traces, traces))


def _missing(signals: Signals, why: str) -> Signals:
    before = signals.missing.get("traces")
    told = f"{before} {why}" if before else why
    return replace(signals, missing={**signals.missing, "traces": told})


def _allow_all(event: Event) -> None:
    """Let every stage be computed."""


def _only_cheap(event: Event) -> None:
    """Stop before a stage that is not in the cache."""
    if event.state == "started" and event.stage not in _CHEAP:
        raise NotInCacheError(event.stage)
