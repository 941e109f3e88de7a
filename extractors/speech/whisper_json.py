"""Read the JSON that Whisper and the programs around it write.

Understood: openai-whisper and faster-whisper (``segments`` with ``words``), the verbose JSON of
the OpenAI interface (``words`` beside ``segments``), WhisperX (``score``, ``speaker``,
``word_segments``, words without times) and whisper.cpp (``transcription`` with ``offsets``).
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from affect_pipe.extractors.speech.cues import Cue, CueFile, plain, spread_words, without_sounds
from affect_pipe.pipeline.errors import TranscriptError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.records import Word
from affect_pipe.pipeline.sentences import join_words

_EXPECTED = "expected the JSON of Whisper or WhisperX, with a list of 'segments'"
# A word that lacks times, and lies at the edge of a segment without any, gets this much at least.
_LEAST_WORD_S = 0.02
_QUALITY = {
    "no_speech_prob": "no_speech_probability",
    "avg_logprob": "mean_log_probability",
    "compression_ratio": "compression_ratio",
}


@dataclass(frozen=True)
class _RawWord:
    text: str
    start_s: float | None
    end_s: float | None
    confidence: float | None
    speaker: str | None


def is_whisper_json(data: Any) -> bool:
    """Tell whether parsed JSON is a transcript; results of this package are none."""
    if isinstance(data, list):
        return bool(data) and all(
            isinstance(s, dict) and {"start", "end"} <= s.keys() for s in data
        )
    if not isinstance(data, dict) or "schema" in data:
        return False
    return any(isinstance(data.get(key), list) for key in ("segments", "transcription"))


def read_whisper_json(text: str, path: Path) -> CueFile:
    """Read a transcript in the JSON of the Whisper family.

    Raises
    ------
    TranscriptError
        If the file is no JSON, no transcript, or a segment lacks what it needs.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TranscriptError(f"{path} is no valid JSON ({error}): {_EXPECTED}.") from error
    if not is_whisper_json(data):
        raise TranscriptError(f"{path} is no transcript: {_EXPECTED}.")
    if isinstance(data, list):
        data = {"segments": data}
    if "segments" not in data:
        data = _from_whisper_cpp(data)
    words_beside = _list(data.get("words") or data.get("word_segments") or [])
    cues: list[Cue] = []
    for i, segment in enumerate(data["segments"]):
        try:
            cues += whisper_cues(segment, words_beside)
        except (TypeError, ValueError) as error:
            raise TranscriptError(
                f"{path}: segment {i} is malformed ({error}); each needs start, end and text: "
                "write the transcript again."
            ) from error
    language = data.get("language")
    return CueFile(
        tuple(cues),
        source="whisperx-json" if _is_whisperx(data) else "whisper-json",
        language=_text(language)[:40] if isinstance(language, str) else None,
    )


def _from_whisper_cpp(data: dict[str, Any]) -> dict[str, Any]:
    segments = []
    for item in data["transcription"]:
        if isinstance(item, dict) and isinstance(item.get("offsets"), dict):
            start, end = item["offsets"].get("from"), item["offsets"].get("to")
            if isinstance(start, int | float) and isinstance(end, int | float):
                item = {"start": start / 1000, "end": end / 1000, "text": item.get("text")}
        segments.append(item)
    result = data.get("result")
    language = result.get("language") if isinstance(result, dict) else None
    return {"segments": segments, "language": language}


def _is_whisperx(data: dict[str, Any]) -> bool:
    if "word_segments" in data:
        return True
    words = (w for s in data["segments"] if isinstance(s, dict) for w in s.get("words") or ())
    return any(isinstance(word, dict) and "score" in word for word in words)


def whisper_cues(segment: dict[str, Any], words_beside: Iterable[Any] = ()) -> list[Cue]:
    """Return one segment of Whisper's as a cue per speaker; none if it holds no speech.

    Parameters
    ----------
    segment : dict
        ``start``, ``end``, ``text`` and, maybe, ``words`` and ``speaker``.
    words_beside : iterable of dict
        Timed words to pick from by time where the segment has no ``words``.

    Raises
    ------
    TypeError, ValueError
        If the segment is malformed; the message says where.
    """
    if not isinstance(segment, dict):
        raise TypeError(f"it is a {type(segment).__name__}, not an object")
    start_s, end_s = _finite(segment.get("start"), "start"), _finite(segment.get("end"), "end")
    whole = without_sounds(plain(_text(segment.get("text", ""))))
    speaker = _speaker(segment)
    given = segment.get("words")
    if given is None:
        given = [word for word in words_beside if _middle_within(word, start_s, end_s)]
    if not isinstance(given, list):
        raise TypeError(f"its words are a {type(given).__name__}, not a list")
    raw = _without_bracketed(_glued([_raw_word(word, speaker) for word in given]))
    # A segment that is nothing but a sound ("[Music]", "(laughs)") has no words.
    if not any(char.isalnum() for char in whole or join_words(word.text for word in raw)):
        return []
    if not raw or not any(word.start_s is not None for word in raw):
        return [Cue(start_s, end_s, whole, speaker, quality=_quality(segment))]
    cues = []
    for who, run in groupby(_with_times(raw, start_s, end_s), key=lambda pair: pair[0]):
        words = tuple(word for _, word in run)
        text = join_words(word.text for word in words)
        cues.append(Cue(words[0].start_s, words[-1].end_s, text, who, words, _quality(segment)))
    return cues


def _quality(segment: dict[str, Any]) -> dict[str, float]:
    """Return what Whisper tells of a segment, as far as it does."""
    found = {}
    for key, name in _QUALITY.items():
        value = segment.get(key)
        # These do not decide what was said: where a program writes something else, it is ignored.
        with contextlib.suppress(ValueError):
            found[name] = _finite(value, key)
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text is {'missing' if value is None else type(value).__name__}")
    # JSON may write half a surrogate pair alone, which is no text for anything that follows.
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _finite(value: Any, what: str) -> float:
    if not isinstance(value, bool) and isinstance(value, int | float):
        # An integer may have more digits than a float can hold.
        with contextlib.suppress(OverflowError):
            if math.isfinite(value):
                return float(value)
    raise ValueError(f"{what} is {'missing' if value is None else quoted(value)}, not a number")


def _speaker(item: dict[str, Any]) -> str | None:
    speaker = item.get("speaker")
    return _text(speaker).strip() or None if isinstance(speaker, str) else None


def _middle_within(word: Any, start_s: float, end_s: float) -> bool:
    if not (isinstance(word, dict) and {"start", "end"} <= word.keys()):
        return False
    return start_s <= (_finite(word["start"], "start") + _finite(word["end"], "end")) / 2 < end_s


def _raw_word(item: dict[str, Any], speaker: str | None) -> _RawWord:
    if not isinstance(item, dict):
        raise TypeError(f"a word is a {type(item).__name__}, not an object")
    start, end = item.get("start"), item.get("end")
    timed = start is not None and end is not None
    confidence = item.get("probability", item.get("score"))
    return _RawWord(
        text=plain(_text(item.get("word", item.get("text")))),
        start_s=max(0.0, _finite(start, "a word's start")) if timed else None,
        end_s=max(0.0, _finite(end, "a word's end")) if timed else None,
        confidence=None
        if confidence is None
        else min(1.0, max(0.0, _finite(confidence, "a word's confidence"))),
        speaker=_speaker(item) or speaker,
    )


def _glued(words: list[_RawWord]) -> list[_RawWord]:
    """Join pieces of words, and punctuation, to the word they belong to.

    Where words are written with a leading space, one without continues the word before.
    """
    spaced = any(word.text.startswith(" ") for word in words)
    joined: list[_RawWord] = []
    for word in words:
        text = word.text.strip()
        # In scripts without spaces no word has one, and each stands for itself.
        continues = spaced and not word.text.startswith(" ") and text.isascii()
        if joined and text and (continues or not any(char.isalnum() for char in text)):
            last = joined[-1]
            end_s = last.end_s if word.end_s is None else word.end_s
            joined[-1] = replace(last, text=last.text + text, end_s=end_s if last.end_s else None)
        elif text:
            joined.append(replace(word, text=text))
    return joined


def _without_bracketed(words: list[_RawWord]) -> list[_RawWord]:
    """Drop "[", ..., "]" descriptions that run over several words, and music notes."""
    kept: list[_RawWord] = []
    i = 0
    while i < len(words):
        if words[i].text[:1] in "[(":
            closing = "]" if words[i].text[0] == "[" else ")"
            ends = [k for k in range(i, min(i + 8, len(words))) if closing in words[k].text]
            phrase = " ".join(word.text for word in words[i : ends[0] + 1]) if ends else ""
            if ends and not any(char.isalnum() for char in without_sounds(phrase)):
                i = ends[0] + 1
                continue
        text = without_sounds(words[i].text)
        if any(char.isalnum() for char in text):
            kept.append(replace(words[i], text=text))
        i += 1
    return kept


def _with_times(
    words: Iterable[_RawWord], start_s: float, end_s: float
) -> list[tuple[str | None, Word]]:
    """Spread words that lack times (WhisperX: digits, symbols) between timed neighbours."""
    timed: list[tuple[str | None, Word]] = []
    waiting: list[_RawWord] = []

    def settle(until_s: float) -> None:
        left_s = timed[-1][1].end_s if timed else min(start_s, until_s)
        right_s = max(until_s, left_s)
        if right_s - left_s < _LEAST_WORD_S * len(waiting) and timed:
            # No room between the neighbours: take it from the end of the one before.
            who, before = timed[-1]
            left_s = max(before.start_s, left_s - before_share(before))
            timed[-1] = (who, replace(before, end_s=left_s))
        spread = spread_words([word.text for word in waiting], left_s, right_s)
        for raw, word in zip(waiting, spread, strict=True):
            timed.append((raw.speaker, replace(word, confidence=raw.confidence)))
        waiting.clear()

    def before_share(before: Word) -> float:
        return (before.end_s - before.start_s) / 2

    for raw in words:
        if raw.start_s is None or raw.end_s is None:
            waiting.append(raw)
            continue
        if waiting:
            settle(raw.start_s)
        word = Word(raw.text, raw.start_s, max(raw.start_s, raw.end_s), raw.confidence)
        timed.append((raw.speaker, word))
    if waiting:
        settle(end_s)
    return timed
