"""Affect-pipe as Python calls: what the command line does, composed from its parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from affect_pipe.annotations import evaluate_against, labels_from_annotations
from affect_pipe.batch import BatchOptions, batch
from affect_pipe.exports import export_results
from affect_pipe.extract import DEFAULT_FEATURES, extract, extract_to_files
from affect_pipe.extractors import registry
from affect_pipe.extractors.feature_list import ListedFeature, list_features
from affect_pipe.extractors.speech.beside import TranscriptsBeside
from affect_pipe.extractors.speech.recognisers import choose
from affect_pipe.extractors.speech.rttm import find_diarisation
from affect_pipe.extractors.speech.transcript import TranscriptFile
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.feature_extraction import Extractor, Written, check_written_as
from affect_pipe.fusion.checkpoint import resolve
from affect_pipe.fusion.explain import contributions
from affect_pipe.fusion.predict import CheckpointPredictor, describe_difference
from affect_pipe.pipeline.cache import Cache, resolve_root
from affect_pipe.pipeline.describe import Describer
from affect_pipe.pipeline.digest_memo import DigestMemo
from affect_pipe.pipeline.errors import AffectPipeError, CheckpointError, UsageError
from affect_pipe.pipeline.events import Listener, ignore
from affect_pipe.pipeline.frame_pass import in_this_thread
from affect_pipe.pipeline.frame_process import FrameProcess
from affect_pipe.pipeline.given import media_path, quoted
from affect_pipe.pipeline.interfaces import FeatureExtractor, SpeechRecogniser
from affect_pipe.pipeline.placement import EVERY, Kinds
from affect_pipe.pipeline.records import FeatureSpec, FloatArray, Media, VideoResult
from affect_pipe.pipeline.results.feature_file import FeatureFile
from affect_pipe.pipeline.run import Run
from affect_pipe.pipeline.settings import RunSettings, load_settings
from affect_pipe.starter_recipes import STARTER_SEED, check_recipe, encoders

if TYPE_CHECKING:
    from affect_pipe.fusion.recipes.own_videos import OwnVideosReport, OwnVideosSettings
    from affect_pipe.fusion.recipes.starter_report import StarterReport
    from affect_pipe.fusion.reproduce.progress import Listener as GridListener
    from affect_pipe.fusion.reproduce.report import Report
    from affect_pipe.fusion.reproduce.source import EncodeTexts
    from affect_pipe.fusion.training_events import Listener as TrainingListener
    from affect_pipe.reporting import ReportOptions

__all__ = [
    "DEFAULT_FEATURES",
    "Analyzer",
    "BatchOptions",
    "Extractor",
    "FeatureFile",
    "ListedFeature",
    "RunSettings",
    "VideoResult",
    "Written",
    "analyze",
    "batch",
    "check_written_as",
    "evaluate",
    "evaluate_against",
    "export_results",
    "extract",
    "extract_to_files",
    "labels_from_annotations",
    "list_features",
    "load_settings",
    "report",
    "reproduce",
    "train",
    "train_on_videos",
]

DEVICES = ("auto", "cpu", "cuda")
NO_ATTENTION = "the backbone {!r} has no attention over utterances, so there are no maps of it"
Tell = Callable[[str], None]


def _ignore(line: str) -> None:
    """Tell nobody."""


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
        self._beside = TranscriptsBeside()
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


def train(
    recipe: str,
    data: str | Path,
    out: str | Path,
    *,
    seed: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    cache_dir: str | None = None,
    tell: Tell = _ignore,
) -> StarterReport:
    """Train a shipped checkpoint again, by the recipe it was made with.

    Parameters
    ----------
    recipe : {"starter", "starter-covarep"}
    data : str or Path
        Folder of corpora; see docs/data.md.
    out : str or Path
        Checkpoint folder to write.
    seed : int, optional
        By default the one that made the shipped checkpoint.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes a GPU if there is one.
    cache_dir : str, optional
        Where the corpora's features are kept, in the subfolder ``corpora``.
    tell : callable
        Hears of progress, line by line.

    Returns
    -------
    StarterReport
        The figures on the dev parts.

    Raises
    ------
    UsageError
        If the recipe or the device is unknown, or a corpus is missing.
    """
    check_recipe(recipe)
    _check_device(device)
    from affect_pipe.fusion.recipes import starter

    return starter.build(
        Path(data),
        Path(out),
        encoders(recipe),
        name=recipe,
        work=_corpora_folder(cache_dir),
        tell=tell,
        seed=STARTER_SEED if seed is None else seed,
        device=device,
    )


def train_on_videos(
    videos: str | Path,
    labels: str | Path,
    out: str | Path,
    *,
    features: Sequence[str] = DEFAULT_FEATURES,
    feature_settings: Mapping[str, Mapping[str, Any]] | None = None,
    settings: OwnVideosSettings | None = None,
    run: RunSettings | None = None,
    sentiment_scale: float = 3.0,
    resume: bool = False,
    tell: Tell = _ignore,
    listener: Listener = ignore,
    listen: TrainingListener | None = None,
) -> OwnVideosReport:
    """Train a checkpoint on a folder of videos and a label file.

    Parameters
    ----------
    videos : str or Path
        Folder that holds the videos, or clips, the label file names.
    labels : str or Path
        CSV: see `affect_pipe.fusion.datasets.folder_labels`.
    out : str or Path
        Run folder to write; ``analyze(video, RunSettings(model=out))`` uses its checkpoint.
    features : sequence of str
        At most one a modality.
    feature_settings : mapping of feature name to settings, optional
        What the checkpoint's contract then asks for.
    settings : OwnVideosSettings, optional
        Backbone, tasks, normalisation, training.
    run : RunSettings, optional
        Of the pipeline: where words come from that the labels do not have, limits, cache.
    sentiment_scale : float
        Largest intensity of an MMSA label file.
    resume : bool
        Go on with the training that is in ``out``.
    tell : callable (line)
        Hears what is left out and why.
    listener, listen : callable
        Hear of every stage of every video, and of every step of the training.

    Raises
    ------
    AffectPipeError
        With one sentence that says what was wrong with which file and what to do.
    """
    from affect_pipe.own_videos import train_on_videos as compose

    extractors = registry.build_all(features, feature_settings)
    modalities = [extractor.spec().modality for extractor in extractors]
    if len(set(modalities)) != len(modalities) or len(extractors) != len(features):
        raise UsageError(
            f"features {', '.join(features)} are of {', '.join(modalities)}: name one a modality."
        )
    settings = settings or own_videos_settings({}, {})
    _check_device(settings.training.device)
    return compose(
        Path(videos),
        Path(labels),
        Path(out),
        extractors,
        run or RunSettings(),
        settings,
        sentiment_scale=sentiment_scale,
        resume=resume,
        tell=tell,
        listener=listener,
        listen=listen,
    )


def own_videos_settings(given: Mapping[str, Any], training: Mapping[str, Any]) -> OwnVideosSettings:
    """Check settings of a training on own videos.

    Parameters
    ----------
    given : mapping
        Fields of `OwnVideosSettings`; ``backbone_settings`` may be JSON text.
    training : mapping
        Fields of `affect_pipe.fusion.training_settings.TrainingSettings`.

    Raises
    ------
    UsageError
        If one does not fit; the sentence names it.
    """
    from pydantic import ValidationError

    from affect_pipe.fusion.models.backbone import BACKBONES
    from affect_pipe.fusion.recipes.own_videos import OwnVideosSettings

    fields = dict(given)
    text = fields.get("backbone_settings")
    if isinstance(text, str):
        try:
            fields["backbone_settings"] = json.loads(text)
        except ValueError as error:
            raise UsageError(f"the backbone's settings are no JSON: {error}.") from error
    if fields.get("backbone", "cim") not in BACKBONES:
        raise UsageError(
            f"unknown backbone {quoted(fields['backbone'])}: known are {', '.join(BACKBONES)}."
        )
    try:
        return OwnVideosSettings.model_validate({**fields, "training": dict(training)})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{where} cannot be {quoted(first['input'])}: {first['msg']}.") from error


def evaluate(
    recipe: str,
    data: str | Path,
    *,
    split: Literal["dev", "test"] = "dev",
    model: str | Path | None = None,
    cache_dir: str | None = None,
    tell: Tell = _ignore,
) -> StarterReport:
    """Measure a checkpoint on the dev or test parts of the corpora of a recipe.

    ``model`` is the shipped checkpoint of the recipe unless another is named.

    Raises
    ------
    UsageError
        If the recipe is unknown or ``data`` is no folder.
    CheckpointError
        If the checkpoint is unknown or reads other features.
    """
    check_recipe(recipe)
    from affect_pipe.fusion.recipes import starter

    work = _corpora_folder(cache_dir)
    return starter.evaluate(
        Path(data), encoders(recipe), model or recipe, split=split, work=work, tell=tell
    )


def reproduce(
    table: str,
    data: str | Path,
    out: str | Path,
    *,
    seeds: int = 5,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    workers: int | None = None,
    models: Sequence[str] | None = None,
    modalities: Sequence[str] | None = None,
    cache_dir: str | None = None,
    listener: GridListener | None = None,
) -> Report:
    """Run a table of a paper, our numbers beside theirs.

    Parameters
    ----------
    table : str
        cim-3, cim-4, cia-1, cia-3, muse-1 to muse-5, or mosi.
    data : str or Path
        Folder of datasets; see docs/data.md.
    out : str or Path
        Gets ``<table>.json`` and ``<table>.md``. Finished cells of the grid are kept there and not
        run again.
    seeds : int
        How many, from 1.
    workers : int, optional
        Processes of one thread each; one a core by default, one on a GPU.
    models, modalities : sequences of str, optional
        Only these rows and columns: ``["cim"]``, ``["T", "T+A+V"]``.
    cache_dir : str, optional
        Where encoded transcripts are kept, in the subfolder ``corpora``.
    listener : callable, optional
        Hears of every epoch and cell, with the time left.

    Raises
    ------
    UsageError
        If the table, a model or a combination is unknown, or its dataset is not there: the message
        says where to get it.
    """
    from affect_pipe.fusion.reproduce.plan import parse_combination
    from affect_pipe.fusion.reproduce.reproduce import reproduce as run_table
    from affect_pipe.fusion.training import choose_device

    return run_table(
        table,
        Path(data),
        Path(out),
        _transcript_encoder(cache_dir),
        n_seeds=seeds,
        device="cuda" if choose_device(device).type == "cuda" else "cpu",
        workers=workers,
        models=models,
        combinations=[parse_combination(text) for text in modalities or ()] or None,
        listener=listener,
    )


def report(
    result: str | Path | VideoResult,
    out: str | Path | None = None,
    options: ReportOptions | None = None,
    *,
    tell: Tell = _ignore,
) -> Path:
    """Make a page of a result, to look at: one HTML file that works without a network.

    Parameters
    ----------
    result : str, Path or VideoResult
        A result file, or what `analyze` returned.
    out : str or Path, optional
        An ``.html`` file or a folder; by default beside the result file, else the current folder.
    options : `affect_pipe.reporting.ReportOptions`, optional
        Whether the video is embedded or linked to, where it is, and the settings of the run.
    tell : callable (line)
        Hears what takes its time.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    AffectPipeError
        With one sentence that says what was wrong with which file and what to do.
    """
    from affect_pipe import reporting

    if isinstance(result, VideoResult):
        return reporting.report_of(result, out or Path(), options, tell=tell)
    return reporting.report(result, out, options, tell=tell)


def _transcript_encoder(cache_dir: str | None) -> EncodeTexts:
    """Encode transcripts with the encoder a run uses; each corpus once, where there is a cache."""
    from affect_pipe.extractors.text.minilm import MiniLM
    from affect_pipe.fusion.recipes.starter_store import FeatureStore, feature_key

    store = FeatureStore(_corpora_folder(cache_dir))

    def encode(texts: Sequence[str]) -> FloatArray:
        encoder = MiniLM()
        key = feature_key("transcripts", encoder.spec(), texts)
        arrays = store.get(key, lambda: {"vectors": encoder.encode(list(texts))})
        return np.asarray(arrays["vectors"], dtype=np.float32)

    return encode


def _check_device(device: str) -> None:
    """Find out before hours of describing corpora whether a model could then be trained."""
    if device not in DEVICES:
        raise UsageError(f"unknown device {quoted(device)}: use {', '.join(DEVICES)}.")
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UsageError("--device cuda is asked for, and there is no GPU: use cpu or auto.")


def _corpora_folder(cache_dir: str | None) -> Path | None:
    """Return the folder for corpus features; None, keep nothing, where the cache is no folder."""
    root = resolve_root(cache_dir)
    return root / "corpora" if isinstance(root, Path) else None
