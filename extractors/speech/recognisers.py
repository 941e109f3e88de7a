"""Which recogniser gives the words: by name, or the best there is."""

from __future__ import annotations

from pathlib import Path

from affect_pipe.extractors.speech.beside import TranscriptsBeside
from affect_pipe.extractors.speech.transcript import MAX_WORDS_PER_S, TranscriptFile
from affect_pipe.extractors.speech.whisper_segments import Task
from affect_pipe.extractors.speech.whisper_weights import (
    DEFAULT_SIZE,
    verified_weights,
    weights_available,
)
from affect_pipe.pipeline.errors import MissingWeightsError, UsageError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.interfaces import SpeechRecogniser

NAMES = (
    "auto",
    "transcript",
    "whisper[:size or path]",
    "faster-whisper[:size, hub name or folder]",
    "moonshine",
    "pocketsphinx",
)
_WHISPERS = ("whisper", "faster-whisper")
_ENGLISH = ("moonshine", "pocketsphinx")


def choose(
    asr: str,
    *,
    media_path: Path,
    transcript: Path | None = None,
    language: str | None = None,
    task: Task = "transcribe",
    allow_download: bool = True,
    max_words_per_s: float = MAX_WORDS_PER_S,
    beside: TranscriptsBeside | None = None,
) -> SpeechRecogniser:
    """Return the recogniser that ``asr`` names, ready to say what it is.

    Parameters
    ----------
    asr : str
        ``auto``: a transcript, given or beside the media; else Whisper, if its weights are here
        or can be fetched; else Moonshine, if its package is installed; else PocketSphinx, which
        warns that it mishears. ``transcript``, ``whisper``, ``whisper:SIZE``, ``whisper:PATH``,
        ``faster-whisper`` (with a size, a hub name or a folder), ``moonshine`` and
        ``pocketsphinx`` name one.
    media_path : Path
        The media file, whose neighbours may hold its transcript.
    transcript : Path, optional
        A transcript file.
    language : str, optional
        What is spoken; only Whisper can be told.
    task : {"transcribe", "translate"}
        What Whisper writes: what is said, or its English translation.
    allow_download : bool
        Whether Whisper's weights may be fetched.
    max_words_per_s : float
        Densest transcript that is believed.
    beside : TranscriptsBeside, optional
        Where transcripts are looked for; one for many media files lists their folder once.

    Raises
    ------
    UsageError
        If the name is unknown, asks for a transcript where there is none, names a file that
        is not there, or a translation is asked of something else than Whisper.
    TranscriptError
        If the transcript is too large.
    MissingWeightsError
        If only Whisper knows the language and its weights cannot be had, or the installed
        Moonshine has no model.
    MissingDependencyError
        If Moonshine or faster-whisper is asked for and not installed.
    """
    name, detail = check_asr(asr, transcript)
    if name in _WHISPERS:
        return _whisper(name, detail or DEFAULT_SIZE, language, task, allow_download)
    if name in _ENGLISH and task == "transcribe":
        return _english(name, language, note=None)
    path = transcript or (beside or TranscriptsBeside()).find(media_path)
    if task == "translate" and (path is not None or name != "auto"):
        raise UsageError(
            f"only Whisper translates, and {path or name} gives the words: use --asr whisper, or "
            "leave --asr-task translate out."
        )
    if path is not None:
        return TranscriptFile(path, max_words_per_s=max_words_per_s)
    if name == "transcript":
        raise UsageError(
            f"there is no transcript beside {media_path}: name one with --transcript, put "
            f"{media_path.stem}.srt (or .vtt, .json, .txt) there, or use --asr auto."
        )
    return _best_for_audio(language, task, allow_download)


def check_asr(asr: str, transcript: Path | None = None) -> tuple[str, str]:
    """Return the name and the detail of ``asr``, before any file is looked at.

    Raises
    ------
    UsageError
        If the name is unknown, or a transcript contradicts it.
    """
    name, _, detail = asr.partition(":")
    known = ("auto", "transcript", *_WHISPERS, *_ENGLISH)
    if name not in known or (detail and name not in _WHISPERS):
        raise UsageError(f"unknown recogniser {quoted(asr)}: known are {', '.join(NAMES)}.")
    if transcript is not None and name in (*_WHISPERS, *_ENGLISH):
        raise UsageError(
            f"--transcript {transcript} and --asr {asr} contradict each other: give one of them."
        )
    return name, detail


def _whisper(
    name: str, model: str, language: str | None, task: Task, allow_download: bool
) -> SpeechRecogniser:
    if name == "faster-whisper":
        from affect_pipe.extractors.speech.faster_whisper_asr import FasterWhisper

        return FasterWhisper(model, language=language, task=task, allow_download=allow_download)
    from affect_pipe.extractors.speech.whisper_asr import Whisper

    return Whisper(model, language=language, task=task, allow_download=allow_download)


def _english(name: str, language: str | None, note: str | None) -> SpeechRecogniser:
    if name == "moonshine":
        from affect_pipe.extractors.speech.moonshine_asr import Moonshine

        return Moonshine(language=language, note=note)
    from affect_pipe.extractors.speech.pocketsphinx_asr import PocketSphinx

    return PocketSphinx(language=language, note=note)


def _best_for_audio(language: str | None, task: Task, allow_download: bool) -> SpeechRecogniser:
    if weights_available(DEFAULT_SIZE) is None:
        try:
            verified_weights(DEFAULT_SIZE, allow_download=allow_download)
        except MissingWeightsError as error:
            if task == "translate":  # Only Whisper can: its absence is the real trouble.
                raise
            note = f"Whisper could not be used: {error}"
            try:
                return _english(_best_embedded(), language, note)
            except UsageError:
                # Only Whisper knows this language: its absence is the real trouble.
                raise error from None
    return _whisper("whisper", DEFAULT_SIZE, language, task, allow_download)


def _best_embedded() -> str:
    from affect_pipe.extractors.speech.moonshine_asr import model_folder, runtime_installed

    usable = model_folder() is not None and runtime_installed()
    return "moonshine" if usable else "pocketsphinx"
