"""Words by Moonshine, whose small English model its package carries: no model hub needed.

Jeffries et al. (2024), "Moonshine: Speech Recognition for Live Transcription and Voice Commands".
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from affect_pipe.extractors.speech.alignment import align_each
from affect_pipe.extractors.speech.cues import spread_words
from affect_pipe.extractors.speech.guards import doubts_told, made_up
from affect_pipe.extractors.speech.moonshine_network import (
    MoonshineNetwork,
    Piece,
    join_pieces,
    mean_log_probability,
)
from affect_pipe.extractors.speech.regions import speech_regions
from affect_pipe.pipeline.errors import MissingDependencyError, MissingWeightsError, UsageError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.interfaces import Source
from affect_pipe.pipeline.mapped import letting_go
from affect_pipe.pipeline.records import Audio, Interval, Segment, StageSpec, Transcript, Word
from affect_pipe.pipeline.sentences import split_words
from affect_pipe.pipeline.timebase import slice_audio

VERSION = "2"
MODEL = "tiny-en"
USED = (
    "Moonshine (tiny, English) recognised the words: what it is unsure of, other languages first "
    "of all, counts as not heard; a transcript beside the video, or a larger Whisper, is better."
)
_INSTALL = 'pip install "affect-pipe[offline]"'
_FEATURE = "speech recognition with Moonshine"
# It was trained on stretches of 4 to 30 s: shorter ones, without context, are misheard, and in
# long ones it skips. Pauses within a sentence are bridged.
_BRIDGE_S = 1.0
_PAD_S = 0.2
_MAX_S = 15.0
# A text is believed if the model gives its pieces more than this on average (0.6 in probability).
# Where it cannot follow it writes fluent English all the same, but with half that confidence.
# Of acted, read, interviewed and synthetic speech, 1 of 196 right texts is below it; of synthetic
# speech in 15 other languages, and English played backwards, 130 of 135 invented ones.
LEAST_LOG_PROBABILITY = -0.5
NOT_UNDERSTOOD = (
    "the recogniser was unsure of what it wrote there: it is not English, or not intelligible"
)


def model_folder() -> Path | None:
    """Return the folder of the model in the installed package; None if there is none.

    Releases after 0.1.0 carry no model. Imports nothing.
    """
    found = importlib.util.find_spec("moonshine_voice")
    for place in (found.submodule_search_locations or ()) if found else ():
        folder = Path(place) / "assets" / MODEL
        if folder.is_dir():
            return folder
    return None


def runtime_installed() -> bool:
    """Tell whether what runs the model is installed. Imports nothing."""
    return importlib.util.find_spec("onnxruntime") is not None


class Moonshine:
    """Speech recognition by Moonshine tiny, English only.

    Words get their times by forced alignment. Their confidence is the probability the model gives
    them; of a stretch of speech whose text it gives too little, the words count as not heard.

    Parameters
    ----------
    language : str, optional
        ``en`` or ``english``, or None.
    note : str, optional
        Why this recogniser was chosen, to be told with the result.

    Raises
    ------
    UsageError
        If the language is not English.
    MissingDependencyError
        If the package, or ONNX Runtime, is not installed.
    MissingWeightsError
        If the package is a release without the model.
    """

    def __init__(self, *, language: str | None = None, note: str | None = None) -> None:
        if language is not None and language.lower().split("-")[0] not in ("en", "english"):
            raise UsageError(
                f"Moonshine knows English alone, not {quoted(language)}: "
                "use --asr whisper or give a transcript."
            )
        folder = model_folder()
        if folder is None:
            raise _missing()
        if not runtime_installed():
            raise MissingDependencyError(
                f"{_FEATURE} needs the package onnxruntime, which is not installed: {_INSTALL}."
            )
        self._folder = folder
        self._note = note

    def spec(self) -> StageSpec:
        """Name the package, which carries the model, what runs it, and the aligner."""
        return StageSpec(
            stage="speech",
            extractor="moonshine",
            version=VERSION,
            backend=f"moonshine-voice {version('moonshine-voice')}, "
            f"onnxruntime {version('onnxruntime')}, pocketsphinx {version('pocketsphinx')}",
            model_id=f"moonshine-{MODEL}",
        )

    def transcribe(self, source: Source) -> Transcript:
        """Return what was said, stretch by stretch of speech, its words aligned to the audio."""
        audio = source.audio
        if audio is None or not source.voice_activity:
            return Transcript((), "moonshine", MODEL, "en", word_times="aligned")
        regions = speech_regions(
            source.voice_activity, audio, bridge_s=_BRIDGE_S, pad_s=_PAD_S, max_s=_MAX_S
        )
        believed: list[_Stretch] = []
        doubted: list[Segment] = []
        for stretch in _recognise(self._folder, audio, regions):
            doubt = _doubt(stretch)
            if doubt:
                spread = spread_words(
                    split_words(stretch.text), stretch.where.start_s, stretch.where.end_s
                )
                doubted.append(replace(_segment(stretch, spread), doubt=doubt))
            elif any(char.isalnum() for char in stretch.text):
                believed.append(stretch)
        segments, n_spread = [], 0
        aligned = align_each([(stretch.text, stretch.where) for stretch in believed], audio)
        for stretch, (words, in_place) in zip(believed, aligned, strict=True):
            segments.append(_segment(stretch, words))
            n_spread += not in_place
        notes = list(doubts_told(doubted))
        if n_spread:
            notes.append(
                f"the words of {n_spread} of {len(segments)} stretches of speech could not be "
                "aligned and are spread over them."
            )
        return Transcript(
            segments=tuple(sorted(segments + doubted, key=lambda segment: segment.start_s)),
            source="moonshine",
            model=MODEL,
            language="en",
            word_times="spread" if segments and n_spread == len(segments) else "aligned",
            warnings=(USED, *notes),
        )

    def signed(self, transcript: Transcript) -> Transcript:
        """Say why this recogniser was chosen, where there was anything to hear."""
        if self._note is None or USED not in transcript.warnings:
            return transcript
        return replace(transcript, warnings=(self._note, *transcript.warnings))


def _missing() -> Exception:
    try:
        found = version("moonshine-voice")
    except PackageNotFoundError:
        return MissingDependencyError(
            f"{_FEATURE} needs the package moonshine-voice, which is not installed: {_INSTALL}."
        )
    return MissingWeightsError(
        f"moonshine-voice {found} carries no model, 0.1.0 does: {_INSTALL}, "
        "or pip install moonshine-voice==0.1.0."
    )


@dataclass(frozen=True)
class _Stretch:
    """A stretch of speech and what the model wrote for it."""

    pieces: tuple[Piece, ...]
    where: Interval

    @cached_property
    def text(self) -> str:
        return " ".join(word for word, _ in join_pieces(self.pieces))


def _recognise(folder: Path, audio: Audio, regions: Iterator[Interval]) -> Iterator[_Stretch]:
    network = MoonshineNetwork(folder, feature=_FEATURE, extra="offline")
    for region in letting_go(audio.samples, regions):
        yield _Stretch(network.hear(slice_audio(audio, region.start_s, region.end_s)), region)


def _doubt(stretch: _Stretch) -> str | None:
    """Say why the text cannot be what was said, or None."""
    if not any(char.isalnum() for char in stretch.text):
        return None
    doubt = made_up(stretch.text, stretch.where.duration_s)
    if doubt is None and mean_log_probability(stretch.pieces) < LEAST_LOG_PROBABILITY:
        return NOT_UNDERSTOOD
    return doubt


def _segment(stretch: _Stretch, words: Sequence[Word]) -> Segment:
    """Return words with the model's confidence in them, and in the stretch as a whole."""
    sure = [confidence for _, confidence in join_pieces(stretch.pieces)]
    # Lone punctuation makes fewer words of a text than it has gaps: nothing is known of each then.
    if len(sure) == len(words):
        words = [replace(word, confidence=p) for word, p in zip(words, sure, strict=True)]
    return Segment(
        words[0].start_s,
        words[-1].end_s,
        stretch.text,
        tuple(words),
        quality={"mean_log_probability": mean_log_probability(stretch.pieces)},
    )
