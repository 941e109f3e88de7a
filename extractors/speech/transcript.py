"""Words from a transcript file: subtitles, Whisper's JSON, annotation files, plain text."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from affect_pipe.extractors.speech.annotation_transcript import (
    read_eaf_words,
    read_textgrid_words,
)
from affect_pipe.extractors.speech.cues import CueFile
from affect_pipe.extractors.speech.repair import never_coincide, to_segments
from affect_pipe.extractors.speech.subtitles import read_srt, read_vtt
from affect_pipe.extractors.speech.text_file import decode, read_bytes
from affect_pipe.extractors.speech.whisper_json import read_whisper_json
from affect_pipe.pipeline.errors import TranscriptError, UsageError
from affect_pipe.pipeline.interfaces import Source
from affect_pipe.pipeline.records import StageSpec, Transcript

VERSION = "4"
#: Nobody says so many; see `affect_pipe.pipeline.container.MediaLimits.max_words_per_s`.
MAX_WORDS_PER_S = 30.0
# What even a second of media may have: a title card, a whole text shown at once.
_WORDS_AT_LEAST = 200
# What files spend on a word at most: Whisper's JSON has its times, tokens and probabilities.
_CHARACTERS_A_WORD = 200
# What a word has at most, on average and ever; scripts without spaces are far below either.
_LETTERS_A_WORD, _LONGEST_WORD = 20, 5000
_READERS = {
    ".srt": read_srt,
    ".vtt": read_vtt,
    ".json": read_whisper_json,
    ".eaf": read_eaf_words,
    ".textgrid": read_textgrid_words,
}
#: Formats by file name, best first: subtitles are usually checked by a person.
FORMATS = (".srt", ".vtt", ".json", ".eaf", ".textgrid", ".txt")


def read_transcript(
    path: Path, *, duration_s: float | None = None, max_words_per_s: float = MAX_WORDS_PER_S
) -> Transcript:
    """Read a transcript that has times.

    Parameters
    ----------
    path : Path
        An ``.srt``, ``.vtt``, ``.json``, ``.eaf`` or ``.TextGrid`` file.
    duration_s : float, optional
        Length of the media it belongs to, to recognise the transcript of another video.
    max_words_per_s : float
        More than this, over the whole length, cannot belong to it either.

    Raises
    ------
    UsageError
        If there is no such file, or it may not be read.
    TranscriptError
        If the file cannot be understood or does not belong to media of this length.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise TranscriptError(
            f"{path} is no transcript with times: expected {', '.join(_READERS)}."
        )
    text, warning = decode(read_bytes(path), path)
    if not text.strip():
        raise TranscriptError(f"{path} is empty: expected a transcript.")
    if duration_s is not None:
        # Each cue that survives holds a word: a look at the bare text spares the parsing.
        _check_rate(len(text) // _CHARACTERS_A_WORD, path, duration_s, max_words_per_s)
        _check_rate(text.count("-->"), path, duration_s, max_words_per_s)
    found: CueFile = reader(text, path)
    if duration_s is not None:
        n_words = sum(len(cue.words) or len(cue.text.split()) for cue in found.cues)
        _check_rate(n_words, path, duration_s, max_words_per_s)
        for cue in found.cues:
            _check_letters(cue.text, path)
        n_letters = sum(len(cue.text) for cue in found.cues)
        _check_rate(n_letters // _LETTERS_A_WORD, path, duration_s, max_words_per_s)
    segments, repairs = to_segments(found.cues, path, duration_s)
    empty = () if segments else ("it holds no words.",)
    return Transcript(
        segments=segments,
        source=found.source,
        language=found.language,
        word_times="measured" if any(cue.words for cue in found.cues) else "spread",
        warnings=(*([warning] if warning else []), *found.warnings, *repairs, *empty),
    )


def _check_rate(n_words: int, path: Path, duration_s: float, max_words_per_s: float) -> None:
    if n_words > _WORDS_AT_LEAST + max_words_per_s * duration_s:
        raise TranscriptError(
            f"{path} seems to be the transcript of another video: it has {n_words} words or more, "
            f"this media lasts {duration_s:.1f} s, and {max_words_per_s:g} words a second are "
            "allowed: name the right one with --transcript, move this one away, or raise "
            "limits.max_words_per_s."
        )


def _check_letters(text: str, path: Path) -> None:
    """Refuse what is no text: everything later takes longer for a longer word."""
    longest = max(map(len, text.split()), default=0)
    if longest > _LONGEST_WORD:
        raise TranscriptError(
            f"{path} holds a word of {longest} letters: it is damaged or no transcript."
        )


class TranscriptFile:
    """The words of a video from a file.

    Parameters
    ----------
    path : Path
        The transcript.
    max_words_per_s : float
        Densest transcript that is believed, over the length of the media.

    Raises
    ------
    UsageError
        If there is no such file, it may not be read, or its name tells no known format.
    TranscriptError
        If it is too large.
    """

    def __init__(self, path: Path, *, max_words_per_s: float = MAX_WORDS_PER_S) -> None:
        if path.suffix.lower() not in FORMATS:
            if path.is_dir():
                raise UsageError(f"{path} is a folder, not a transcript file: name the file in it.")
            raise UsageError(
                f"{path} has no known transcript format: expected {', '.join(FORMATS)}."
            )
        self._path = path
        self._max_words_per_s = max_words_per_s
        self._digest = hashlib.blake2b(read_bytes(path), digest_size=16).hexdigest()

    def spec(self) -> StageSpec:
        """Format and content of the file decide the words; its name does not."""
        suffix = self._path.suffix.lower()
        # Plain text gets its times from PocketSphinx; the other formats bring theirs.
        backend = f"pocketsphinx {version('pocketsphinx')}" if suffix == ".txt" else ""
        settings = {"format": suffix, "digest": self._digest}
        return StageSpec("speech", "transcript", VERSION, settings, backend=backend)

    def transcribe(self, source: Source) -> Transcript:
        """Read the file; plain text is aligned to the audio.

        Raises
        ------
        TranscriptError
            If the file cannot be read or belongs to another video.
        """
        if self._path.suffix.lower() == ".txt":
            from affect_pipe.extractors.speech.alignment import transcript_from_text

            text, warning = decode(read_bytes(self._path), self._path)
            _check_letters(text, self._path)
            _check_rate(
                len(text) // _LETTERS_A_WORD,
                self._path,
                source.media.duration_s,
                self._max_words_per_s,
            )
            return transcript_from_text(text, self._path, source, warning)
        transcript = read_transcript(
            self._path,
            duration_s=source.media.duration_s,
            max_words_per_s=self._max_words_per_s,
        )
        if never_coincide(transcript.segments, source.voice_activity):
            return _with_warning(
                transcript,
                "speech and words never coincide: it may be shifted or belong to another video.",
            )
        return transcript

    def signed(self, transcript: Transcript) -> Transcript:
        """Name the file, in the model's place and before each warning."""
        name = self._path.name
        warnings = tuple(f"{name}: {warning}" for warning in transcript.warnings)
        return replace(transcript, model=name, warnings=warnings)


def _with_warning(transcript: Transcript, warning: str) -> Transcript:
    return replace(transcript, warnings=(*transcript.warnings, warning))
