"""Who speaks when, from a diarisation, to the words of a transcript."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.records import Diarisation, Segment, SpeakerTurn, Transcript, Word
from affect_pipe.pipeline.spacing import Spacing

# Turns are cut a little too tight, and words a little too wide, as often as not.
_NEAR_S = 1.0
# Less than this share of the words within any turn, and something is wrong.
_LEAST_WITHIN = 0.5


def assign_speakers(
    transcript: Transcript, diarisation: Diarisation
) -> tuple[Transcript, tuple[str, ...]]:
    """Give each word the speaker whose turn it shares most time with.

    A word outside every turn goes to the nearest one within a second, else to nobody. Segments are
    cut where the speaker changes. Names that the transcript has are replaced: two sources may call
    the same person differently.

    Parameters
    ----------
    transcript : Transcript
        Words with times.
    diarisation : Diarisation
        Turns of speakers, which may overlap.

    Returns
    -------
    transcript : Transcript
        With ``diarisation`` set.
    warnings : tuple of str
        What is doubtful about it.
    """
    lookup = _Turns(diarisation.turns)
    segments = tuple(part for s in transcript.segments for part in _cut(s, lookup))
    warnings = []
    if diarisation.other:
        warnings.append(
            f"{diarisation.name}: it tells of the recording {quoted(diarisation.other)}: if that "
            "is not this one, the speakers are wrong."
        )
    n_words = sum(len(segment.words) for segment in segments)
    if n_words and lookup.n_within < _LEAST_WITHIN * n_words:
        warnings.append(
            f"{diarisation.name}: {n_words - lookup.n_within} of {n_words} words lie outside its "
            "turns: it may belong to another video."
        )
    if any(segment.speaker is not None for segment in transcript.segments):
        warnings.append(f"{diarisation.name}: its speakers replace those of the transcript.")
    return replace(transcript, segments=segments, diarisation=diarisation), tuple(warnings)


def _cut(segment: Segment, lookup: _Turns) -> Iterator[Segment]:
    named = [(lookup.speaker_of(word), word) for word in segment.words]
    runs = [(who, tuple(word for _, word in run)) for who, run in groupby(named, lambda n: n[0])]
    if len(runs) <= 1:
        yield replace(segment, speaker=runs[0][0] if runs else None)
        return
    spacing = Spacing((segment,))
    for who, words in runs:
        text = spacing.join(words)
        start_s, end_s = words[0].start_s, max(word.end_s for word in words)
        yield replace(segment, start_s=start_s, end_s=end_s, text=text, words=words, speaker=who)


class _Turns:
    """Turns in order, searched by time."""

    def __init__(self, turns: Sequence[SpeakerTurn]) -> None:
        self._turns = sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker))
        self._starts = [turn.start_s for turn in self._turns]
        self._longest_s = max((turn.end_s - turn.start_s for turn in turns), default=0.0)
        self.n_within = 0

    def speaker_of(self, word: Word) -> str | None:
        """Return who says a word, and count it if it lies in a turn."""
        first = bisect_left(self._starts, word.start_s - self._longest_s - _NEAR_S)
        last = bisect_left(self._starts, word.end_s + _NEAR_S)
        best, overlap_s = None, -_NEAR_S
        for turn in self._turns[first:last]:
            # Negative: the gap between them.
            common_s = min(word.end_s, turn.end_s) - max(word.start_s, turn.start_s)
            if common_s > overlap_s:
                best, overlap_s = turn.speaker, common_s
        self.n_within += best is not None and overlap_s >= 0
        return best
