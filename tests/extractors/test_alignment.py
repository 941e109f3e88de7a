"""Plain text against synthesised speech whose times are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affect_pipe.extractors.speech.alignment import transcript_from_text
from affect_pipe.extractors.speech.transcript import TranscriptFile
from affect_pipe.pipeline.errors import TranscriptError
from affect_pipe.pipeline.records import Interval

RATE = 16000


SENTENCES = (
    "The weather was lovely yesterday.",
    "We don't want to pay thirty dollars for the ticket.",
    "My brother drives to the office every morning.",
)
# Word boundaries in speech are a matter of opinion to about this much.
NEAR_S = 0.15


@pytest.fixture(scope="module")
def talk(speech_of):
    return speech_of(*SENTENCES)


def test_each_sentence_lies_where_it_is_spoken(talk, tmp_path):
    source, truth = talk
    path = tmp_path / "talk.txt"
    path.write_text("\n".join(SENTENCES), encoding="utf-8")
    transcript = TranscriptFile(path).transcribe(source)
    assert (transcript.word_times, transcript.warnings) == ("aligned", ())
    assert [segment.text for segment in transcript.segments] == list(SENTENCES)
    for segment, interval in zip(transcript.segments, truth, strict=True):
        assert segment.start_s == pytest.approx(interval.start_s, abs=NEAR_S)
        assert segment.end_s == pytest.approx(interval.end_s, abs=NEAR_S)


def test_numbers_and_unknown_words_keep_their_place(talk):
    source, truth = talk
    text = (
        "ANN: The weather was lovely yesterday. (laughs)\n"
        "BOB: We don’t want to pay 30 dollars for the tickettyx.\n"  # noqa: RUF001
        "ANN: My brother drives to the office every morning."
    )
    transcript = transcript_from_text(text, Path("a.txt"), source)
    assert transcript.word_times == "aligned"
    assert [segment.speaker for segment in transcript.segments] == ["ANN", "BOB", "ANN"]
    words = {word.text: word for word in transcript.words}
    pay, number, dollars = words["pay"], words["30"], words["dollars"]
    assert pay.start_s < pay.end_s <= number.start_s < number.end_s <= dollars.start_s
    assert truth[1].start_s < words["tickettyx."].start_s < words["tickettyx."].end_s
    assert words["tickettyx."].end_s < truth[2].start_s
    starts = [word.start_s for word in transcript.words]
    assert starts == sorted(starts)


def test_same_input_same_times(talk):
    source, _ = talk
    once, again = (transcript_from_text(" ".join(SENTENCES), Path("a"), source) for _ in range(2))
    assert once == again


def test_what_cannot_be_aligned_is_spread_with_a_warning(talk):
    source, truth = talk
    german = "Gestern schien hier überall herrlich warme Sonne. Jetzt regnet es wieder heftig."
    transcript = transcript_from_text(german, Path("a.txt"), source)
    assert transcript.word_times == "spread"
    assert "English" in transcript.warnings[0]
    first, last = transcript.words[0], transcript.words[-1]
    assert first.start_s == pytest.approx(truth[0].start_s, abs=NEAR_S)
    assert last.end_s == pytest.approx(truth[-1].end_s, abs=NEAR_S)


def test_without_audio_or_speech_the_text_is_spread_over_the_media(heard):
    for source in (
        heard(None, (), 10.0),
        heard(np.zeros(10 * RATE, np.float32), (), 10.0),
    ):
        transcript = transcript_from_text("One two three four.", Path("a.txt"), source)
        assert (transcript.words[0].start_s, transcript.words[-1].end_s) == (0.0, 10.0)
        assert transcript.word_times == "spread"
        assert len(transcript.warnings) == 1


def test_far_too_much_text_is_another_video(talk):
    source, _ = talk
    with pytest.raises(TranscriptError, match="another video"):
        transcript_from_text("word " * 1000, Path("a.txt"), source)
    empty = transcript_from_text("  \n[music]\n", Path("a.txt"), source)
    assert empty.segments == ()
    assert "no words" in empty.warnings[0]


def test_long_text_is_dealt_out_at_sentence_ends(monkeypatch, talk):
    source, truth = talk
    monkeypatch.setattr("affect_pipe.extractors.speech.alignment._BLOCK_S", 5.0)
    transcript = transcript_from_text(" ".join(SENTENCES), Path("a.txt"), source)
    assert [segment.text for segment in transcript.segments] == list(SENTENCES)
    for segment, interval in zip(transcript.segments, truth, strict=True):
        middle = Interval(segment.start_s, segment.end_s)
        assert middle.start_s < interval.end_s
        assert interval.start_s < middle.end_s
