"""Videos analysed one after another: words, voice and face through a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

from affect_pipe.extractors import registry
from affect_pipe.extractors.speech.beside import TranscriptsBeside
from affect_pipe.extractors.speech.recognisers import choose
from affect_pipe.extractors.speech.rttm import find_diarisation
from affect_pipe.extractors.speech.transcript import TranscriptFile
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.fusion.checkpoint import resolve
from affect_pipe.fusion.explain import contributions
from affect_pipe.fusion.predict import CheckpointPredictor, describe_difference
from affect_pipe.pipeline.cache import Cache, resolve_root
from affect_pipe.pipeline.describe import Describer
from affect_pipe.pipeline.digest_memo import DigestMemo
from affect_pipe.pipeline.errors import AffectPipeError, CheckpointError
from affect_pipe.pipeline.events import Listener, ignore
from affect_pipe.pipeline.frame_pass import in_this_thread
from affect_pipe.pipeline.frame_process import FrameProcess
from affect_pipe.pipeline.given import media_path
from affect_pipe.pipeline.interfaces import FeatureExtractor, SpeechRecogniser
from affect_pipe.pipeline.placement import EVERY, Kinds
from affect_pipe.pipeline.records import FeatureSpec, Media, VideoResult
from affect_pipe.pipeline.run import Run
from affect_pipe.pipeline.settings import RunSettings

NO_ATTENTION = "the backbone {!r} has no attention over utterances, so there are no maps of it"


def analyze(
    video: str | Path,
    settings: RunSettings | None = None,
    *,
    listener: Listener = ignore,
    explain: bool = False,
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
    explain : bool
        Say also what each modality contributed: `VideoResult.contributions`.

    Raises
    ------
    AffectPipeError
        With one sentence that says what was wrong with which file and what to do.
    """
    with Analyzer(settings or RunSettings()) as analyzer:
        return analyzer(video, listener, explain=explain)


class Analyzer:
    """Analyses one video after another with the models loaded once.

    Frames are looked at in a child process that lives as long as the analyzer: close it, or use it
    in a ``with`` block.

    Parameters
    ----------
    settings : RunSettings
    frames_apart : bool
        Whether frames are looked at in a child process, beside words and voice; else in a thread.
    kinds : frozenset of str
        Kinds of stages that are computed here (`pipeline.placement.KINDS`); what is of another one
        must be in the cache, else `Elsewhere` is raised once all that can be computed is there.

    Raises
    ------
    CheckpointError
        If the checkpoint is unknown, unreadable, or wants features this version cannot compute.
    CacheError
        If the cache folder cannot be written to.
    """

    def __init__(
        self, settings: RunSettings, *, frames_apart: bool = True, kinds: Kinds = EVERY
    ) -> None:
        self._settings = settings
        self._predictor = CheckpointPredictor(resolve(settings.model))
        self._extractors = matching_extractors(self._predictor.feature_specs())
        self._detector = SileroVAD()
        self._frames = FrameProcess() if frames_apart else None
        self._kinds = kinds
        self._problems: list[str] = []
        self._cache = Cache(resolve_root(settings.cache_dir), on_problem=self._problems.append)
        self._beside = TranscriptsBeside(self._problems.append)
        self._memo = DigestMemo(self._cache.digest_folder())
        self._recogniser: SpeechRecogniser | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the child process."""
        self.close()

    def close(self) -> None:
        """End the child process; the next call would start another."""
        if self._frames is not None:
            self._frames.close()

    def __call__(
        self,
        video: str | Path,
        listener: Listener = ignore,
        *,
        explain: bool = False,
        transcript: Path | None = None,
        diarisation: Path | None = None,
        language: str | None = None,
    ) -> VideoResult:
        """Analyse one video; see `analyze`.

        ``transcript``, ``diarisation`` and ``language`` are this video's, where they are not those
        of the settings.
        """
        video, settings = media_path(video), self._settings
        self._problems.clear()
        describer = replace(
            self._describer(video, transcript, language),
            diarisation=find_diarisation(video, diarisation or settings.diarisation),
        )
        run = Run(describer, self._predictor, settings.segmentation)
        result = run(video, listener)
        result = replace(result, warnings=(*result.warnings, *self._problems))
        return self.explain(result) if explain else result

    def holds(
        self, media: Media, *, transcript: Path | None = None, language: str | None = None
    ) -> bool:
        """Whether words and faces of a video are in the cache, without reading it.

        False also where its bytes, or the weights, are not known here yet.

        Parameters
        ----------
        media : Media
            Its ``digest`` is not looked at.
        transcript, language : optional
            As in a call.
        """
        digest = self._memo.remembered(media.path)
        if digest is None:
            return False
        with suppress(AffectPipeError):
            describer = self._describer(media.path, transcript, language, allow_download=False)
            return describer.holds(replace(media, digest=digest))
        return False

    def _describer(
        self,
        video: Path,
        transcript: Path | None,
        language: str | None,
        *,
        allow_download: bool = True,
    ) -> Describer:
        settings = self._settings
        recogniser = choose(
            settings.asr,
            media_path=video,
            transcript=transcript or settings.transcript,
            language=language or settings.language,
            task=settings.asr_task,
            allow_download=allow_download,
            max_words_per_s=settings.limits.max_words_per_s,
            beside=self._beside,
        )
        return Describer(
            recogniser=self._kept(recogniser),
            detector=self._detector,
            extractors=self._extractors,
            cache=self._cache,
            limits=settings.limits,
            memo=self._memo,
            frame_pass=self._frames or in_this_thread,
            # To read words from a file needs nothing that another worker has.
            kinds=self._kinds | {"speech"}
            if isinstance(recogniser, TranscriptFile)
            else self._kinds,
        )

    def _kept(self, chosen: SpeechRecogniser) -> SpeechRecogniser:
        """Return the recogniser of the video before, with its model loaded, if it is the same."""
        if isinstance(chosen, TranscriptFile):
            return chosen
        if self._recogniser is None or self._recogniser.spec() != chosen.spec():
            self._recogniser = chosen
        return self._recogniser

    def explain(self, result: VideoResult) -> VideoResult:
        """Return a result of this analyzer with what each modality contributed.

        Computed anew, in about a tenth of a second; nothing of it is kept in the cache. See
        `affect_pipe.fusion.explain`.
        """
        found = contributions(self._predictor, result.features, result.prediction)
        warnings = result.warnings
        if result.features.utterances and not result.prediction.attention:
            warnings = (*warnings, NO_ATTENTION.format(result.model.backbone))
        return replace(result, contributions=found, warnings=warnings)

    def overlay(
        self, result: VideoResult, folder: str | Path, listener: Listener = ignore
    ) -> tuple[Path | None, tuple[str, ...]]:
        """Draw a result of this analyzer into its video, as ``<stem>.overlay.mp4``.

        Returns
        -------
        path : Path or None
            None where the file has no picture.
        warnings : tuple of str
            What could not be drawn, and why.

        Raises
        ------
        AffectPipeError
            If the video cannot be written, or a library or font for it is not there.
        """
        from affect_pipe.overlay import overlay

        return overlay(
            result,
            folder,
            self._extractors,
            self._cache,
            self._frames or in_this_thread,
            self._settings.limits,
            listener,
        )


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
