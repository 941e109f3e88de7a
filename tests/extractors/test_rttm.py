"""RTTM as diarisers write it, and what is none."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affect_pipe.extractors.speech.rttm import find_diarisation, read_rttm
from affect_pipe.pipeline.errors import TranscriptError, UsageError
from affect_pipe.pipeline.records import Segment, SpeakerTurn, Transcript, Word
from affect_pipe.pipeline.speakers import assign_speakers

# As pyannote.audio writes it, with the lines of other types that NIST's tools add.
TALK = """;; made by a diariser
SPKR-INFO talk 1 <NA> <NA> <NA> unknown SPEAKER_00 <NA> <NA>
SPEAKER talk 1 4.500 3.250 <NA> <NA> SPEAKER_01 <NA> <NA>
SPEAKER talk 1 0.800 3.100 <NA> <NA> SPEAKER_00 <NA> <NA>

SPEAKER talk 1 7.000 0.000 <NA> <NA> SPEAKER_02 <NA> <NA>
"""
TURNS = (SpeakerTurn(0.8, 3.9, "SPEAKER_00"), SpeakerTurn(4.5, 7.75, "SPEAKER_01"))


def test_turns_in_order_whatever_the_file_is_called(tmp_path):
    path = tmp_path / "other.rttm"
    path.write_text(TALK)
    found = read_rttm(path, "talk")
    assert [(t.speaker, t.start_s) for t in found.turns] == [
        ("SPEAKER_00", 0.8),
        ("SPEAKER_01", 4.5),
    ]
    assert [t.end_s for t in found.turns] == pytest.approx([3.9, 7.75])
    assert found.name == "other.rttm"
    assert read_rttm(path, "quite another name").turns == found.turns


def test_a_recording_of_another_name_is_told(tmp_path):
    path = tmp_path / "given.rttm"
    path.write_text(TALK)
    assert read_rttm(path, "talk").other == ""
    assert read_rttm(path, "given").other == ""
    other = read_rttm(path, "quite another name")
    words = (Word("yes", 1.0, 1.5), Word("no", 5.0, 5.5))
    heard = Transcript((Segment(1.0, 5.5, "yes no", words),), "whisper")
    found, (warning,) = assign_speakers(heard, other)
    assert "given.rttm: it tells of the recording 'talk'" in warning
    assert [s.speaker for s in found.segments] == ["SPEAKER_00", "SPEAKER_01"]
    assert assign_speakers(heard, read_rttm(path, "talk"))[1] == ()
    for name in ("talk.wav", "corpus/talk.wav"):
        path.write_text(TALK.replace(" talk ", f" {name} "))
        assert read_rttm(path, "talk").other == ""


def test_of_several_recordings_the_one_of_that_name(tmp_path):
    path = tmp_path / "all.rttm"
    path.write_text(TALK + TALK.replace(" talk ", " b.wav ").replace("SPEAKER_0", "P"))
    assert read_rttm(path, "talk").turns[0].speaker == "SPEAKER_00"
    assert read_rttm(path, "b").turns[0].speaker == "P0"
    with pytest.raises(TranscriptError, match="2 recordings"):
        read_rttm(path, "c")


def test_nine_fields_do(tmp_path):
    path = tmp_path / "a.rttm"
    path.write_text("SPEAKER a 1 0.5 1.5 <NA> <NA> Ann <NA>\r\n")
    assert read_rttm(path, "a").turns == (SpeakerTurn(0.5, 2.0, "Ann"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no speaker turns"),
        ("1\n00:00:00,000 --> 00:00:01,000\nhello\n", "no speaker turns"),
        ("SPEAKER a 1 0.5", "line 1, has 4 fields"),
        ("\nSPEAKER a 1 soon 1 <NA> <NA> Ann <NA> <NA>", "line 2: 'soon' is no time"),
        ("SPEAKER a 1 -1 1 <NA> <NA> Ann <NA> <NA>", "is no time"),
        ("SPEAKER a 1 0 nan <NA> <NA> Ann <NA> <NA>", "is no time"),
        ("SPEAKER a 1 1e308 1e308 <NA> <NA> Ann <NA> <NA>", "no finite time"),
        ("SPEAKER\0a", "not a text file"),
    ],
)
def test_what_is_no_rttm_is_refused_in_one_sentence(tmp_path, text, said):
    path = tmp_path / "a.rttm"
    path.write_text(text)
    with pytest.raises(TranscriptError, match=said) as caught:
        read_rttm(path, "a")
    assert "a.rttm" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_beside_the_video_or_named(tmp_path):
    media = tmp_path / "talk.mp4"
    assert find_diarisation(media) is None
    (tmp_path / "named.rttm").write_text(TALK)
    assert find_diarisation(media, tmp_path / "named.rttm").name == "named.rttm"
    (tmp_path / "talk.rttm").write_text(TALK)
    assert find_diarisation(media).name == "talk.rttm"
    with pytest.raises(UsageError, match="no diarisation file"):
        find_diarisation(media, tmp_path / "none.rttm")
    os.mkfifo(tmp_path / "pipe.rttm")
    with pytest.raises(UsageError, match="give the diarisation as a file"):
        find_diarisation(media, tmp_path / "pipe.rttm")


times = st.floats(0.0, 1000.0).map(lambda value: round(value, 3))


@given(st.lists(st.tuples(times, times.filter(bool), st.sampled_from("ABC")), min_size=1))
def test_what_is_written_is_read(tmp_path_factory, turns):
    path = tmp_path_factory.mktemp("rttm") / "x.rttm"
    lines = [f"SPEAKER x 1 {s:.3f} {d:.3f} <NA> <NA> {who} <NA> <NA>" for s, d, who in turns]
    path.write_text("\n".join(lines))
    found = read_rttm(path, "x").turns
    assert sorted((t.start_s, t.end_s, t.speaker) for t in found) == sorted(
        (s, s + d, who) for s, d, who in turns
    )
    assert list(found) == sorted(found, key=lambda t: t.start_s)
