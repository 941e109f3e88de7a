"""Words by PocketSphinx and the English model its package carries: always there, often wrong.

Huggins-Daines et al. (2006), "PocketSphinx: A free, real-time continuous speech recognition
system for hand-held devices".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from affect_pipe.extractors.speech.regions import pcm16, speech_regions
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.interfaces import Source
from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.records import Interval, Segment, StageSpec, Transcript, Word

VERSION = "2"
_FRAMES_PER_S = 100
MISHEARS = (
    "PocketSphinx recognised the words: it mishears about four words in ten, so doubtful words "
    "are left out; a transcript beside the video, or Whisper, is far better."
)


class PocketSphinx:
    """Speech recognition by PocketSphinx, English only.

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
    """

    def __init__(self, *, language: str | None = None, note: str | None = None) -> None:
        if language is not None and language.lower().split("-")[0] not in ("en", "english"):
            raise UsageError(
                f"PocketSphinx knows English alone, not {quoted(language)}: "
                "use --asr whisper or give a transcript."
            )
        self._note = note

    def spec(self) -> StageSpec:
        """Name the package, which carries the model."""
        return StageSpec(
            stage="speech",
            extractor="pocketsphinx",
            version=VERSION,
            backend=f"pocketsphinx {version('pocketsphinx')}",
            model_id="en-us",
        )

    def transcribe(self, source: Source) -> Transcript:
        """Return guesses at the words, with times and confidences.

        The confidence of a word is its posterior probability in the word lattice, in [0, 1]: of
        what the decoder tells it separates right words from wrong ones best (area under the ROC
        curve 0.80 on acted speech, 0.64 on synthetic speech).
        """
        audio = source.audio
        if audio is None or not source.voice_activity:
            return Transcript((), "pocketsphinx", "en-us", "en", guesses=True)
        # A fresh decoder: it adapts to what it hears, and must not remember another video.
        decoder = build_decoder()
        segments = []
        for region in speech_regions(source.voice_activity, audio):
            words = tuple(_recognise(decoder, pcm16(audio, region), region))
            if words:
                text = " ".join(word.text for word in words)
                segments.append(Segment(words[0].start_s, words[-1].end_s, text, words))
        return Transcript(
            segments=tuple(segments),
            source="pocketsphinx",
            model="en-us",
            language="en",
            word_times="measured",
            guesses=True,
            warnings=(MISHEARS,),
        )

    def signed(self, transcript: Transcript) -> Transcript:
        """Say why this recogniser was chosen, where there was anything to hear."""
        if self._note is None or MISHEARS not in transcript.warnings:
            return transcript
        return replace(transcript, warnings=(self._note, *transcript.warnings))


def build_decoder(**config: Any) -> Any:
    """Return a PocketSphinx decoder of the bundled model that keeps quiet."""
    pocketsphinx = require("pocketsphinx", feature="speech recognition with PocketSphinx")
    return pocketsphinx.Decoder(loglevel="FATAL", samprate=16000, **config)


def run_decoder(decoder: Any, samples: bytes) -> list[Any]:
    """Decode one stretch of 16-bit samples and return its segments, fillers left out."""
    decoder.start_utt()
    decoder.process_raw(samples, full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        return []
    # Fillers are <s>, </s>, <sil>, [NOISE] and the like.
    return [item for item in decoder.seg() if item.word[0] not in "<["]


def _recognise(decoder: Any, samples: bytes, region: Interval) -> Iterator[Word]:
    for item in run_decoder(decoder, samples):
        start_s = region.start_s + item.start_frame / _FRAMES_PER_S
        end_s = region.start_s + (item.end_frame + 1) / _FRAMES_PER_S
        yield Word(
            # "read(2)" is the second pronunciation of "read".
            text=item.word.split("(")[0],
            start_s=min(start_s, region.end_s),
            end_s=min(end_s, region.end_s),
            confidence=min(1.0, max(0.0, item.prob)),
        )
