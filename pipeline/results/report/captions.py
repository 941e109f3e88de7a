"""Captions of the page's player: what was said, and below it what was predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from affect_pipe.pipeline.results.report.words import emotions_in_words, sentiment_in_words
from affect_pipe.pipeline.results.webvtt import cue, escaped, webvtt_file


def to_webvtt(utterances: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a cue an utterance: who says what, and below it what it is taken for.

    Parameters
    ----------
    utterances : sequence of mapping
        In the published shape.
    """
    return webvtt_file([_cue(utterance) for utterance in utterances])


def _cue(utterance: Mapping[str, Any]) -> str:
    speaker = utterance.get("speaker")
    text = utterance["text"] or "(no words)"
    said = f"{speaker}: {text}" if speaker else text
    found = [sentiment_in_words(utterance), emotions_in_words(utterance)]
    lines = [said, " \N{MIDDLE DOT} ".join(part for part in found if part)]
    shown = [line for line in map(escaped, lines) if line]
    return cue(utterance["start_s"], utterance["end_s"], shown)
