"""Plain text to timed words: forced alignment with PocketSphinx's bundled English model."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

from affect_pipe.extractors.speech.cues import spoken_parts, spread_words
from affect_pipe.extractors.speech.pocketsphinx_asr import build_decoder, run_decoder
from affect_pipe.extractors.speech.regions import pcm16, speech_regions
from affect_pipe.pipeline.errors import TranscriptError
from affect_pipe.pipeline.interfaces import Source
from affect_pipe.pipeline.records import Audio, Interval, Segment, Transcript, Word
from affect_pipe.pipeline.sentences import ends_sentence, join_words, split_words

MAX_WORDS = 200_000
# Nobody says more words in a second of speech; a text that needs more belongs elsewhere.
_MAX_WORDS_PER_S = 8.0
# Less than this share of words in the dictionary, and the text is hardly English.
_LEAST_KNOWN = 0.5
# One search holds this much speech; longer text is dealt out over several in proportion.
_BLOCK_S = 3600.0
# Where alignment fails, shares are halved down to this many words, which are then spread.
_SMALLEST_SHARE = 12
# Beams this wide follow a text with a word or two that were never said, at three times the cost.
_WIDE = {"beam": 1e-160, "pbeam": 1e-160, "wbeam": 1e-120}
_FRAMES_PER_S = 100
# Room that a word outside the dictionary is given between its neighbours, if there is none.
_SECONDS_PER_CHARACTER = 0.05


@dataclass(frozen=True)
class _Token:
    """One word of the text, and the dictionary words it is aligned as (none if unknown)."""

    text: str
    part: int
    speaker: str | None
    keys: tuple[str, ...] = ()


def transcript_from_text(
    text: str, path: Path, source: Source, warning: str | None = None
) -> Transcript:
    """Align a plain text to the speech of a video.

    Words outside the dictionary get the time between their neighbours. Where alignment is not
    possible the words are spread over the speech in proportion to their length, with a warning.

    Parameters
    ----------
    text : str
        What is said, in order; ``NAME:`` at the start of a line names the speaker.
    path : Path
        Where it comes from, for messages.
    source : Source
        The video.
    warning : str, optional
        A warning to carry along.

    Raises
    ------
    TranscriptError
        If the text holds more words than could be spoken here.
    """
    notes = [warning] if warning else []
    tokens = _tokens(text)
    audio, activity = source.audio, source.voice_activity
    if not tokens:
        notes.append("it holds no words.")
        return Transcript((), "txt", word_times="spread", warnings=tuple(notes))
    _check_rate(tokens, path, sum(i.duration_s for i in activity) or source.media.duration_s)
    if audio is None or not activity:
        missing = "has no audio" if audio is None else "holds no speech"
        notes.append(f"the media {missing}: the words are spread over its length.")
        aligned, words = None, _spread(tokens, [Interval(0.0, source.media.duration_s)])
    else:
        regions = list(speech_regions(activity, audio))
        aligned, why = _align(tokens, audio, regions)
        if why:
            notes.append(f"it {why}: spread over the speech instead.")
        words = aligned or _spread(tokens, regions)
    return Transcript(
        segments=tuple(_sentences(tokens, words)),
        source="txt",
        word_times="aligned" if aligned else "spread",
        warnings=tuple(notes),
    )


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    speaker: str | None = None
    for part, (name, said) in enumerate(spoken_parts(text)):
        # Without a new name the last one goes on speaking.
        speaker = name or speaker
        tokens += [_Token(word, part, speaker) for word in split_words(said)]
    return tokens


def _check_rate(tokens: Sequence[_Token], path: Path, speech_s: float) -> None:
    if len(tokens) > min(MAX_WORDS, 10 + _MAX_WORDS_PER_S * speech_s):
        raise TranscriptError(
            f"{path} seems to be the transcript of another video: it has {len(tokens)} words, "
            f"this one {speech_s:.1f} s of speech; name the right one with --transcript, or move "
            "this one away."
        )


def _align(
    tokens: Sequence[_Token], audio: Audio, regions: Sequence[Interval]
) -> tuple[list[Word] | None, str | None]:
    """Return the words with their times, or None, and what went wrong."""
    searches = _Searches(audio)
    keyed = [replace(token, keys=_keys(token.text, searches.lookup)) for token in tokens]
    known = sum(bool(token.keys) for token in keyed)
    if known < _LEAST_KNOWN * len(keyed):
        return None, f"could not be aligned, only {known} of its {len(keyed)} words are English"
    words, n_spread = _place(keyed, regions, searches)
    if n_spread == len(words):
        return None, "could not be aligned to what is said"
    part = f"could not be aligned for {n_spread} of its {len(words)} words" if n_spread else None
    return words, part


def align_each(
    pieces: Sequence[tuple[str, Interval]], audio: Audio
) -> Iterator[tuple[tuple[Word, ...], bool]]:
    """Give words their times, each text within its own stretch of speech.

    For what a recogniser heard stretch by stretch without word times.

    Parameters
    ----------
    pieces : sequence of (str, Interval)
        English text and where it was heard.
    audio : Audio
        What it was heard in.

    Yields
    ------
    words : tuple of Word
        In order, inside the stretch.
    aligned : bool
        False where the words had to be spread over it in proportion to their length.
    """
    searches = _Searches(audio)
    for text, where in pieces:
        tokens = [_Token(word, 0, None, _keys(word, searches.lookup)) for word in split_words(text)]
        words, n_spread = _place(tokens, [where], searches)
        yield tuple(words), n_spread < len(words)


def _place(
    tokens: Sequence[_Token], regions: Sequence[Interval], searches: _Searches
) -> tuple[list[Word], int]:
    """Return the words with their times, and how many of them could only be spread."""
    words: list[Word] = []
    n_spread = 0
    due = list(reversed(list(_shares(tokens, regions, _n_blocks(regions)))))
    while due:
        some, where = due.pop()
        times = searches.align(some, where)
        if times is not None:
            words += _filled([token.text for token in some], times, where)
            continue
        # Something here was not said as written: confine the damage to the half that holds it.
        halves = list(_shares(some, where, 2))
        if len(halves) == 2 and len(some) > _SMALLEST_SHARE:
            due += reversed(halves)
            continue
        n_spread += len(some)
        words += _spread(some, where)
    return words, n_spread


def _keys(text: str, lookup: Callable[[str], str | None]) -> tuple[str, ...]:
    """Return dictionary words that sound like ``text``; none if there are none."""
    # Typographic apostrophes stand in contractions, which the dictionary spells with plain ones.
    plain = re.sub("[\u2018\u2019]", "'", text.lower())
    keys: list[str] = []
    for part in re.split(r"[-\u2010-\u2015/]+", plain):
        key = re.sub(r"[^\w']+", "", part)
        candidates = (key, key.strip("'"), key.strip("'").removesuffix("'s"))
        found = next((c for c in candidates if c and lookup(c) is not None), None)
        if found is None and key:
            return ()
        keys += [found] if found else []
    return tuple(keys)


def _n_blocks(regions: Sequence[Interval]) -> int:
    return 1 + int(sum(region.duration_s for region in regions) // _BLOCK_S)


def _shares(
    tokens: Sequence[_Token], regions: Sequence[Interval], n_shares: int
) -> Iterator[tuple[Sequence[_Token], Sequence[Interval]]]:
    """Deal out text to regions in proportion, cut at sentence ends where they are near."""
    ends_s = list(accumulate(region.duration_s for region in regions))
    lengths = list(accumulate(len(token.text) + 1 for token in tokens))
    first_region = first_token = 0
    for i in range(1, n_shares):
        last_region = bisect_right(ends_s, ends_s[-1] * i / n_shares)
        if last_region == first_region:
            continue
        expected = bisect_right(lengths, lengths[-1] * ends_s[last_region - 1] / ends_s[-1])
        near = range(max(first_token + 1, expected - 15), min(len(tokens), expected + 15))
        ends = [k for k in near if ends_sentence(tokens[k - 1].text, tokens[k].text)]
        last_token = min(ends, key=lambda k: abs(k - expected)) if ends else expected
        if first_token < last_token < len(tokens) and last_region < len(regions):
            yield tokens[first_token:last_token], regions[first_region:last_region]
            first_region, first_token = last_region, last_token
    yield tokens[first_token:], regions[first_region:]


class _Searches:
    """The narrow search, which is fast, and the wide one for what it cannot follow."""

    def __init__(self, audio: Audio) -> None:
        self._audio = audio
        self._narrow = build_decoder(lm=None)
        self._wide: Any = None

    def lookup(self, word: str) -> str | None:
        """Return the pronunciation of a word, None if it is not in the dictionary."""
        phones: str | None = self._narrow.lookup_word(word)
        return phones

    def align(
        self, tokens: Sequence[_Token], regions: Sequence[Interval]
    ) -> list[tuple[float, float] | None] | None:
        """Return times of each token, None for unknown words; None altogether on failure."""
        keys = [key for token in tokens for key in token.keys]
        if not keys:
            return None
        samples = b"".join(pcm16(self._audio, region) for region in regions)
        found = _search(self._narrow, keys, samples)
        if found is None:
            if self._wide is None:
                self._wide = build_decoder(lm=None, **_WIDE)
            found = _search(self._wide, keys, samples)
        if found is None:
            return None
        clock = _Clock(regions)
        times: list[tuple[float, float] | None] = []
        used = 0
        for token in tokens:
            own = found[used : used + len(token.keys)]
            used += len(token.keys)
            times.append(clock.span(own[0].start_frame, own[-1].end_frame + 1) if own else None)
        return times


def _search(decoder: Any, keys: Sequence[str], samples: bytes) -> list[Any] | None:
    decoder.set_align_text(" ".join(keys))
    found = run_decoder(decoder, samples)
    return found if [item.word.split("(")[0] for item in found] == list(keys) else None


class _Clock:
    """Frames of joined regions to seconds of the media."""

    def __init__(self, regions: Sequence[Interval]) -> None:
        self._regions = regions
        self._ends_s = list(accumulate(region.duration_s for region in regions))

    def span(self, first_frame: int, end_frame: int) -> tuple[float, float]:
        """Return seconds of frames ``[first, end)``, in the region that holds the middle."""
        middle_s = (first_frame + end_frame) / 2 / _FRAMES_PER_S
        i = min(bisect_right(self._ends_s, middle_s), len(self._regions) - 1)
        region = self._regions[i]
        offset_s = region.start_s - (self._ends_s[i] - region.duration_s)
        start_s = max(region.start_s, offset_s + first_frame / _FRAMES_PER_S)
        return start_s, max(start_s, min(region.end_s, offset_s + end_frame / _FRAMES_PER_S))


def _filled(
    texts: Sequence[str], times: Sequence[tuple[float, float] | None], regions: Sequence[Interval]
) -> list[Word]:
    """Give words without times the room between their neighbours, or a share of theirs."""
    words: list[Word] = []
    runs = [
        (known, [text for text, _ in run], [time for _, time in run])
        for known, run in (
            (known, list(pairs))
            for known, pairs in groupby(
                zip(texts, times, strict=True), key=lambda pair: pair[1] is not None
            )
        )
    ]
    for i, (known, run, spans) in enumerate(runs):
        if known:
            start_after = words[-1].end_s if words else 0.0
            for text, span in zip(run, spans, strict=True):
                start_s, end_s = span or (0.0, 0.0)
                start_s = max(start_s, start_after)
                words.append(Word(text, start_s, max(start_s, end_s)))
            continue
        left_s = words[-1].end_s if words else regions[0].start_s
        after = runs[i + 1][2][0] if i + 1 < len(runs) else None
        right_s = after[0] if after else regions[-1].end_s
        needed_s = _SECONDS_PER_CHARACTER * sum(len(text) for text in run)
        room_s, start_s, end_s = max(
            (min(right_s, r.end_s) - max(left_s, r.start_s), max(left_s, r.start_s), r.end_s)
            for r in regions
        )
        if room_s >= needed_s:
            words += spread_words(run, start_s, min(right_s, end_s))
            continue
        # Its sound went to the neighbours: share the time from the word before to the next one's
        # middle, as letters go.
        shared = [words.pop().text] if words else []
        left_s = words[-1].end_s if words else left_s
        right_s = max(left_s, (after[0] + after[1]) / 2 if after else right_s)
        words += spread_words([*shared, *run], left_s, right_s)
    return words


def _spread(tokens: Sequence[_Token], regions: Sequence[Interval]) -> list[Word]:
    """Spread words over regions in proportion to their length, none across a pause."""
    clock = _Clock(regions)
    total_s = sum(region.duration_s for region in regions)
    words = []
    for word in spread_words([token.text for token in tokens], 0.0, total_s):
        start_s, end_s = clock.span(
            round(word.start_s * _FRAMES_PER_S), round(word.end_s * _FRAMES_PER_S)
        )
        words.append(Word(word.text, start_s, end_s))
    return words


def _sentences(tokens: Sequence[_Token], words: Sequence[Word]) -> Iterator[Segment]:
    start = 0
    for i, token in enumerate(tokens):
        following = tokens[i + 1] if i + 1 < len(tokens) else None
        if (
            following is None
            or following.part != token.part
            or ends_sentence(token.text, following.text)
        ):
            own = tuple(words[start : i + 1])
            text = join_words(word.text for word in own)
            yield Segment(own[0].start_s, own[-1].end_s, text, own, token.speaker)
            start = i + 1
