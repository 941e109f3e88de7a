"""Words from a transcript file: SRT, WebVTT, Whisper or WhisperX JSON, or plain text."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from affect_pipe.extractors.speech.cues import CueFile
from affect_pipe.extractors.speech.repair import never_coincide, to_segments
from affect_pipe.extractors.speech.subtitles import read_srt, read_vtt
from affect_pipe.extractors.speech.text_file import decode, read_bytes
from affect_pipe.extractors.speech.whisper_json import is_whisper_json, read_whisper_json
from affect_pipe.pipeline.errors import TranscriptError
from affect_pipe.pipeline.interfaces import Source
from affect_pipe.pipeline.records import StageSpec, Transcript

VERSION = "2"
_READERS = {".srt": read_srt, ".vtt": read_vtt, ".json": read_whisper_json}
#: Formats by file name, best first: subtitles are usually checked by a person.
FORMATS = (".srt", ".vtt", ".json", ".txt")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


def find_transcript(media_path: Path) -> Path | None:
    """Return the transcript that lies beside a media file, or None.

    ``talk.mp4`` is matched by ``talk.srt``, then ``talk.en.srt``, ``talk.<language>.srt``, then
    the same with ``.vtt``, ``.json`` (only a Whisper or WhisperX transcript) and ``.txt``.
    """
    try:
        beside = sorted(media_path.parent.iterdir())
    except OSError:
        return None
    ranked = []
    for path in beside:
        suffix = path.suffix.lower()
        if suffix not in FORMATS or path == media_path:
            continue
        language = _language_between(path.stem, media_path.stem)
        if language is not None:
            # No language first, then English, then the others by name.
            rank = (FORMATS.index(suffix), language != "", language.lower() != "en", path.name)
            ranked.append((rank, path))
    for _, path in sorted(ranked):
        if path.is_file() and (path.suffix.lower() != ".json" or _holds_transcript(path)):
            return path
    return None


def _language_between(stem: str, media_stem: str) -> str | None:
    """Return the language tag of ``talk.en`` beside ``talk``, "" for none, None for no match."""
    if stem == media_stem:
        return ""
    base, _, tag = stem.rpartition(".")
    return tag if base == media_stem and _LANGUAGE.fullmatch(tag) else None


def _holds_transcript(path: Path) -> bool:
    try:
        return is_whisper_json(json.loads(decode(read_bytes(path), path)[0]))
    except (TranscriptError, ValueError, RecursionError):
        return False


def read_transcript(path: Path, *, duration_s: float | None = None) -> Transcript:
    """Read a transcript that has times.

    Parameters
    ----------
    path : Path
        An ``.srt``, ``.vtt`` or ``.json`` file.
    duration_s : float, optional
        Length of the media it belongs to, to recognise the transcript of another video.

    Raises
    ------
    TranscriptError
        If the file cannot be read or does not belong to media of this length.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise TranscriptError(
            f"{path} is no transcript with times: expected {', '.join(_READERS)}."
        )
    text, warning = decode(read_bytes(path), path)
    if not text.strip():
        raise TranscriptError(f"{path} is empty: expected a transcript.")
    found: CueFile = reader(text, path)
    segments, repairs = to_segments(found.cues, path, duration_s)
    empty = () if segments else ("it holds no words.",)
    return Transcript(
        segments=segments,
        source=found.source,
        language=found.language,
        word_times="measured" if any(cue.words for cue in found.cues) else "spread",
        warnings=(*([warning] if warning else []), *found.warnings, *repairs, *empty),
    )


class TranscriptFile:
    """The words of a video from a file.

    Parameters
    ----------
    path : Path
        The transcript.

    Raises
    ------
    TranscriptError
        If there is no such file, or its name tells no known format.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() not in FORMATS:
            raise TranscriptError(
                f"{path} has no known transcript format: expected {', '.join(FORMATS)}."
            )
        self._path = path
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
            return transcript_from_text(text, self._path, source, warning)
        transcript = read_transcript(self._path, duration_s=source.media.duration_s)
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
