"""Read SRT and WebVTT subtitles."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from affect_pipe.extractors.speech.cues import Cue, CueFile, plain, spoken_parts, without_sounds
from affect_pipe.pipeline.errors import TranscriptError
from affect_pipe.pipeline.records import Word
from affect_pipe.pipeline.sentences import join_words

_INLINE_TIME = re.compile(r"<((?:\d{1,4}:)?\d{2}:\d{2}\.\d{3})>")
# Runs of blanks make the srt package's expression slow and mean nothing.
_BLANK_RUN = re.compile(r"[ \t]{20,}|\n{4,}")


def read_srt(text: str, path: Path) -> CueFile:
    """Read SubRip subtitles.

    Raises
    ------
    TranscriptError
        If a part of the file is no subtitle; the message names the line.
    """
    import srt

    text = _BLANK_RUN.sub(lambda run: "\n\n" if "\n" in run[0] else " ", text).strip("\n ")
    if "-->" not in text:
        raise TranscriptError(
            f"{path} holds no subtitle times (00:00:01,000 --> 00:00:02,000): is it really SRT?"
        )
    cues: list[Cue] = []
    try:
        for item in srt.parse(text + "\n\n"):
            # The parser takes a cue whose times it cannot read for text of the cue before.
            if "-->" in item.content:
                line = text.count("\n", 0, text.find(item.content.rstrip()[:1000])) + 1
                raise TranscriptError(
                    f"{path} holds unreadable subtitle times near line {line} "
                    f"({_shown(item.content)}): mend or remove that subtitle."
                )
            cues += _cues(item.start.total_seconds(), item.end.total_seconds(), item.content)
    except srt.SRTParseError as error:
        line = text.count("\n", 0, error.expected_start) + 1
        raise TranscriptError(
            f"{path} is no valid SRT near line {line} ({_shown(error.unmatched_content)}): "
            "mend or remove that subtitle."
        ) from error
    except (ValueError, OverflowError) as error:
        raise TranscriptError(f"{path} holds an impossible subtitle time ({error}).") from error
    return CueFile(tuple(cues), source="srt")


def _shown(content: str) -> str:
    return repr(" ".join(content.split())[:60])


def read_vtt(text: str, path: Path) -> CueFile:
    """Read WebVTT captions, with the word times of automatic captions where there are any.

    Raises
    ------
    TranscriptError
        If it is no WebVTT, or none of its cues can be read.
    """
    import webvtt
    from webvtt.errors import MalformedCaptionError, MalformedFileError

    try:
        captions = webvtt.WebVTT.from_string(text).captions
        raw = [
            (_seconds(item.start), _seconds(item.end), "\n".join(item.lines)) for item in captions
        ]
    except MalformedFileError as error:
        raise TranscriptError(
            f"{path} does not begin with WEBVTT as WebVTT files must: is it another format?"
        ) from error
    except (MalformedCaptionError, ValueError, OverflowError) as error:
        raise TranscriptError(
            f"{path} is no valid WebVTT ({str(error)[:200]}): mend that cue."
        ) from error
    n_arrows = sum("-->" in line for line in text.split("\n"))
    if n_arrows and not raw:
        raise TranscriptError(f"None of the {n_arrows} cues of {path} has readable times.")
    missed = n_arrows - len(raw)
    warnings = (f"{missed} of {n_arrows} cues could not be read.",) if missed > 0 else ()
    if any(_INLINE_TIME.search(payload) for _, _, payload in raw):
        cues = _timed_cues(raw)
    else:
        cues = [cue for start_s, end_s, payload in raw for cue in _cues(start_s, end_s, payload)]
    return CueFile(tuple(cues), source="vtt", warnings=warnings)


def _seconds(stamp: str) -> float:
    """Read ``[hh:]mm:ss.mmm``."""
    total = 0.0
    for field in stamp.split(":"):
        total = total * 60 + float(field)
    # Milliseconds are exact: do not let the sum's rounding show.
    return round(total, 3)


def _cues(start_s: float, end_s: float, raw: str) -> list[Cue]:
    """Cut one subtitle into a cue per speaker, its time shared in proportion to their text."""
    parts = spoken_parts(raw)
    total = sum(len(text) for _, text in parts)
    cues, before = [], 0
    for speaker, text in parts:
        left = start_s + (end_s - start_s) * before / total
        before += len(text)
        right = end_s if before == total else start_s + (end_s - start_s) * before / total
        cues.append(Cue(left, right, text, speaker))
    return cues


def _timed_cues(raw: list[tuple[float, float, str]]) -> list[Cue]:
    """Read captions with a time before each word, as automatic captions have them.

    They roll: each cue shows the previous line again above the new one. The repeated lines go.
    """
    cues: list[Cue] = []
    shown: list[str] = []
    for start_s, end_s, payload in raw:
        lines = [line for line in payload.split("\n") if plain(line).strip()]
        fresh = [line for line in lines if plain(line).strip() not in shown]
        shown = [plain(line).strip() for line in lines]
        words = _timed_words(" ".join(fresh), start_s, end_s)
        if words:
            text = join_words(word.text for word in words)
            cues.append(Cue(words[0].start_s, words[-1].end_s, text, words=words))
    return cues


def _timed_words(payload: str, start_s: float, end_s: float) -> tuple[Word, ...]:
    """Words of one cue; each stretch lasts until the next time tag."""
    pieces = _INLINE_TIME.split(payload)
    edges = [start_s, *(_seconds(stamp) for stamp in pieces[1::2]), end_s]
    words: list[Word] = []
    for piece, (left_s, right_s) in zip(pieces[::2], pairwise(edges), strict=True):
        tokens = without_sounds(plain(piece)).replace(">>", " ").split()
        step_s = max(0.0, right_s - left_s) / max(1, len(tokens))
        for i, token in enumerate(tokens):
            words.append(Word(token, left_s + i * step_s, left_s + (i + 1) * step_s))
    return tuple(words)
