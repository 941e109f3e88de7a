"""Words for utterances whose times are given."""

from affect_pipe.pipeline.given_times import NO_WORDS_WITHIN, fill_words
from affect_pipe.pipeline.records import Segment, Transcript, Utterance, Word
from affect_pipe.pipeline.segmentation import MOSTLY_GUESSES, SegmentationSettings

WORDS = (
    Word("Hello", 0.1, 0.5, 0.9),
    Word("there,", 0.6, 1.0, 0.1),
    # Half past the border: its middle is in the second utterance.
    Word("my", 1.8, 2.4, 0.1),
    Word("friend.", 2.5, 2.9, 0.2),
)
UTTERANCES = (
    Utterance(0, 0.0, 2.0, "", text_reason="no text in the label file"),
    Utterance(1, 2.0, 3.0, "", text_reason="no text in the label file"),
    Utterance(2, 3.0, 4.0, "", text_reason="no text in the label file"),
    Utterance(3, 0.0, 4.0, "What the labels say."),
)


def transcript(guesses):
    return Transcript((Segment(0.0, 3.0, "", WORDS),), "test", guesses=guesses)


def test_each_gets_the_words_with_their_middle_in_it_and_written_text_stands():
    filled = fill_words(UTTERANCES, transcript(guesses=False), SegmentationSettings())
    assert [u.text for u in filled] == ["Hello there,", "my friend.", "", "What the labels say."]
    assert [u.text_reason for u in filled] == [None, None, NO_WORDS_WITHIN, None]
    assert [(u.start_s, u.end_s, u.index) for u in filled] == [
        (u.start_s, u.end_s, u.index) for u in UTTERANCES
    ]


def test_guesses_count_as_they_do_in_a_run():
    filled = fill_words(UTTERANCES, transcript(guesses=True), SegmentationSettings())
    # One of two words is sure enough, which is half; then none of two.
    assert [u.text for u in filled] == ["Hello", "", "", "What the labels say."]
    assert [u.text_reason for u in filled] == [None, MOSTLY_GUESSES, NO_WORDS_WITHIN, None]


def test_words_in_doubt_are_no_words_and_the_reason_is_told():
    doubted = Segment(0.0, 3.0, "", WORDS, doubt="it looped")
    filled = fill_words(UTTERANCES, Transcript((doubted,), "test"), SegmentationSettings())
    assert [u.text_reason for u in filled] == ["it looped", "it looped", NO_WORDS_WITHIN, None]
