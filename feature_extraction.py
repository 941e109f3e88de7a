"""Extracting features of videos: extractors by name, the cache, files of what is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from affect_pipe.extractors import registry
from affect_pipe.extractors.licences import licence_as_set
from affect_pipe.extractors.speech.beside import TranscriptsBeside
from affect_pipe.extractors.speech.recognisers import check_asr, choose
from affect_pipe.extractors.speech.rttm import find_diarisation
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.pipeline.cache import Cache, resolve_root
from affect_pipe.pipeline.describe import Describer
from affect_pipe.pipeline.digest_memo import DigestMemo
from affect_pipe.pipeline.errors import AffectPipeError, UsageError
from affect_pipe.pipeline.events import Listener, ignore
from affect_pipe.pipeline.extraction import LEVELS, Extracted, Extraction, Level
from affect_pipe.pipeline.frame_process import FrameProcess
from affect_pipe.pipeline.given import media_path, quoted
from affect_pipe.pipeline.interfaces import (
    FeatureExtractor,
    FrameLevel,
    Source,
    SpeechRecogniser,
    WithUnits,
)
from affect_pipe.pipeline.media_files import MediaFile
from affect_pipe.pipeline.preflight import check_names
from affect_pipe.pipeline.records import Diarisation, StageSpec, Transcript, Utterance
from affect_pipe.pipeline.results.feature_file import (
    FORMATS,
    FeatureFile,
    Format,
    Origin,
    file_of_block,
    file_of_table,
)
from affect_pipe.pipeline.results.feature_formats import (
    check_format,
    file_name,
    longest_name,
    write_feature_file,
)
from affect_pipe.pipeline.segmentation import cut_utterances
from affect_pipe.pipeline.settings import RunSettings
from affect_pipe.pipeline.source import CachedSource


@dataclass(frozen=True)
class Written:
    """What came of one media file.

    Attributes
    ----------
    media : Path
    paths : tuple of Path
        The files that were written, one a feature.
    failures : tuple of (str, Exception)
        What could not be extracted, and why: the name of a feature, or empty for the whole file.
    warnings : tuple of str
    """

    media: Path
    paths: tuple[Path, ...] = ()
    failures: tuple[tuple[str, AffectPipeError], ...] = ()
    warnings: tuple[str, ...] = ()


class Extractor:
    """Extracts features of one video after another with the models loaded once.

    Frames are looked at in a child process that lives as long as the extractor: close it, or use
    it in a ``with`` block.

    Parameters
    ----------
    features : sequence of str
        Names of features, any number of a modality.
    level : {"utterance", "frame"}
    feature_settings : mapping of feature name to settings, optional
    settings : RunSettings, optional
        Where words come from, how they are cut, limits, cache; its model is not looked at.

    Raises
    ------
    UsageError
        If a name or a setting is unknown, or a feature has nothing finer than utterances where
        that is asked for.
    MissingWeightsError
        If a feature's weights cannot be had.
    """

    def __init__(
        self,
        features: Sequence[str],
        level: Level = "utterance",
        feature_settings: Mapping[str, Mapping[str, Any]] | None = None,
        settings: RunSettings | None = None,
    ) -> None:
        if level not in LEVELS:
            raise UsageError(f"unknown level {quoted(level)}: use {' or '.join(LEVELS)}.")
        self._settings = settings or RunSettings()
        check_asr(self._settings.asr, self._settings.transcript)
        self._extractors = tuple(registry.build_all(features, feature_settings))
        if level == "frame":
            _check_frame_level(features, self._extractors)
        # What is missing is told before the first video, not after an hour of others.
        self.names = tuple(extractor.spec().name for extractor in self._extractors)
        self.level: Level = level
        self._detector = SileroVAD()
        self._frames = FrameProcess()
        self._problems: list[str] = []
        root = resolve_root(self._settings.cache_dir)
        self._cache = Cache(root, on_problem=self._problems.append)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the child process."""
        self.close()

    def close(self) -> None:
        """End the child process; the next call would start another."""
        self._frames.close()

    def __call__(self, media: str | Path, listener: Listener = ignore) -> Extracted:
        """Extract the features of one media file.

        Raises
        ------
        AffectPipeError
            If it cannot be read, or its words cannot be had. What fails for one feature alone is in
            the result.
        """
        path = media_path(media)
        self._problems.clear()
        describer = Describer(
            recogniser=_ChosenLater(self._settings, path, TranscriptsBeside(self._problems.append)),
            detector=self._detector,
            extractors=self._extractors,
            cache=self._cache,
            limits=self._settings.limits,
            memo=DigestMemo(self._cache.digest_folder()),
            frame_pass=self._frames,
            diarisation=self._diarisation(path),
        )
        return Extraction(describer, self._cut, self.level)(path, listener)

    def _diarisation(self, media: Path) -> Diarisation | None:
        if self.level == "frame":  # nobody asks who speaks
            return None
        return find_diarisation(media, self._settings.diarisation)

    def files(self, extracted: Extracted) -> dict[str, FeatureFile]:
        """Lay out what was extracted as files hold it, by the name of the feature."""
        by_name = {extractor.spec().name: extractor for extractor in self._extractors}
        segmentation = self._settings.segmentation.model_dump()
        found: dict[str, FeatureFile] = {}
        for block in extracted.blocks:
            name = block.spec.name
            origin = Origin(
                extracted.media, licence_as_set(by_name[name]), extracted.transcript, segmentation
            )
            units = _units(by_name[name])
            found[name] = file_of_block(block, extracted.utterances, units, origin)
        for table in extracted.tables:
            name = table.spec.name
            origin = Origin(
                extracted.media, licence_as_set(by_name[name]), extracted.transcript, segmentation
            )
            found[name] = file_of_table(table, origin)
        return found

    def write(
        self, file: MediaFile, out: Path, format_: Format, listener: Listener = ignore
    ) -> Written:
        """Extract the features of one media file and write them below ``out``.

        Raises
        ------
        AffectPipeError
            If nothing can be extracted, or a file cannot be written.
        """
        names = [longest_name(file.target, name, self.level, format_) for name in self.names]
        check_names(out, names, file.path)
        extracted = self(file.path, listener)
        paths = []
        for name, found in self.files(extracted).items():
            path = out / file_name(file.target, name, self.level, format_)
            write_feature_file(found, path, format_)
            paths.append(path)
        warnings = (*extracted.warnings, *self._problems)
        return Written(file.path, tuple(paths), extracted.failures, warnings)

    def _cut(self, source: CachedSource) -> tuple[Utterance, ...]:
        return cut_utterances(source.transcript, source.voice_activity, self._settings.segmentation)


def check_written_as(format_: str) -> Format:
    """Return a format that is known and can be written here.

    Raises
    ------
    UsageError
        If it is unknown.
    MissingDependencyError
        If it needs a library that is not there.
    """
    for known in FORMATS:
        if format_ == known:
            check_format(known)
            return known
    raise UsageError(f"unknown format {quoted(format_)}: use {', '.join(FORMATS)}.")


def write_all(
    extractor: Extractor,
    files: Sequence[MediaFile],
    out: Path,
    format_: Format,
    listener: Listener = ignore,
) -> list[Written]:
    """Extract and write one media file after the other; one that fails does not stop the others."""
    found = []
    for file in files:
        try:
            found.append(extractor.write(file, out, format_, listener))
        except AffectPipeError as error:
            found.append(Written(file.path, failures=(("", error),)))
    return found


class _ChosenLater:
    """The recogniser of one media file, chosen when somebody asks for words.

    To choose one may mean to fetch its weights, and sound at frame level needs no words.
    """

    def __init__(self, settings: RunSettings, media_path: Path, beside: TranscriptsBeside) -> None:
        self._settings = settings
        self._media_path = media_path
        self._beside = beside

    @cached_property
    def _chosen(self) -> SpeechRecogniser:
        return choose(
            self._settings.asr,
            media_path=self._media_path,
            transcript=self._settings.transcript,
            language=self._settings.language,
            task=self._settings.asr_task,
            max_words_per_s=self._settings.limits.max_words_per_s,
            beside=self._beside,
        )

    def spec(self) -> StageSpec:
        """Say what decides the words."""
        return self._chosen.spec()

    def transcribe(self, source: Source) -> Transcript:
        """Return the words."""
        return self._chosen.transcribe(source)

    def signed(self, transcript: Transcript) -> Transcript:
        """Add what only this run knows."""
        return self._chosen.signed(transcript)


def _check_frame_level(names: Sequence[str], extractors: Sequence[FeatureExtractor]) -> None:
    for name, extractor in zip(dict.fromkeys(names), extractors, strict=True):
        if not isinstance(extractor, FrameLevel):
            raise UsageError(
                f"{name} has no frame level, for it describes whole utterances: use --level "
                "utterance, or leave it out."
            )


def _units(extractor: FeatureExtractor) -> tuple[str, ...]:
    if isinstance(extractor, WithUnits):
        return extractor.units()
    return ("",) * extractor.spec().dim
