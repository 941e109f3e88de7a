"""What both implementations of Whisper share: stretches to decode, languages, what to believe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from affect_pipe.extractors.speech.guards import IN_SILENCE, made_up, silent
from affect_pipe.extractors.speech.whisper_json import whisper_cues
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.optional import require
from affect_pipe.pipeline.records import Interval, Segment

Task = Literal["transcribe", "translate"]
# Long audio goes through in stretches, so that memory does not grow with length.
_STRETCH_S = 600.0
_MARGIN_S = 0.5


def language_code(language: str | None) -> str | None:
    """Return Whisper's code of a language given by code or English name.

    Raises
    ------
    UsageError
        If Whisper does not know it.
    """
    if language is None:
        return None
    tokenizer = require("whisper.tokenizer", feature="speech recognition with Whisper")
    code = str(tokenizer.TO_LANGUAGE_CODE.get(language.lower(), language.lower()))
    if code not in tokenizer.LANGUAGES:
        raise UsageError(
            f"unknown language {quoted(language)}: Whisper knows "
            f"{', '.join(sorted(tokenizer.LANGUAGES))}."
        )
    return code


def written_in(language: str | None, task: Task) -> str | None:
    """Return the language of the words: English where what is said was translated."""
    return "en" if task == "translate" else language


def stretches(
    voice_activity: Sequence[Interval], longest_s: float = _STRETCH_S
) -> Iterator[Interval]:
    """Group speech into stretches of bounded length, cut in silence."""
    start_s, end_s = voice_activity[0].start_s, voice_activity[0].end_s
    for interval in voice_activity[1:]:
        if interval.end_s - start_s > longest_s:
            yield Interval(max(0.0, start_s - _MARGIN_S), end_s + _MARGIN_S)
            start_s = interval.start_s
        end_s = interval.end_s
    yield Interval(max(0.0, start_s - _MARGIN_S), end_s + _MARGIN_S)


def judged(
    segments: Sequence[dict[str, Any]], offset_s: float, voice_activity: Sequence[Interval]
) -> list[Segment]:
    """Return Whisper's segments on the media's clock, with their quality and what to doubt.

    Parameters
    ----------
    segments : sequence of dict
        As openai-whisper gives them.
    offset_s : float
        Where the audio they were heard in begins.
    voice_activity : sequence of Interval
        Where somebody speaks.
    """
    found: list[Segment] = []
    for segment in segments:
        for cue in whisper_cues(segment):
            words = tuple(
                replace(word, start_s=offset_s + word.start_s, end_s=offset_s + word.end_s)
                for word in cue.words
            )
            if not words:
                continue
            start_s, end_s = words[0].start_s, max(word.end_s for word in words)
            doubt = made_up(cue.text, end_s - start_s, cue.quality)
            if doubt is None and silent(start_s, end_s, voice_activity):
                doubt = IN_SILENCE
            found.append(Segment(start_s, end_s, cue.text, words, quality=cue.quality, doubt=doubt))
    return found
