"""What a plan says of words and speakers that cannot be read, before any work is done."""

import os
import shutil
import threading

import pytest

from affect_pipe.api import BatchOptions, RunSettings, batch
from affect_pipe.batch import Batch

CUE = "1\n00:00:00,500 --> 00:00:02,500\nI took my old bicycle to the shop.\n"
GESTURES = (
    '<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds"/><TIME_ORDER/>'
    '<TIER TIER_ID="gesture"/></ANNOTATION_DOCUMENT>'
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory, sample, ffmpeg):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    ffmpeg("-t", 3, "-i", sample, "-vf", "scale=160:160,fps=5", path)
    return path


@pytest.fixture
def settings(tmp_path):
    return RunSettings(cache_dir=str(tmp_path / "cache"))


def planned(given, settings, out):
    asked = Batch([given], out, settings, options=BatchOptions(workers=1))
    plan = asked.plan(asked.items(), asked.history(), threading.Event())
    told = {item.target: failure for item, failure in plan.unreadable}
    return {task.item.target for task in plan.due}, told


def test_words_and_speakers_that_are_not_there_are_told_by_the_plan(clip, settings, tmp_path):
    folder = tmp_path / "v"
    folder.mkdir()
    for name in ("good", "words", "pipe", "speakers"):
        shutil.copy(clip, folder / f"{name}.mp4")
    (folder / "good.srt").write_text(CUE)
    os.mkfifo(folder / "pipe.vtt")
    (folder / "list.csv").write_text(
        "video,transcript,diarisation\ngood.mp4,,\nwords.mp4,none.srt,\npipe.mp4,pipe.vtt,\n"
        "speakers.mp4,good.srt,none.rttm\n"
    )
    due, told = planned(folder / "list.csv", settings, tmp_path / "out")
    assert due == {"good"}
    assert {why.kind for why in told.values()} == {"refused"}
    assert "no transcript file" in told["words"].reason
    assert "none.srt" in told["words"].reason
    assert "a pipe or a device" in told["pipe"].reason
    assert "no diarisation file" in told["speakers"].reason
    assert "none.rttm" in told["speakers"].reason


def test_broken_words_beside_a_video_are_told_by_the_plan(clip, settings, tmp_path):
    folder = tmp_path / "v"
    folder.mkdir()
    broken = {
        "a.eaf": "<ANNOTATION_DOCUMENT><TIER",
        "b.TextGrid": 'File type = "ooTextFile"',
        "c.json": '{"segments": [',
    }
    for name in ("a", "b", "c", "d", "e", "f", "g"):
        shutil.copy(clip, folder / f"{name}.mp4")
    for name, text in broken.items():
        (folder / name).write_text(text)
    os.mkfifo(folder / "d.srt")
    os.mkfifo(folder / "e.rttm")
    (folder / "f.txt").symlink_to("/dev/zero")
    (folder / "g.srt").mkdir()
    due, told = planned(folder, settings, tmp_path / "out")
    assert due == set()
    for name in (*broken, "d.srt", "e.rttm", "f.txt", "g.srt"):
        assert name in told[name[0]].reason
    # Another source of words does not ask for them; who speaks is still asked for.
    heard = settings.model_copy(update={"asr": "pocketsphinx"})
    due, told = planned(folder, heard, tmp_path / "out")
    assert set(told) == {"e"}


def test_words_that_vanish_after_a_run_are_told_as_words(clip, settings, tmp_path):
    folder = tmp_path / "v"
    folder.mkdir()
    shutil.copy(clip, folder / "a.mp4")
    (folder / "a.eaf").write_text(GESTURES)
    (folder / "words.txt").write_text("I took my old bicycle to the shop.")
    (folder / "a.txt").symlink_to("words.txt")
    summary = batch(folder, tmp_path / "out", settings, options=BatchOptions(workers=1))
    assert [item.target for item in summary.done] == ["a"]
    published = (tmp_path / "out" / "a.affect.json").read_text()
    assert published.count("a.eaf has no tier of words") == 1
    (folder / "l.csv").write_text("video,transcript\na.mp4,gone.srt\n")
    _, told = planned(folder / "l.csv", settings, tmp_path / "out")
    assert "no transcript file" in told["a"].reason
    assert "media file" not in told["a"].reason
