"""Spaces of transcripts in scripts that need none between words."""

from __future__ import annotations

import pytest

from affect_pipe.extractors.speech.transcript import read_transcript
from affect_pipe.pipeline.records import Diarisation, SpeakerTurn, Transcript
from affect_pipe.pipeline.segmentation import SegmentationSettings, cut_utterances
from affect_pipe.pipeline.speakers import assign_speakers

CUE = "1\n00:00:00,000 --> 00:00:04,000\n{}\n"


def read(text, tmp_path) -> Transcript:
    path = tmp_path / "talk.srt"
    path.write_text(CUE.format(text), "utf-8")
    return read_transcript(path)


def cut(transcript):
    return [one.text for one in cut_utterances(transcript, (), SegmentationSettings())]


@pytest.mark.parametrize(
    "text",
    [
        "ไทย ภาษา",  # Thai: a space between phrases
        "ไทยภาษา",
        "你好 世界人",  # Chinese: a character is a word
        "你好世界",
        "你好 Ann and Bo 世界",
        "Plain words, as ever",
    ],
)
def test_an_utterance_keeps_the_spaces_of_its_subtitle(text, tmp_path):
    assert cut(read(text, tmp_path)) == [text]


def test_also_where_speakers_come_from_elsewhere(tmp_path):
    text = "ไทย ภาษา ไทย ภาษา"
    turns = (SpeakerTurn(0.0, 2.0, "A"), SpeakerTurn(2.0, 4.0, "B"))
    found, _ = assign_speakers(read(text, tmp_path), Diarisation(turns, "talk.rttm"))
    assert cut(found) == [text[:8], text[9:]]


def test_times_of_words_are_not_touched(tmp_path):
    words = read("ไทย ภาษา", tmp_path).words
    assert [word.start_s for word in words] == [0.0, pytest.approx(4 * 4 / 9)]
