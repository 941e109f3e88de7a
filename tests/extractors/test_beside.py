"""Transcripts beside media files: which is taken, and how often a folder is looked through."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from affect_pipe.extractors.speech.beside import TranscriptsBeside, find_transcript
from affect_pipe.extractors.speech.rttm import find_diarisation
from affect_pipe.pipeline.errors import TranscriptError


def write(path: Path, text: str = "1\n00:00:01,000 --> 00:00:03,000\nHello.\n") -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def settle(folder: Path) -> None:
    """Let a folder's last change be long ago, at another time than any before."""
    past_s = time.time() - 3600 + folder.stat().st_mtime % 60
    os.utime(folder, (past_s, past_s))


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders that were listed, in order."""
    found = []
    listdir = os.listdir

    def counted(folder: Path) -> list[str]:
        found.append(folder)
        return listdir(folder)

    monkeypatch.setattr(os, "listdir", counted)
    return found


def test_the_best_is_taken(tmp_path: Path) -> None:
    media = tmp_path / "my talk [1].mp4"
    beside = TranscriptsBeside()
    assert find_transcript(media) is None
    assert find_transcript(tmp_path / "nowhere" / "a.mp4") is None
    write(tmp_path / "my talk [1].affect.json", '{"segments": []}')
    write(tmp_path / "other.srt")
    write(tmp_path / ".srt")
    write(tmp_path / "my talk [1].info.json", '{"id": 3}')
    write(tmp_path / "my talk [1].json", '{"schema": "affect-pipe/1", "segments": []}')
    assert find_transcript(media) is None
    best_last = [
        ("my talk [1].txt", "words"),
        ("my talk [1].JSON", '{"segments": []}'),
        ("my talk [1].en.vtt", "WEBVTT"),
        ("my talk [1].pt-BR.SRT", ""),
        ("my talk [1].de.srt", ""),
        ("my talk [1].en.srt", ""),
        ("my talk [1].srt", ""),
    ]
    for name, text in best_last:
        assert find_transcript(media) != tmp_path / name
        path = write(tmp_path / name, text)
        assert find_transcript(media) == path
        # The same where the folder was looked through a moment ago.
        assert beside.find(media) == path


EAF = (
    '<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds"/><TIME_ORDER>'
    '<TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="900"/>'
    '</TIME_ORDER><TIER TIER_ID="text"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="x" '
    'TIME_SLOT_REF1="a" TIME_SLOT_REF2="b"><ANNOTATION_VALUE>hello</ANNOTATION_VALUE>'
    "</ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>"
)
GRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2\n<exists>\n1\n"IntervalTier"\n'
    '"text"\n0\n2\n1\n0\n2\n"hello"\n'
)
WHISPER = json.dumps({"segments": [{"start": 0, "end": 1, "text": "hello"}]})
RTTM = "SPEAKER talk 1 0.0 1.0 <NA> <NA> ann <NA> <NA>\n"


@pytest.mark.parametrize(
    ("name", "sound", "broken"),
    [
        ("talk.eaf", EAF, EAF[:300]),
        ("talk.eaf", EAF, "<!DOCTYPE x>" + EAF),
        ("talk.TextGrid", GRID, GRID[:60]),
        ("talk.TextGrid", GRID, "no grid"),
        ("talk.en.json", WHISPER, WHISPER[:30]),
        ("talk.json", WHISPER, ""),
        ("talk.json", WHISPER, "[" * 100_000),
    ],
)
def test_broken_words_are_not_replaced_by_what_is_heard(tmp_path, name, sound, broken):
    media = tmp_path / "talk.mp4"
    path = write(tmp_path / name, sound)
    assert find_transcript(media) == path
    write(path, broken)
    write(tmp_path / "talk.txt", "hello")
    with pytest.raises(TranscriptError, match=r"or choose other words with --asr") as caught:
        find_transcript(media)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".srt", ".json", ".eaf", ".txt", ".rttm"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, suffix, make):
    make(tmp_path / f"talk{suffix}")
    find = find_diarisation if suffix == ".rttm" else find_transcript
    with pytest.raises(TranscriptError, match=f"talk{suffix} has the name of .* but is a "):
        find(tmp_path / "talk.mp4")


def test_an_annotation_without_words_is_passed_over_and_told(tmp_path):
    write(tmp_path / "talk.eaf", EAF.replace('"text"', '"gesture"'))
    write(tmp_path / "talk.TextGrid", GRID.replace('"text"', '"gesture"'))
    write(tmp_path / "talk.json", '{"keypoints": []}')
    told: list[str] = []
    assert TranscriptsBeside(told.append).find(tmp_path / "talk.mp4") is None
    assert [line.split()[0] for line in told] == ["talk.eaf", "talk.TextGrid"]


@pytest.mark.parametrize(("name", "text"), [("talk.txt", "canary"), ("talk.rttm", RTTM)])
def test_a_link_brings_in_nothing_from_elsewhere(tmp_path, name, text):
    find = find_diarisation if name.endswith(".rttm") else find_transcript
    given, secret, clips = tmp_path / "given", tmp_path / "secret", tmp_path / "clips"
    for folder in (given, secret, clips, given / "words"):
        folder.mkdir()
    media = write(given / "talk.mp4", "")
    link = given / name
    link.symlink_to(write(secret / "canary.txt", text))
    with pytest.raises(TranscriptError, match="link to another folder") as caught:
        find(media)
    assert "canary" not in str(caught.value)
    # A folder on the way does not hide it, nor does a chain of links.
    link.unlink()
    (given / "inner").symlink_to(secret)
    (given / "hop.txt").symlink_to("inner/canary.txt")
    link.symlink_to("hop.txt")
    with pytest.raises(TranscriptError, match="link to another folder"):
        find(media)
    # Within its own folder it may lead anywhere; to nothing, it is broken.
    link.unlink()
    link.symlink_to("words/one.txt")
    with pytest.raises(TranscriptError, match="cannot be read"):
        find(media)
    write(given / "words" / "one.txt", text)
    assert find(media) is not None
    # A folder of links, whose videos and words lie together elsewhere.
    link.unlink()
    media.unlink()
    link.symlink_to(write(clips / "words.txt", text))
    media.symlink_to(write(clips / "one.mp4", ""))
    assert find(media) is not None
    media.unlink()
    media.symlink_to(write(secret / "one.mp4", ""))
    with pytest.raises(TranscriptError, match="link to another folder"):
        find(media)


def test_what_is_named_may_lie_anywhere(tmp_path):
    (tmp_path / "far").mkdir()
    link = tmp_path / "talk.rttm"
    link.symlink_to(write(tmp_path.parent / f"{tmp_path.name}.rttm", RTTM))
    found = find_diarisation(tmp_path / "far" / "talk.mp4", link)
    assert found is not None
    assert found.turns[0].speaker == "ann"


def test_a_media_file_is_not_its_own_transcript(tmp_path: Path) -> None:
    assert find_transcript(write(tmp_path / "a.txt")) is None


def test_a_folder_is_listed_once_for_all_its_media(tmp_path: Path, listed: list[Path]) -> None:
    expected = {f"v{i}.mp4": write(tmp_path / f"v{i}.srt") for i in range(0, 30, 2)}
    settle(tmp_path)
    beside = TranscriptsBeside()
    for i in range(30):
        assert beside.find(tmp_path / f"v{i}.mp4") == expected.get(f"v{i}.mp4")
    assert listed == [tmp_path]


def test_a_folder_that_has_changed_is_listed_again(tmp_path: Path, listed: list[Path]) -> None:
    (tmp_path / "other").mkdir()
    settle(tmp_path)
    beside, media = TranscriptsBeside(), tmp_path / "a.mp4"
    assert beside.find(media) is None
    path = write(tmp_path / "a.srt")
    assert beside.find(media) == path
    settle(tmp_path)
    assert beside.find(media) == path
    path.unlink()
    settle(tmp_path)
    assert beside.find(media) is None
    assert beside.find(tmp_path / "other" / "a.mp4") is None
    assert len(listed) == 5
