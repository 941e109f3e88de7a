"""Transcripts beside media files: which is taken, and how often a folder is looked through."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from affect_pipe.extractors.speech.beside import TranscriptsBeside, find_transcript


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
    (tmp_path / "my talk [1].vtt").mkdir()
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
