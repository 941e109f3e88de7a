"""Words to speakers by their turns: known answers, then properties over random turns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from affect_pipe.pipeline.given_times import fill_words
from affect_pipe.pipeline.records import (
    Diarisation,
    Interval,
    Segment,
    SpeakerTurn,
    Transcript,
    Utterance,
    Word,
)
from affect_pipe.pipeline.segmentation import NO_WORDS, SegmentationSettings, cut_utterances
from affect_pipe.pipeline.speakers import assign_speakers


def said(text: str, start_s: float = 0.0, speaker: str | None = None) -> Segment:
    """One word a second, each half a second long."""
    tokens = text.split()
    words = tuple(Word(w, start_s + i, start_s + i + 0.5) for i, w in enumerate(tokens))
    return Segment(words[0].start_s, words[-1].end_s, text, words, speaker)


def turns(*triples: tuple[float, float, str]) -> Diarisation:
    return Diarisation(tuple(SpeakerTurn(*t) for t in triples), "talk.rttm")


TWO = turns((0.0, 1.8, "A"), (1.9, 3.6, "B"))


def test_utterances_end_where_the_speaker_changes():
    transcript = Transcript((said("yes I do not"),), "whisper")
    found, warnings = assign_speakers(transcript, TWO)
    assert [(s.speaker, s.text) for s in found.segments] == [("A", "yes I"), ("B", "do not")]
    cut = cut_utterances(found, (), SegmentationSettings())
    assert [(u.speaker, u.text) for u in cut] == [("A", "yes I"), ("B", "do not")]
    assert warnings == ()
    assert found.diarisation is TWO


def test_a_segment_of_one_speaker_stays_whole():
    segment = said("yes -- I do")
    (kept,) = assign_speakers(Transcript((segment,), "srt"), turns((0.0, 9.0, "A")))[0].segments
    assert kept == Segment(segment.start_s, segment.end_s, segment.text, segment.words, "A")


def test_of_overlapping_turns_the_one_that_shares_most_and_near_a_turn_its_speaker():
    overlapping = turns((0.0, 0.1, "A"), (0.05, 5.0, "B"))
    found, _ = assign_speakers(Transcript((said("hm"),), "srt"), overlapping)
    assert found.segments[0].speaker == "B"
    for start_s, speaker in ((5.9, "B"), (6.5, None)):
        found, _ = assign_speakers(Transcript((said("hm", start_s),), "srt"), overlapping)
        assert found.segments[0].speaker == speaker


def test_doubtful_files_are_told():
    other = turns((50.0, 60.0, "A"))
    found, warnings = assign_speakers(Transcript((said("a b c", speaker="Ann"),), "srt"), other)
    assert [segment.speaker for segment in found.segments] == [None]
    assert any("3 of 3 words" in warning for warning in warnings)
    found, warnings = assign_speakers(Transcript((said("a b", speaker="Ann"),), "srt"), TWO)
    assert {segment.speaker for segment in found.segments} == {"A"}


def test_names_of_the_transcript_are_replaced_and_it_is_said():
    _, warnings = assign_speakers(Transcript((said("a b", speaker="Ann"),), "srt"), TWO)
    assert warnings == ("talk.rttm: its speakers replace those of the transcript.",)


def test_speech_without_words_is_cut_by_speaker_too():
    found, _ = assign_speakers(Transcript((), "whisper"), TWO)
    cut = cut_utterances(found, (Interval(0.0, 5.0),), SegmentationSettings())
    assert [(u.speaker, u.start_s, u.end_s, u.text_reason) for u in cut] == [
        ("A", 0.0, 1.8, NO_WORDS),
        ("B", 1.9, 3.6, NO_WORDS),
        (None, 3.6, 5.0, NO_WORDS),
    ]


def test_given_utterances_get_their_speaker_unless_they_have_one():
    given_times = (Utterance(0, 0.0, 2.0, "yes"), Utterance(1, 2.0, 3.0, "no", speaker="Ann"))
    found, _ = assign_speakers(Transcript((), "none"), TWO)
    filled = fill_words(given_times, found, SegmentationSettings())
    assert [u.speaker for u in filled] == ["A", "Ann"]


spans = st.tuples(st.floats(0, 50), st.floats(0, 10)).map(lambda pair: (pair[0], sum(pair)))
all_turns = st.lists(st.builds(lambda s, who: SpeakerTurn(*s, who), spans, st.sampled_from("ABC")))
segments = st.lists(
    st.builds(said, st.sampled_from(["a", "a b c", "a b c d e f"]), st.floats(0, 50)), max_size=4
)


@given(all_turns, segments)
def test_no_word_is_lost_moved_or_given_to_somebody_far_away(found_turns, said_segments):
    transcript = Transcript(tuple(said_segments), "test")
    found, _ = assign_speakers(transcript, Diarisation(tuple(found_turns), "x.rttm"))
    assert found.words == transcript.words
    for segment in found.segments:
        for word in segment.words:
            gaps = {
                who: min(
                    max(t.start_s - word.end_s, word.start_s - t.end_s, 0.0)
                    for t in found_turns
                    if t.speaker == who
                )
                for who in {turn.speaker for turn in found_turns}
            }
            if segment.speaker is None:
                assert all(gap >= 1.0 - 1e-9 for gap in gaps.values())
            else:
                assert gaps[segment.speaker] == min(gaps.values()) < 1.0 + 1e-9
