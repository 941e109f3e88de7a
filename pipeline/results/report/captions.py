"""Captions that carry the prediction, as WebVTT (W3C, 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from affect_pipe.pipeline.results.report.words import emotions_in_words, sentiment_in_words


def to_webvtt(utterances: Sequence[Mapping[str, Any]]) -> str:
    """Return a cue an utterance: who says what, and below it what it is taken for.

    Parameters
    ----------
    utterances : sequence of mapping
        In the published shape.
    """
    return "\n\n".join(["WEBVTT", *(_cue(utterance) for utterance in utterances)]) + "\n"


def _cue(utterance: Mapping[str, Any]) -> str:
    speaker = utterance.get("speaker")
    text = utterance["text"] or "(no words)"
    said = f"{speaker}: {text}" if speaker else text
    found = [sentiment_in_words(utterance), emotions_in_words(utterance)]
    lines = [said, " \N{MIDDLE DOT} ".join(part for part in found if part)]
    start_s, end_s = float(utterance["start_s"]), float(utterance["end_s"])
    # A cue must end after it starts.
    times = f"{_time(start_s)} --> {_time(max(end_s, start_s + 0.001))}"
    return "\n".join([times, *(_line(line) for line in lines if line)])


def _time(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"


def _line(text: str) -> str:
    """Return text as one line of a cue: markup of WebVTT, and a blank line, would change it."""
    one = " ".join(text.split())
    return one.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
