"""Transcripts on tiers of ELAN and Praat files, made by pympi and by Praat itself."""

from __future__ import annotations

import warnings

import pytest

from affect_pipe.extractors.speech.beside import find_transcript
from affect_pipe.extractors.speech.transcript import read_transcript
from affect_pipe.pipeline.errors import TranscriptError

pympi = pytest.importorskip("pympi")
parselmouth = pytest.importorskip("parselmouth")


@pytest.fixture
def eaf(tmp_path):
    """Save tiers as an ELAN file: name, participant, (start, end, value)..."""

    def make(*tiers, name="talk.eaf"):
        found = pympi.Elan.Eaf(author="somebody")
        found.remove_tier("default")
        for tier, participant, *spans in tiers:
            found.add_tier(tier, part=participant)
            for start, end, value in spans:
                found.add_annotation(tier, start, end, value)
        path = tmp_path / name
        found.to_file(str(path))
        return path

    return make


@pytest.fixture
def grid(tmp_path):
    """Save tiers as Praat does: name, (start, end, value)..."""

    def make(*tiers, name="talk.TextGrid", until=5.0):
        call = parselmouth.praat.call
        found = call(
            "Create TextGrid", 0, until, " ".join(t[0].replace(" ", "_") for t in tiers), ""
        )
        for number, (tier, *intervals) in enumerate(tiers, start=1):
            call(found, "Set tier name", number, tier)
            edges = {edge for start, end, _ in intervals for edge in (start, end)}
            for edge in sorted(edges - {0.0, until}):
                call(found, "Insert boundary", number, edge)
            for start, end, value in intervals:
                place = call(found, "Get interval at time", number, (start + end) / 2)
                call(found, "Set interval text", number, place, value)
        path = tmp_path / name
        call(found, "Save as text file", str(path))
        return path

    return make


def said(path, **options):
    found = read_transcript(path, **options)
    return [(s.start_s, s.end_s, s.text, s.speaker) for s in found.segments]


def test_tiers_called_text_are_what_was_said_by_whom(eaf):
    path = eaf(
        ("text@A", "Ann", (0, 1500, "Hello there. [laughs]"), (4000, 4500, "Bye.")),
        ("text@B", "Bo", (1600, 3000, "Hi!")),
        ("gesture", None, (0, 1000, "waves")),
    )
    assert said(path, duration_s=5.0) == [
        (0.0, 1.5, "Hello there.", "Ann"),
        (1.6, 3.0, "Hi!", "Bo"),
        (4.0, 4.5, "Bye.", "Ann"),
    ]


def test_one_tier_for_each_participant_needs_no_name(eaf):
    path = eaf(("K-Spch", "K", (0, 1000, "So")), ("W-Spch", "W", (1000, 2000, "what")))
    assert [row[2:] for row in said(path)] == [("So", "K"), ("what", "W")]


def test_which_tier_holds_the_words_must_be_clear(eaf):
    path = eaf(("a", None, (0, 1000, "So")), ("b", None, (1000, 2000, "what")))
    with pytest.raises(TranscriptError, match=r"'a', 'b'\): call that one 'text'"):
        read_transcript(path)
    with pytest.raises(TranscriptError, match="no tier with words"):
        read_transcript(eaf(("numbers", None, (0, 1000, "12"))))


def test_words_of_a_forced_aligner_keep_their_times(grid):
    path = grid(
        ("Ann - words", (0.5, 0.75, "hello"), (0.75, 1.25, "there"), (3.0, 3.5, "bye")),
        ("Ann - phones", (0.5, 0.6, "HH"), (0.6, 0.75, "AH0")),
    )
    found = read_transcript(path, duration_s=5.0)
    assert found.source == "textgrid"
    assert found.word_times == "measured"
    assert [(w.text, w.start_s, w.end_s) for w in found.words] == [
        ("hello", 0.5, 0.75),
        ("there", 0.75, 1.25),
        ("bye", 3.0, 3.5),
    ]
    assert [s.speaker for s in found.segments] == ["Ann", "Ann"]


def test_a_single_tier_of_a_named_file_is_enough(grid):
    assert said(grid(("Ebene 1", (1.0, 2.0, "Schön war das.")))) == [
        (1.0, 2.0, "Schön war das.", None)
    ]


def test_beside_a_video_only_what_is_known_to_be_words_is_taken(eaf, grid, tmp_path):
    video = tmp_path / "talk.mp4"
    video.write_bytes(b"")
    path = eaf(("gesture", None, (0, 1000, "waves left")))
    assert find_transcript(video) is None
    path.unlink()
    (tmp_path / "talk.TextGrid").write_text("no grid")
    with pytest.raises(TranscriptError, match="no TextGrid"):
        find_transcript(video)
    path = grid(("words", (0.0, 1.0, "hello")))
    assert find_transcript(video) == path
    assert find_transcript(video) != eaf(("text", None, (0, 1000, "hello")), name="other.eaf")
    path = eaf(("Text", None, (0, 1000, "hello")))
    assert find_transcript(video) == path


def test_our_own_export_is_read_back(tmp_path, eaf):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = eaf(("text", None, (0, 1000, "hello")), ("sentiment", None, (0, 1000, "positive")))
        assert [row[2] for row in said(path)] == ["hello"]


def test_xml_that_attacks_is_refused_and_not_taken_for_a_transcript(tmp_path):
    path = tmp_path / "talk.eaf"
    path.write_text(
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><ANNOTATION_DOCUMENT>'
        "&b;</ANNOTATION_DOCUMENT>"
    )
    with pytest.raises(TranscriptError, match="refused"):
        read_transcript(path)
    (tmp_path / "talk.mp4").write_bytes(b"")
    with pytest.raises(TranscriptError, match="refused"):
        find_transcript(tmp_path / "talk.mp4")
