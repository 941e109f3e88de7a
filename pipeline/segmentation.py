"""Words to utterances: stretches of speech by one person that are judged as one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from pydantic import BaseModel, ConfigDict, Field, model_validator

from affect_pipe.pipeline.records import Diarisation, Interval, Segment, Transcript, Utterance, Word
from affect_pipe.pipeline.sentences import ends_clause, ends_sentence
from affect_pipe.pipeline.spacing import Spacing

NO_WORDS = "no words recognised"
MOSTLY_GUESSES = "most words are guesses"

# Where a forced cut falls, in seconds of pause that the mark is worth.
_SENTENCE_WORTH_S = 1.0
_CLAUSE_WORTH_S = 0.3


class SegmentationSettings(BaseModel):
    """How words are cut into utterances."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_pause_s: float = Field(
        default=0.8, gt=0, description="A longer silence between two words ends the utterance."
    )
    max_duration_s: float = Field(
        default=15.0, gt=0, description="Longer utterances are cut at their best pause or comma."
    )
    min_duration_s: float = Field(
        default=0.8,
        ge=0,
        description="A shorter part of a sentence is joined to the rest of it across a pause; "
        "a whole sentence however short ('Yes.') stays on its own.",
    )
    split_sentences: bool = Field(
        default=True, strict=True, description="Cut where a sentence ends."
    )
    keep_segments: bool = Field(
        default=False,
        strict=True,
        description="Keep the transcript's own segments as utterances, whatever their length.",
    )
    # With PocketSphinx, 0.3 lifts the share of right words from 0.65 to 0.87 on acted speech, from
    # 0.35 to 0.50 on synthetic speech, in the utterances that keep their text (two in three).
    min_word_confidence: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="From a recogniser that guesses: words below this confidence are dropped.",
    )
    min_confident_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="From a recogniser that guesses: an utterance that keeps a smaller share of "
        "its words than this counts as having no text.",
    )
    min_wordless_s: float = Field(
        default=0.7,
        gt=0,
        description="Speech without words that lasts this long becomes an utterance without text.",
    )

    @model_validator(mode="after")
    def _check_lengths(self) -> SegmentationSettings:
        if self.min_duration_s > self.max_duration_s:
            raise ValueError(
                f"min_duration_s {self.min_duration_s} must not exceed "
                f"max_duration_s {self.max_duration_s}"
            )
        return self


@dataclass(frozen=True)
class _Piece:
    """Words of one speaker that will be one utterance."""

    words: tuple[Word, ...]
    speaker: str | None

    @property
    def start_s(self) -> float:
        return self.words[0].start_s

    @property
    def end_s(self) -> float:
        return self.words[-1].end_s

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


def cut_utterances(
    transcript: Transcript, voice_activity: Sequence[Interval], settings: SegmentationSettings
) -> tuple[Utterance, ...]:
    """Cut a transcript into utterances and add those where somebody speaks without words.

    Cuts fall at changes of speaker, at pauses, at sentence ends and, in what is still too long,
    at the longest pause or a comma; never within a word. Words of one speaker that overlap in
    time are trimmed to where the next one starts. Segments in doubt count as speech without words,
    and their doubt is the reason. No words and no speech give an empty tuple.

    Parameters
    ----------
    transcript : Transcript
        Words with times, in order within each segment.
    voice_activity : sequence of Interval
        Where somebody speaks, in order, disjoint.
    settings : SegmentationSettings
        Lengths and thresholds.

    Returns
    -------
    tuple of Utterance
        Ordered by start, indices 0..n-1, disjoint within a speaker. ``words`` are those that
        survive the confidence threshold; the times also cover those that did not.
    """
    pieces = [piece for turn in _turns(transcript) for piece in _cut_turn(turn, settings)]
    spacing = Spacing(transcript.segments)
    spoken = [_utterance(piece, transcript.guesses, settings, spacing) for piece in pieces]
    covered = [Interval(piece.start_s, piece.end_s) for piece in pieces]
    wordless = [
        Utterance(
            0,
            interval.start_s,
            interval.end_s,
            "",
            speaker=speaker,
            text_reason=transcript.doubt_during(interval.start_s, interval.end_s) or NO_WORDS,
        )
        for speaker, activity in _by_speaker(voice_activity, transcript.diarisation)
        for interval in _wordless(activity, covered, settings)
    ]
    ordered = sorted(spoken + wordless, key=lambda utterance: (utterance.start_s, utterance.end_s))
    return tuple(replace(utterance, index=i) for i, utterance in enumerate(ordered))


def _turns(transcript: Transcript) -> Iterator[list[_Piece]]:
    """Yield the segments as pieces, grouped into turns of one speaker, times in order."""
    by_start = sorted(transcript.believed, key=lambda segment: segment.start_s)
    segments = _untangle([segment for segment in by_start if segment.words])
    for _, turn in groupby(segments, key=lambda segment: segment.speaker):
        yield [_Piece(segment.words, segment.speaker) for segment in turn]


def _untangle(segments: list[Segment]) -> list[Segment]:
    """Make the word times of each speaker ordered and disjoint."""
    by_speaker: dict[str | None, list[tuple[int, Word]]] = {}
    for i, segment in enumerate(segments):
        words = sorted(segment.words, key=lambda word: word.start_s)
        by_speaker.setdefault(segment.speaker, []).extend((i, word) for word in words)
    untangled: list[list[Word]] = [[] for _ in segments]
    for items in by_speaker.values():
        for i, word in zip((i for i, _ in items), _monotone([w for _, w in items]), strict=True):
            untangled[i].append(word)
    return [
        replace(segment, words=tuple(words))
        for segment, words in zip(segments, untangled, strict=True)
    ]


def _monotone(words: Sequence[Word]) -> list[Word]:
    starts: list[float] = []
    for word in words:
        starts.append(max(word.start_s, starts[-1]) if starts else word.start_s)
    limits = [*starts[1:], math.inf]
    fixed = []
    for word, start_s, limit_s in zip(words, starts, limits, strict=True):
        end_s = min(max(word.end_s, start_s), limit_s)
        same = start_s == word.start_s and end_s == word.end_s
        fixed.append(word if same else replace(word, start_s=start_s, end_s=end_s))
    return fixed


def _cut_turn(turn: list[_Piece], settings: SegmentationSettings) -> list[_Piece]:
    """Cut one speaker's turn into pieces."""
    if settings.keep_segments:
        return turn
    words = tuple(word for piece in turn for word in piece.words)
    ends = _sentence_ends(words)
    bounds = [0]
    for i, (word, following) in enumerate(pairwise(words)):
        paused = following.start_s - word.end_s > settings.max_pause_s
        if paused or (settings.split_sentences and ends[i]):
            bounds.append(i + 1)
    bounds = _rejoin(words, ends, [*bounds, len(words)], settings)
    speaker = turn[0].speaker
    return [
        _Piece(words[i:j], speaker)
        for first, last in pairwise(bounds)
        for i, j in _shorten(words, ends, first, last, settings)
    ]


def _sentence_ends(words: Sequence[Word]) -> list[bool]:
    """Whether a sentence ends after each word."""
    following = [*(word.text for word in words[1:]), None]
    return [ends_sentence(word.text, after) for word, after in zip(words, following, strict=True)]


def _rejoin(
    words: Sequence[Word], ends: Sequence[bool], bounds: list[int], settings: SegmentationSettings
) -> list[int]:
    """Drop cuts at pauses that leave a too short part of a sentence.

    Only where there is punctuation to tell a part from a whole; across at most twice the pause
    that would otherwise cut; never to more than the maximum length.
    """
    if not any(ends[:-1]):
        return bounds
    kept = bounds[:1]
    for i in range(1, len(bounds) - 1):
        cut, following = bounds[i], bounds[i + 1]
        left, right = words[kept[-1] : cut], words[cut:following]
        short = min(_length_s(left), _length_s(right)) < settings.min_duration_s
        near = right[0].start_s - left[-1].end_s <= 2 * settings.max_pause_s
        fits = right[-1].end_s - left[0].start_s <= settings.max_duration_s
        if ends[cut - 1] or not (short and near and fits):
            kept.append(cut)
    return [*kept, bounds[-1]]


def _length_s(words: Sequence[Word]) -> float:
    return words[-1].end_s - words[0].start_s


def _shorten(
    words: Sequence[Word],
    ends: Sequence[bool],
    first: int,
    last: int,
    settings: SegmentationSettings,
) -> list[tuple[int, int]]:
    """Cut ``words[first:last]`` until every part fits the maximum or is one word."""
    done, due = [], [(first, last)]
    while due:
        i, j = due.pop()
        if j - i == 1 or words[j - 1].end_s - words[i].start_s <= settings.max_duration_s:
            done.append((i, j))
            continue
        cut = _best_cut(words, ends, i, j, settings)
        due += [(cut, j), (i, cut)]
    return done


def _best_cut(
    words: Sequence[Word],
    ends: Sequence[bool],
    first: int,
    last: int,
    settings: SegmentationSettings,
) -> int:
    """Index of the word to start a new part with: after a sentence, a long pause or a comma.

    Parts shorter than a quarter of the maximum (or the minimum) are avoided where possible.
    """
    start_s, end_s = words[first].start_s, words[last - 1].end_s
    short_s = max(settings.min_duration_s, settings.max_duration_s / 4)

    def worth(cut: int) -> tuple[bool, float]:
        before, after = words[cut - 1], words[cut]
        left_s, right_s = before.end_s - start_s, end_s - after.start_s
        marks = _SENTENCE_WORTH_S * ends[cut - 1] + _CLAUSE_WORTH_S * ends_clause(before.text)
        # Balance decides only between pauses that are about equal.
        balance_s = 0.1 * min(left_s, right_s) / settings.max_duration_s
        return min(left_s, right_s) >= short_s, after.start_s - before.end_s + marks + balance_s

    return max(range(first + 1, last), key=worth)


def trusted_words(
    words: tuple[Word, ...], guesses: bool, settings: SegmentationSettings
) -> tuple[tuple[Word, ...], str | None]:
    """Drop what is too doubtful to be believed.

    Returns
    -------
    words : tuple of Word
        Those that survive the confidence threshold; all where the source does not guess.
    reason : str or None
        Why they are no text, where too few survive.
    """
    kept = words
    if guesses:
        kept = tuple(
            word
            for word in words
            if word.confidence is None or word.confidence >= settings.min_word_confidence
        )
    trusted = len(kept) >= settings.min_confident_share * len(words) and len(kept) > 0
    return kept, None if trusted else MOSTLY_GUESSES


def _utterance(
    piece: _Piece, guesses: bool, settings: SegmentationSettings, spacing: Spacing
) -> Utterance:
    words, reason = trusted_words(piece.words, guesses, settings)
    return Utterance(
        index=0,
        start_s=piece.start_s,
        end_s=piece.end_s,
        text="" if reason else spacing.join(words),
        words=words,
        speaker=piece.speaker,
        text_reason=reason,
    )


def _wordless(
    voice_activity: Sequence[Interval], covered: Iterable[Interval], settings: SegmentationSettings
) -> list[Interval]:
    """Stretches of speech outside ``covered``, none longer than the maximum."""
    union = _union(covered)
    found: list[Interval] = []
    for group in _near(_subtract(voice_activity, union), union, settings):
        if sum(part.duration_s for part in group) >= settings.min_wordless_s:
            found.append(Interval(group[0].start_s, group[-1].end_s))
    return [part for interval in found for part in _equal_parts(interval, settings.max_duration_s)]


def _by_speaker(
    voice_activity: Sequence[Interval], diarisation: Diarisation | None
) -> Iterator[tuple[str | None, Sequence[Interval]]]:
    """Yield where each speaker speaks, then where it is nobody's turn."""
    left = voice_activity
    turns = diarisation.turns if diarisation else ()
    for speaker in dict.fromkeys(turn.speaker for turn in turns):
        own = _union(Interval(t.start_s, t.end_s) for t in turns if t.speaker == speaker)
        yield speaker, _subtract(voice_activity, _subtract(voice_activity, own))
        left = _subtract(left, own)
    yield None, left


def _union(intervals: Iterable[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for interval in sorted(intervals, key=lambda interval: interval.start_s):
        if merged and interval.start_s <= merged[-1].end_s:
            merged[-1] = Interval(merged[-1].start_s, max(merged[-1].end_s, interval.end_s))
        else:
            merged.append(interval)
    return merged


def _subtract(intervals: Sequence[Interval], holes: Sequence[Interval]) -> list[Interval]:
    """Return what of ``intervals`` lies outside ``holes``; both ordered and disjoint."""
    left: list[Interval] = []
    first = 0
    for interval in intervals:
        start_s = interval.start_s
        while first < len(holes) and holes[first].end_s <= start_s:
            first += 1
        k = first
        while k < len(holes) and holes[k].start_s < interval.end_s:
            if holes[k].start_s > start_s:
                left.append(Interval(start_s, holes[k].start_s))
            start_s = max(start_s, holes[k].end_s)
            k += 1
        if start_s < interval.end_s:
            left.append(Interval(start_s, interval.end_s))
    return left


def _near(
    parts: Sequence[Interval], covered: Sequence[Interval], settings: SegmentationSettings
) -> Iterator[list[Interval]]:
    """Group parts with short pauses between them and no words, up to the maximum length."""
    group: list[Interval] = []
    for part in parts:
        if group:
            pause = Interval(group[-1].end_s, part.start_s)
            far = pause.duration_s > settings.max_pause_s
            long = part.end_s - group[0].start_s > settings.max_duration_s
            if far or long or _subtract([pause], covered) != [pause]:
                yield group
                group = []
        group.append(part)
    if group:
        yield group


def _equal_parts(interval: Interval, max_duration_s: float) -> list[Interval]:
    n_parts = max(1, math.ceil(interval.duration_s / max_duration_s))
    # Division may round an edge past the end; the last edge is the end itself.
    edges = [interval.start_s + interval.duration_s * i / n_parts for i in range(n_parts)]
    return [Interval(a, b) for a, b in pairwise([*edges, interval.end_s])]
