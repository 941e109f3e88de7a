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
        notes.append(f"{path.name} holds no words.")
        return Transcript((), "txt", path.name, word_times="spread", warnings=tuple(notes))
    _check_rate(tokens, path, sum(i.duration_s for i in activity) or source.media.duration_s)
    if audio is None or not activity:
        missing = "has no audio" if audio is None else "holds no speech"
        notes.append(f"The media {missing}: the words of {path.name} are spread over its length.")
        aligned, words = None, _spread(tokens, [Interval(0.0, source.media.duration_s)])
    else:
        regions = list(speech_regions(activity, audio))
        aligned, why = _align(tokens, audio, regions)
        if why:
            notes.append(f"{path.name} {why}: its words are spread over the speech.")
        words = aligned or _spread(tokens, regions)
    return Transcript(
        segments=tuple(_sentences(tokens, words)),
        source="txt",
        model=path.name,
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
    """Return the words with their times, or None and why not."""
    decoder = build_decoder(lm=None)
    keyed = [replace(token, keys=_keys(token.text, decoder.lookup_word)) for token in tokens]
    known = sum(bool(token.keys) for token in keyed)
    if known < _LEAST_KNOWN * len(keyed):
        return None, f"could not be aligned, only {known} of its {len(keyed)} words are English"
    words: list[Word] = []
    for block_tokens, block_regions in _blocks(keyed, regions):
        times = _align_block(decoder, block_tokens, audio, block_regions)
        if times is None:
            return None, "could not be aligned to what is said"
        words += _filled([token.text for token in block_tokens], times, block_regions)
    return words, None


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


def _blocks(
    tokens: Sequence[_Token], regions: Sequence[Interval]
) -> Iterator[tuple[Sequence[_Token], list[Interval]]]:
    """Deal out text to stretches of at most an hour of speech, in proportion to their length."""
    total_s = sum(region.duration_s for region in regions)
    n_blocks = int(total_s // _BLOCK_S) + 1
    ends_s = list(accumulate(region.duration_s for region in regions))
    n_characters = list(accumulate(len(token.text) + 1 for token in tokens))
    first_region = first_token = 0
    for i in range(1, n_blocks + 1):
        last_region = bisect_right(ends_s, total_s * i / n_blocks)
        share = ends_s[max(last_region, 1) - 1] / total_s
        last_token = bisect_right(n_characters, share * n_characters[-1])
        if i == n_blocks:
            last_region, last_token = len(regions), len(tokens)
        if last_token > first_token and last_region > first_region:
            yield tokens[first_token:last_token], list(regions[first_region:last_region])
            first_region, first_token = last_region, last_token


def _align_block(
    decoder: Any, tokens: Sequence[_Token], audio: Audio, regions: Sequence[Interval]
) -> list[tuple[float, float] | None] | None:
    """Return times of each token, None for unknown words; None altogether if the search fails."""
    keys = [key for token in tokens for key in token.keys]
    if not keys:
        return [None] * len(tokens)
    decoder.set_align_text(" ".join(keys))
    found = run_decoder(decoder, b"".join(pcm16(audio, region) for region in regions))
    if [item.word.split("(")[0] for item in found] != keys:
        return None
    clock = _Clock(regions)
    times: list[tuple[float, float] | None] = []
    used = 0
    for token in tokens:
        own = found[used : used + len(token.keys)]
        used += len(token.keys)
        times.append(clock.span(own[0].start_frame, own[-1].end_frame + 1) if own else None)
    return times


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
        if right_s - left_s >= needed_s:
            words += spread_words(run, left_s, right_s)
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
