"""Words to utterances: known answers, then properties over random transcripts."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affect_pipe.pipeline.records import Interval, Segment, Transcript, Word
from affect_pipe.pipeline.segmentation import (
    MOSTLY_GUESSES,
    NO_WORDS,
    SegmentationSettings,
    cut_utterances,
)

# Sums of floats that should meet exactly may differ by rounding.
ROUNDING_S = 1e-9


def spoken(text: str, *, gap_s: float = 0.1, word_s: float = 0.3, start_s: float = 0.0) -> Segment:
    """One segment, words of equal length; "/" makes a pause of one second."""
    words, time_s = [], start_s
    for token in text.split():
        if token == "/":
            time_s += 1.0
            continue
        words.append(Word(token, time_s, time_s + word_s))
        time_s += word_s + gap_s
    return Segment(words[0].start_s, words[-1].end_s, text, tuple(words))


def transcript(*segments: Segment, **kwargs) -> Transcript:
    return Transcript(segments=segments, source="test", **kwargs)


def texts(*segments: Segment, **kwargs) -> list[str]:
    cut = cut_utterances(transcript(*segments), (), SegmentationSettings(**kwargs))
    return [utterance.text for utterance in cut]


def test_nothing_said_is_nothing():
    assert cut_utterances(transcript(), (), SegmentationSettings()) == ()


def test_words_in_doubt_count_as_not_heard_and_the_reason_is_told():
    believed = spoken("we went home")
    looped = replace(spoken("no no no no", start_s=3.0), doubt="it looped")
    elsewhere = replace(spoken("thanks", start_s=20.0), doubt="nobody speaks")
    activity = (Interval(0.0, 1.2), Interval(3.0, 4.6), Interval(6.0, 7.0))
    words = transcript(believed, looped, elsewhere)
    cut = cut_utterances(words, activity, SegmentationSettings())
    assert [(u.text, u.text_reason) for u in cut] == [
        ("we went home", None),
        ("", "it looped"),
        ("", NO_WORDS),
    ]
    assert [word.text for word in words.words] == ["we", "went", "home"]
    assert words.doubt_during(0.0, 30.0) == "it looped"
    assert words.doubt_during(0.0, 2.0) is None


def test_pause_cuts():
    assert texts(spoken("we went home / and slept there")) == ["we went home", "and slept there"]


def test_sentence_ends_cut():
    text = "Dr. Smith paid 3.5 dollars in the U.S. Army store. Really? Yes! 「好。」 Fine... Then"
    assert texts(spoken(text, gap_s=0.0)) == [
        "Dr. Smith paid 3.5 dollars in the U.S. Army store.",
        "Really?",
        "Yes!",
        "「好。」",
        "Fine...",
        "Then",
    ]
    assert len(texts(spoken(text, gap_s=0.0), split_sentences=False)) == 1


def test_unspaced_scripts_are_glued():
    assert texts(spoken("今 天 好。 明 天。")) == ["今天好。", "明天。"]


def test_part_of_a_sentence_joins_the_rest_but_a_whole_one_stays():
    assert texts(spoken("Yes. / I / want it back. / Good.")) == ["Yes.", "I want it back.", "Good."]


def test_change_of_speaker_cuts():
    first, second = spoken("so he said"), spoken("what did he", start_s=1.3)
    cut = cut_utterances(
        transcript(replace(first, speaker="A"), replace(second, speaker="B")),
        (),
        SegmentationSettings(),
    )
    assert [(u.speaker, u.text) for u in cut] == [("A", "so he said"), ("B", "what did he")]


def test_forced_cut_prefers_the_comma():
    text = "one two three four five, six seven eight nine"
    assert texts(spoken(text), max_duration_s=3.0) == [
        "one two three four five,",
        "six seven eight nine",
    ]


def test_forced_cut_prefers_the_longest_pause():
    words = list(spoken("a b c d e f g h i j").words)
    words[6:] = [replace(w, start_s=w.start_s + 0.5, end_s=w.end_s + 0.5) for w in words[6:]]
    segment = Segment(0.0, words[-1].end_s, "", tuple(words))
    assert texts(segment, max_duration_s=3.0) == ["a b c d e f", "g h i j"]


def test_one_word_longer_than_the_maximum_is_not_cut():
    assert texts(spoken("no nooooo no", word_s=20.0)) == ["no", "nooooo", "no"]


def test_own_segments_are_kept():
    segments = spoken("One. Two / three"), spoken("four", start_s=9.0)
    assert texts(*segments, keep_segments=True) == ["One. Two three", "four"]


def test_doubtful_words_are_dropped_and_mostly_guessed_text_is_absent():
    sure = [Word("good", 0.0, 0.3, 0.9), Word("xylem", 0.3, 0.6, 0.1), Word("day", 0.6, 0.9, 0.8)]
    unsure = [Word("axe", 3.0, 3.3, 0.1), Word("hums", 3.3, 3.6, 0.2), Word("now", 3.6, 4.0, 0.9)]
    segment = Segment(0.0, 4.0, "", (*sure, *unsure))
    chosen = SegmentationSettings(min_word_confidence=0.5)
    first, second = cut_utterances(transcript(segment, guesses=True), (), chosen)
    assert (first.text, first.text_reason) == ("good day", None)
    assert (second.text, second.text_reason) == ("", MOSTLY_GUESSES)
    assert (second.start_s, second.end_s) == (3.0, 4.0)
    (trusted, rest) = cut_utterances(transcript(segment, guesses=False), (), chosen)
    assert (trusted.text, rest.text) == ("good xylem day", "axe hums now")


def test_speech_without_words_is_an_utterance_without_text():
    activity = [Interval(0.0, 1.5), Interval(4.0, 6.0), Interval(6.2, 7.0), Interval(40.0, 60.0)]
    cut = cut_utterances(transcript(spoken("hi there you")), activity, SegmentationSettings())
    assert [(u.index, u.start_s, u.end_s, u.text_reason) for u in cut] == [
        (0, 0.0, pytest.approx(1.1), None),
        (1, 4.0, 7.0, NO_WORDS),
        (2, 40.0, 50.0, NO_WORDS),
        (3, 50.0, 60.0, NO_WORDS),
    ]
    assert [u.text for u in cut[1:]] == ["", "", ""]


def test_settings_refuse_nonsense():
    with pytest.raises(ValueError, match="max_duration_s"):
        SegmentationSettings(min_duration_s=3, max_duration_s=2)
    with pytest.raises(ValueError, match="max_pauses"):
        SegmentationSettings(max_pauses=3)
    for name, field in SegmentationSettings.model_fields.items():
        assert field.description, name


WORD = st.sampled_from(["yes", "No.", "Dr.", "well,", "3.5", "why?", "and", "好。", "U.S.", "I"])
# Tenths of a second, as whole numbers, so that shrunken examples are readable.
LENGTH = st.integers(0, 25)
PAUSE = st.integers(0, 20)


@st.composite
def transcripts(draw, speakers=(None, "A", "B"), tangled=False):
    segments, time = [], 0
    for _ in range(draw(st.integers(0, 5))):
        words = []
        for _ in range(draw(st.integers(1, 8))):
            time += draw(PAUSE)
            length = draw(LENGTH)
            confidence = draw(st.one_of(st.none(), st.floats(0, 1)))
            words.append(Word(draw(WORD), time / 10, (time + length) / 10, confidence))
            time += draw(PAUSE) if tangled else length
        end_s = max(word.end_s for word in words)
        speaker = draw(st.sampled_from(speakers))
        segments.append(Segment(words[0].start_s, end_s, "", tuple(words), speaker))
    return Transcript(tuple(segments), source="test", guesses=draw(st.booleans()))


@st.composite
def choices(draw):
    return SegmentationSettings(
        max_pause_s=draw(st.sampled_from([0.3, 0.8, 1.5])),
        max_duration_s=draw(st.sampled_from([1.5, 4.0, 15.0])),
        min_duration_s=draw(st.sampled_from([0.0, 0.8, 1.5])),
        split_sentences=draw(st.booleans()),
        min_word_confidence=draw(st.sampled_from([0.0, 0.4])),
    )


@st.composite
def activities(draw):
    edges = sorted(draw(st.sets(st.integers(0, 600), max_size=12)))
    return [Interval(a / 10, b / 10) for a, b in zip(edges[::2], edges[1::2], strict=False)]


def kept_words(said: Transcript, chosen: SegmentationSettings) -> list[Word]:
    least = chosen.min_word_confidence if said.guesses else 0.0
    return [w for w in said.words if w.confidence is None or w.confidence >= least]


@settings(max_examples=150, deadline=None)
@given(transcripts(), activities(), choices())
def test_every_kept_word_is_in_exactly_one_utterance_in_order(said, activity, chosen):
    cut = cut_utterances(said, activity, chosen)
    assert [word for utterance in cut for word in utterance.words] == kept_words(said, chosen)
    assert [utterance.index for utterance in cut] == list(range(len(cut)))


@settings(max_examples=150, deadline=None)
@given(transcripts(tangled=True), activities(), choices())
def test_times_are_bounded_ordered_and_disjoint(said, activity, chosen):
    said = replace(said, guesses=False)
    cut = cut_utterances(said, activity, chosen)
    bounds = [*said.words, *activity]
    for utterance in cut:
        assert math.isfinite(utterance.start_s)
        assert utterance.start_s >= min(b.start_s for b in bounds)
        assert utterance.end_s <= max(b.end_s for b in bounds) + ROUNDING_S
        assert all(
            utterance.start_s <= w.start_s <= w.end_s <= utterance.end_s for w in utterance.words
        )
        assert (utterance.text == "") == (utterance.text_reason is not None)
        one_word = len(utterance.words) == 1
        assert one_word or utterance.duration_s <= chosen.max_duration_s + ROUNDING_S
    assert [u.start_s for u in cut] == sorted(u.start_s for u in cut)
    for speaker in (None, "A", "B"):
        own = [utterance for utterance in cut if utterance.speaker == speaker]
        assert all(a.end_s <= b.start_s for a, b in pairwise(own))
    assert sorted(w.text for u in cut for w in u.words) == sorted(
        w.text for w in kept_words(said, chosen)
    )


@settings(max_examples=100, deadline=None)
@given(transcripts(speakers=("A",)), choices())
def test_cutting_again_changes_nothing(said, chosen):
    said = replace(said, guesses=False)
    cut = cut_utterances(said, (), chosen)
    segments = tuple(Segment(u.start_s, u.end_s, u.text, u.words, u.speaker) for u in cut)
    again = replace(said, segments=segments)
    assert cut_utterances(again, (), chosen) == cut
    kept = chosen.model_copy(update={"keep_segments": True})
    assert cut_utterances(again, (), kept) == cut


@settings(max_examples=100, deadline=None)
@given(activities(), choices())
def test_wordless_speech_is_covered_and_nothing_else(activity, chosen):
    cut = cut_utterances(transcript(), activity, chosen)
    for interval in activity:
        if interval.duration_s >= chosen.min_wordless_s:
            parts = [u for u in cut if u.end_s > interval.start_s and u.start_s < interval.end_s]
            assert parts[0].start_s <= interval.start_s
            assert parts[-1].end_s >= interval.end_s
    edges = {edge for i in activity for edge in (i.start_s, i.end_s)}
    assert not activity or all(min(edges) <= u.start_s and u.end_s <= max(edges) for u in cut)
