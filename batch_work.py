"""What the workers of a batch do: look at a video, or analyse it and write its results."""

from __future__ import annotations

import importlib.metadata
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from affect_pipe.pipeline.batch.engine import Attempt, Identified, Told
from affect_pipe.pipeline.batch.records import Item, Product, Seen
from affect_pipe.pipeline.batch.store import Store
from affect_pipe.pipeline.cache import Cache, resolve_root
from affect_pipe.pipeline.digest_memo import DigestMemo
from affect_pipe.pipeline.fingerprint import digest_bytes, digest_json
from affect_pipe.pipeline.placement import EVERY, Kinds
from affect_pipe.pipeline.preflight import EXPLANATION_SUFFIXES, SUFFIXES
from affect_pipe.pipeline.settings import RunSettings

if TYPE_CHECKING:
    from affect_pipe.analysis import Analyzer
    from affect_pipe.extractors.speech.beside import TranscriptsBeside
    from affect_pipe.pipeline.records import VideoResult

# Raise it when the files of a result change their form.
_FORMAT = 1
_WITH_TRANSCRIPTS = ("auto", "transcript")


@dataclass(frozen=True)
class Identities:
    """Tells what decides the result of a video: its bytes, its words, the settings, the model.

    Attributes
    ----------
    settings : RunSettings
    explain : bool
    """

    settings: RunSettings
    explain: bool

    def opened(self) -> Callable[[Item], str]:
        """Return the function from an item to its identity; it remembers digests of large files.

        Raises
        ------
        CheckpointError
            If there is no such checkpoint.
        UsageError, MissingWeightsError
            If a recogniser's own weights are not there.
        """
        from affect_pipe.extractors.speech.beside import TranscriptsBeside

        memo = DigestMemo(Cache(resolve_root(self.settings.cache_dir)).digest_folder())
        common, beside = self._common(memo), TranscriptsBeside()

        def identity(item: Item) -> str:
            return digest_json(
                [
                    *common,
                    memo.digest(item.video),
                    *self.texts(item, beside),
                    item.language,
                ]
            )

        return identity

    def texts(
        self, item: Item, beside: TranscriptsBeside
    ) -> tuple[tuple[str, str] | None, str | None]:
        """Return the ending and the digest of the words' file, and the digest of the speakers'.

        Raises
        ------
        UsageError, TranscriptError
            If one is named and not there, or cannot be read.
        """
        from affect_pipe.extractors.speech.text_file import read_bytes

        words, speakers = self._words(item, beside), self._speakers(item)
        return (
            None if words is None else (words.suffix.lower(), digest_bytes(read_bytes(words))),
            None if speakers is None else digest_bytes(read_bytes(speakers, "diarisation")),
        )

    def _common(self, memo: DigestMemo) -> list[object]:
        from affect_pipe.extractors.speech.own_weights import own_weights
        from affect_pipe.fusion import checkpoint

        # Where things lie decides nothing; what they hold is told by their digests.
        apart = {"model", "cache_dir", "transcript", "diarisation"}
        settings = self.settings.model_dump(mode="json", exclude=apart)
        weights = own_weights(self.settings.asr)
        if weights:
            name, _, model = self.settings.asr.partition(":")
            # What results say of the model is the last part of its path.
            digests = {path.name: memo.digest(path) for path in weights}
            settings["asr"] = [name, Path(model).name, digests]
        version = ""
        with suppress(importlib.metadata.PackageNotFoundError):
            version = importlib.metadata.version("affect-pipe")
        model = checkpoint.digest(checkpoint.resolve(self.settings.model))
        return [_FORMAT, version, settings, self.explain, model]

    def _words(self, item: Item, beside: TranscriptsBeside) -> Path | None:
        if self.settings.asr.partition(":")[0] not in _WITH_TRANSCRIPTS:
            return None
        named = item.transcript or self.settings.transcript
        return named or beside.find(Path(item.video))

    def _speakers(self, item: Item) -> Path | None:
        from affect_pipe.extractors.speech.rttm import diarisation_beside

        named = item.diarisation or self.settings.diarisation
        return named or diarisation_beside(Path(item.video))


@dataclass(frozen=True)
class LookWork:
    """Looks at videos before any is worked on; a `pipeline.batch.engine.Work` that gives `Seen`.

    Attributes
    ----------
    identities : Identities
    known : mapping of target to identity
        What the ledger knows. A video that still has its identity is not looked into; one that is
        not known is not read whole.
    """

    identities: Identities
    known: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def open(self) -> Iterator[Attempt[Seen]]:
        """Give the function that looks."""
        from affect_pipe.analysis import Analyzer
        from affect_pipe.extractors.speech.beside import TranscriptsBeside
        from affect_pipe.pipeline.media import probe

        beside = TranscriptsBeside()
        identity = self.identities.opened()
        limits = self.identities.settings.limits
        # No model is loaded before something is computed.
        analyzer = Analyzer(self.identities.settings, frames_apart=False)

        def look(item: Item, tell: Callable[[Told], None]) -> Seen:
            before = self.known.get(item.target)
            found = None if before is None else identity(item)
            if found is not None and found == before:
                return Seen(found)
            media = probe(item.video, limits=limits, digest=lambda _: "")
            if found is None:
                self.identities.texts(item, beside)  # What cannot be read is told now.
            video = media.video
            size = (video.width_px, video.height_px) if video is not None else (0, 0)
            holds = analyzer.holds(media, transcript=item.transcript, language=item.language)
            return Seen(found, media.duration_s, *size, in_cache=holds)

        yield look


@dataclass(frozen=True)
class AnalyzeWork:
    """Analyses videos and writes their results: a `pipeline.batch.engine.Work` of `Product`.

    Attributes
    ----------
    identities : Identities
    store : Store
    frames_apart : bool
        Whether a worker looks at frames in a second process, beside words and voice. Where there
        is a worker a core, that gains nothing and takes more memory.
    kinds : frozenset of str
        Kinds of stages that are computed here; see `pipeline.placement`.
    """

    identities: Identities
    store: Store
    frames_apart: bool = False
    kinds: Kinds = EVERY

    def placed(self, kinds: Kinds) -> Self:
        """Return the work of one that computes some kinds of stages; see `engine.StagedWork`."""
        return replace(self, kinds=kinds)

    @contextmanager
    def open(self) -> Iterator[Attempt[Product]]:
        """Give the function that analyses one video after another with the models loaded once."""
        from affect_pipe.analysis import Analyzer

        identity = self.identities.opened()
        settings = self.identities.settings
        with Analyzer(settings, frames_apart=self.frames_apart, kinds=self.kinds) as analyzer:

            def analyse(item: Item, tell: Callable[[Told], None]) -> Product:
                found = identity(item)
                tell(Identified(found))
                return self._analyse(analyzer, item, found, tell)

            yield analyse

    def _analyse(
        self, analyzer: Analyzer, item: Item, identity: str, tell: Callable[[Told], None]
    ) -> Product:
        result = analyzer(
            item.video,
            tell,
            explain=self.identities.explain,
            transcript=item.transcript,
            diarisation=item.diarisation,
            language=item.language,
        )
        written = {name: self.store.write(name, data) for name, data in _files(result, item)}
        return Product(
            identity=identity,
            results=written,
            duration_s=result.media.duration_s,
            utterances=len(result.features.utterances),
            warnings=result.warnings,
            timings_s=result.timings_s,
        )


def _files(result: VideoResult, item: Item) -> Iterator[tuple[str, bytes]]:
    """Yield the names and bytes of a video's files; the JSON, which people look for, last."""
    from affect_pipe.pipeline.results.csv_result import csv_bytes
    from affect_pipe.pipeline.results.json_result import json_bytes
    from affect_pipe.pipeline.results.utterance_dataset import dataset_bytes, dataset_name

    yield dataset_name(item.target), dataset_bytes(result, item.target)
    if result.contributions is not None:
        yield from _attention(result, item)
    json_suffix, csv_suffix = SUFFIXES
    yield item.target + csv_suffix, csv_bytes(result)
    yield item.target + json_suffix, json_bytes(result)


def _attention(result: VideoResult, item: Item) -> Iterator[tuple[str, bytes]]:
    from affect_pipe.pipeline.results.attention_files import write_attention

    with tempfile.TemporaryDirectory(prefix="affect-pipe-") as folder:
        paths = write_attention(result, folder)
        for path, suffix in zip(paths, EXPLANATION_SUFFIXES, strict=bool(paths)):
            yield item.target + suffix, path.read_bytes()
