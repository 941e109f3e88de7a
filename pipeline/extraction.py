"""The features of one video for their own sake: any number of them, of any modality, no model.

`Describer` keys what it computes by modality, as a fusion model reads it. Here two features of one
modality go side by side, and a feature that fails does not take the others with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, overload

from affect_pipe.pipeline.describe import Cut, Describer, Opened
from affect_pipe.pipeline.errors import AffectPipeError
from affect_pipe.pipeline.events import Listener, ignore
from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.interfaces import FeatureExtractor, FrameLevel
from affect_pipe.pipeline.records import FeatureBlock, Media, Transcript, Utterance

NO_SPEECH = "no speech was found in this file, so there are no utterances and no rows"
NO_AUDIO = "this file has no audio and no words come from elsewhere, so there are no rows"

Level = Literal["utterance", "frame"]
LEVELS: tuple[Level, ...] = ("utterance", "frame")


@dataclass(frozen=True)
class Extracted:
    """What was extracted from one video.

    Attributes
    ----------
    media : Media
    transcript : Transcript or None
        The words the utterances were cut from; None where no feature asked for utterances.
    utterances : tuple of Utterance
        Empty where no feature asked for them.
    blocks : tuple of FeatureBlock
        At the level of utterances, in the order the features were named.
    tables : tuple of FrameTable
        At the level of frames.
    failures : tuple of (str, AffectPipeError)
        Names of the features that could not be computed, and why.
    warnings : tuple of str
    """

    media: Media
    transcript: Transcript | None
    utterances: tuple[Utterance, ...]
    blocks: tuple[FeatureBlock, ...] = ()
    tables: tuple[FrameTable, ...] = ()
    failures: tuple[tuple[str, AffectPipeError], ...] = ()
    warnings: tuple[str, ...] = ()


class LaterUtterances(Sequence[Utterance]):
    """Utterances that are cut when somebody looks at them.

    A table of the whole file's sound needs no words, and finding them may take longer than it.
    """

    def __init__(self, cut: Callable[[], tuple[Utterance, ...]]) -> None:
        self._cut = cut
        self.cut_already = False

    @cached_property
    def all(self) -> tuple[Utterance, ...]:
        """The utterances."""
        found = self._cut()
        self.cut_already = True
        return found

    @overload
    def __getitem__(self, index: int) -> Utterance: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Utterance]: ...
    def __getitem__(self, index: int | slice) -> Utterance | Sequence[Utterance]:
        return self.all[index]

    def __len__(self) -> int:
        return len(self.all)


@dataclass(frozen=True)
class Extraction:
    """Extracts features of one video after another.

    Attributes
    ----------
    describer : Describer
        Its extractors may be several of one modality, each name once.
    cut : callable
        Says which utterances there are.
    level : {"utterance", "frame"}
        ``frame`` needs extractors that are `FrameLevel`.
    """

    describer: Describer
    cut: Cut
    level: Level

    def __call__(self, path: Path, listener: Listener = ignore) -> Extracted:
        """Extract every feature of one video.

        Raises
        ------
        AffectPipeError
            If the file cannot be read, or its words cannot be had.
        """
        found: dict[str, FeatureBlock | FrameTable] = {}
        failed: dict[str, AffectPipeError] = {}
        with self.describer.open(path, listener) as opened:
            utterances = LaterUtterances(lambda: self.cut(opened.source))
            if self.level == "utterance":
                # Without them there is nothing at all: not a failure of one feature.
                len(utterances)
            for extractor in self.describer.in_order():
                name = extractor.spec().name
                try:
                    found[name] = self._one(opened, extractor, utterances)
                except AffectPipeError as error:
                    failed[name] = error
        names = [extractor.spec().name for extractor in self.describer.extractors]
        results = [found[name] for name in names if name in found]
        source, asked = opened.source, utterances.cut_already
        transcript = self.describer.recogniser.signed(source.transcript) if asked else None
        warnings = [*(transcript.warnings if transcript else ()), *opened.problems()]
        if self.level == "utterance" and not len(utterances):
            warnings.append(NO_AUDIO if source.media.audio is None else NO_SPEECH)
        warnings += sorted(set(source.stages.warnings) - set(warnings))
        tables = [result for result in results if isinstance(result, FrameTable)]
        warnings += _nothing_to_see_or_hear(tables, source.media)
        return Extracted(
            media=source.media,
            transcript=transcript,
            utterances=utterances.all if asked else (),
            blocks=tuple(result for result in results if isinstance(result, FeatureBlock)),
            tables=tuple(tables),
            failures=tuple((name, failed[name]) for name in names if name in failed),
            warnings=tuple(warnings),
        )

    def _one(
        self, opened: Opened, extractor: FeatureExtractor, utterances: LaterUtterances
    ) -> FeatureBlock | FrameTable:
        spec = extractor.spec()
        if self.level == "utterance":
            block = opened.block(extractor, utterances.all, f"features-{spec.name}")
            # The cache does not keep everything a spec says.
            return replace(block, spec=spec)
        opened.wait(extractor)
        assert isinstance(extractor, FrameLevel)
        return opened.source.stages.timed(
            f"frames-{spec.name}", lambda: extractor.frame_table(opened.source, utterances)
        )


def _nothing_to_see_or_hear(tables: Sequence[FrameTable], media: Media) -> list[str]:
    """Say of which tables the rows are none because the file has no picture or no sound."""
    found = []
    for modality, track, what in (
        ("visual", media.video, "video"),
        ("acoustic", media.audio, "audio"),
    ):
        empty = [t.spec.name for t in tables if t.spec.modality == modality and not len(t.values)]
        if empty and track is None:
            found.append(f"no {what} track in this file: no rows of {', '.join(empty)}.")
    return found
