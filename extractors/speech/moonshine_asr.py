"""Words by Moonshine, whose small English model its package carries: no model hub needed.

Jeffries et al. (2024), "Moonshine: Speech Recognition for Live Transcription and Voice Commands".
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from affect_pipe.extractors.speech.alignment import align_each
from affect_pipe.extractors.speech.cues import spread_words
from affect_pipe.extractors.speech.guards import doubts_told, made_up
from affect_pipe.extractors.speech.regions import speech_regions
from affect_pipe.pipeline.errors import MissingDependencyError, MissingWeightsError, UsageError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.interfaces import Source
from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.records import Audio, Interval, Segment, StageSpec, Transcript
from affect_pipe.pipeline.sentences import split_words
from affect_pipe.pipeline.timebase import slice_audio

VERSION = "1"
MODEL = "tiny-en"
USED = (
    "Moonshine (tiny, English) recognised the words: other languages come out as English that "
    "nobody said; a transcript beside the video, or a larger Whisper, is better."
)
_INSTALL = 'pip install "affect-pipe[offline]"'
_FEATURE = "speech recognition with Moonshine"
# It was trained on stretches of 4 to 30 s: shorter ones, without context, are misheard, and in
# long ones it skips. Pauses within a sentence are bridged.
_BRIDGE_S = 1.0
_PAD_S = 0.2
_MAX_S = 15.0


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


class Moonshine:
    """Speech recognition by Moonshine tiny, English only.

    The model gives text alone: words get their times by forced alignment.

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
        If the package is not installed.
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
        self._folder = folder
        self._note = note

    def spec(self) -> StageSpec:
        """Name the package, which carries the model, and the aligner."""
        return StageSpec(
            stage="speech",
            extractor="moonshine",
            version=VERSION,
            backend=f"moonshine-voice {version('moonshine-voice')}, "
            f"pocketsphinx {version('pocketsphinx')}",
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
        heard: list[tuple[str, Interval]] = []
        doubted: list[Segment] = []
        for text, where in _recognise(self._folder, audio, regions):
            doubt = made_up(text, where.duration_s)
            if doubt:
                words = spread_words(split_words(text), where.start_s, where.end_s)
                doubted.append(Segment(where.start_s, where.end_s, text, words, doubt=doubt))
            elif any(char.isalnum() for char in text):
                heard.append((text, where))
        segments, n_spread = [], 0
        for (text, _), (words, aligned) in zip(heard, align_each(heard, audio), strict=True):
            segments.append(Segment(words[0].start_s, words[-1].end_s, text, words))
            n_spread += not aligned
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


def _recognise(
    folder: Path, audio: Audio, regions: Iterator[Interval]
) -> Iterator[tuple[str, Interval]]:
    transcriber = require("moonshine_voice.transcriber", feature=_FEATURE, extra="offline")
    # Speech was found already: its own detector, which would cut once more, is switched off.
    options = {"vad_threshold": "0.0", "return_audio_data": "false"}
    kind: Any = transcriber.ModelArch.TINY
    with transcriber.Transcriber(folder, kind, options=options) as model:
        for region in regions:
            samples = slice_audio(audio, region.start_s, region.end_s)
            found = model.transcribe_without_streaming(samples.tolist(), audio.sample_rate_hz)
            yield " ".join(line.text.strip() for line in found.lines), region
