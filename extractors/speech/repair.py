"""Cues of a file to segments with sound times, or the refusal of another video's transcript."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from affect_pipe.extractors.speech.cues import Cue, spread_words
from affect_pipe.pipeline.errors import TranscriptError
from affect_pipe.pipeline.records import Interval, Segment
from affect_pipe.pipeline.sentences import ends_sentence, split_words

MAX_CUES = 200_000
# Subtitles are often shown a little into the next one, and past the end of the video.
_TOLERANCE_S = 0.5
# How long a cue without a usable end is taken to last: a brisk 15 characters a second.
_CHARACTERS_PER_S = 15.0
_LEAST_CUE_S = 0.3


def to_segments(
    cues: Sequence[Cue], path: Path, duration_s: float | None
) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    """Repair the times of cues and fill in words.

    Parameters
    ----------
    cues : sequence of Cue
        As read, in file order.
    path : Path
        The transcript, for messages.
    duration_s : float or None
        Length of the media, None when unknown.

    Returns
    -------
    segments : tuple of Segment
        Ordered by start; words filled; one speaker's segments disjoint in time.
    warnings : tuple of str
        What was repaired.

    Raises
    ------
    TranscriptError
        If there are too many cues, a time is not finite, or more than half of the cues begin
        after the media ends.
    """
    if len(cues) > MAX_CUES:
        raise TranscriptError(f"{path} holds {len(cues)} cues, more than {MAX_CUES}: which is it?")
    for i, cue in enumerate(cues, start=1):
        if not (math.isfinite(cue.start_s) and math.isfinite(cue.end_s)):
            raise TranscriptError(f"{path}: cue {i} has no finite time: write it again.")
    warnings: list[str] = []

    def warn(count: int, what: str) -> None:
        if count:
            warnings.append(f"{count} of {len(cues)} cues {what}.")

    warn(sum(a.start_s > b.start_s for a, b in pairwise(cues)), "are out of order, sorted")
    ordered = sorted(cues, key=lambda cue: cue.start_s)
    warn(sum(cue.start_s < 0 for cue in ordered), "begin before the media, moved to its start")
    ordered = [replace(cue, start_s=max(0.0, cue.start_s)) for cue in ordered]
    if duration_s is not None:
        kept = _within(ordered, path, duration_s)
        warn(len(ordered) - len(kept), "begin after the media ends, left out")
        ordered = kept
    warn(sum(cue.end_s < cue.start_s for cue in ordered), "end before they begin, end estimated")
    ordered, n_overlapping = _disjoint(_with_ends(ordered))
    warn(n_overlapping, "overlap, trimmed to where the next one begins")
    return tuple(_segment(cue) for cue in _with_speakers(ordered)), tuple(warnings)


def never_coincide(segments: Sequence[Segment], voice_activity: Sequence[Interval]) -> bool:
    """Tell whether there are words and speech, yet never at the same time."""
    return (
        bool(segments)
        and bool(voice_activity)
        and not any(
            segment.start_s < interval.end_s and interval.start_s < segment.end_s
            for segment in segments
            for interval in voice_activity
        )
    )


def _within(cues: list[Cue], path: Path, duration_s: float) -> list[Cue]:
    inside = [cue for cue in cues if cue.start_s < duration_s]
    if 2 * len(inside) < len(cues):
        raise TranscriptError(
            f"{path} seems to be the transcript of another video: {len(cues) - len(inside)} of its "
            f"{len(cues)} cues begin after this media ends ({duration_s:.1f} s). "
            "Name the right one with --transcript, or move this one away."
        )
    clipped = []
    for cue in inside:
        words = tuple(
            replace(word, start_s=min(word.start_s, duration_s), end_s=min(word.end_s, duration_s))
            for word in cue.words
        )
        clipped.append(replace(cue, end_s=min(cue.end_s, duration_s), words=words))
    return clipped


def _with_ends(cues: list[Cue]) -> list[Cue]:
    """Estimate the end of cues that end before they begin."""
    fixed = []
    for i, cue in enumerate(cues):
        if cue.end_s < cue.start_s:
            length_s = max(_LEAST_CUE_S, len(cue.text) / _CHARACTERS_PER_S)
            limit_s = cues[i + 1].start_s if i + 1 < len(cues) else math.inf
            cue = replace(cue, end_s=min(cue.start_s + length_s, limit_s))
        fixed.append(cue)
    return fixed


def _disjoint(cues: list[Cue]) -> tuple[list[Cue], int]:
    """Trim cues of one speaker that overlap; cues that begin together share their time."""
    fixed = list(cues)
    last_of: dict[str | None, int] = {}
    n_overlapping = 0
    for i, cue in enumerate(cues):
        k = last_of.get(cue.speaker)
        last_of[cue.speaker] = i
        if k is None or fixed[k].end_s <= cue.start_s:
            continue
        n_overlapping += fixed[k].end_s - cue.start_s > _TOLERANCE_S
        before, start_s = fixed[k], cue.start_s
        if start_s - before.start_s < _LEAST_CUE_S:
            # Both at once: each gets a share of the common time in proportion to its text.
            share = len(before.text) / max(1, len(before.text) + len(cue.text))
            end_s = max(cue.end_s, before.end_s)
            start_s = before.start_s + (end_s - before.start_s) * share
            fixed[i] = replace(cue, start_s=start_s, end_s=max(cue.end_s, start_s))
        fixed[k] = replace(before, end_s=start_s)
    return fixed, n_overlapping


def _with_speakers(cues: list[Cue]) -> list[Cue]:
    """Let a named speaker go on into a cue without a name when the sentence does."""
    named: list[Cue] = []
    for cue in cues:
        if cue.speaker is None and named and named[-1].speaker is not None:
            before = named[-1]
            goes_on = not ends_sentence(before.text.split()[-1], cue.text.split()[0])
            if goes_on and cue.start_s - before.end_s < 1.0:
                cue = replace(cue, speaker=before.speaker)
        named.append(cue)
    return named


def _segment(cue: Cue) -> Segment:
    if cue.words:
        start_s = min(word.start_s for word in cue.words)
        end_s = max(word.end_s for word in cue.words)
        return Segment(start_s, end_s, cue.text, cue.words, cue.speaker, cue.quality)
    words = spread_words(split_words(cue.text), cue.start_s, cue.end_s)
    return Segment(cue.start_s, cue.end_s, cue.text, words, cue.speaker, cue.quality)
