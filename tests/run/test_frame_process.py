"""Passes over frames in a process of their own: same results, and nothing lost with the process."""

import multiprocessing
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from affect_pipe.extractors.visual.follow import FaceTracks
from affect_pipe.pipeline.errors import MediaError, StageError
from affect_pipe.pipeline.frame_pass import Stopped, in_this_thread
from affect_pipe.pipeline.frame_process import FrameProcess
from affect_pipe.pipeline.media import MediaLimits, probe

LIMITS = MediaLimits()


class Listening:
    """A watch that remembers, and stops or kills at the first progress when told to."""

    def __init__(self, *, stop=False, kill=False):
        self.fractions, self.warnings = [], []
        self._stop, self._kill = stop, kill

    def progress(self, fraction):
        self.fractions.append(fraction)
        if self._kill:
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGKILL)

    def warn(self, message):
        self.warnings.append(message)

    def stopped(self):
        return self._stop


@pytest.fixture
def frames():
    process = FrameProcess()
    yield process
    process.close()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("threads", ["1", "4"])
def test_the_same_numbers_as_in_this_thread(frames, clip, monkeypatch, threads):
    # The child reads it when it starts; this process has its own number of threads already.
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    media = probe(clip)
    watch = Listening()
    apart = frames(FaceTracks(5.0), media, LIMITS, watch)
    here = in_this_thread(FaceTracks(5.0), media, LIMITS, Listening())
    assert apart.keys() == here.keys()
    for name, expected in here.items():
        assert apart[name].dtype == expected.dtype, name
        np.testing.assert_array_equal(apart[name], expected, err_msg=name)
    assert len(here["time_s"]) > 20
    assert watch.fractions == sorted(watch.fractions)
    assert watch.fractions[-1] > 0.9


def test_what_could_not_be_decoded_is_told(frames, clip, tmp_path, ffmpeg):
    whole = tmp_path / "whole.mkv"
    ffmpeg("-i", clip, "-c", "copy", whole)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    apart, here = Listening(), Listening()
    frames(FaceTracks(2.0), probe(cut), LIMITS, apart)
    in_this_thread(FaceTracks(2.0), probe(cut), LIMITS, here)
    assert apart.warnings == here.warnings
    assert apart.warnings


def test_an_error_is_the_same_error_and_the_process_lives_on(frames, clip, tmp_path):
    media = probe(clip)
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(b"no video" * 99)
    with pytest.raises(MediaError, match=r"junk\.mp4") as caught:
        frames(FaceTracks(2.0), replace(media, path=junk), LIMITS, Listening())
    assert "iter_frames" in "".join(caught.value.__notes__)  # the child's own traceback
    (child,) = multiprocessing.active_children()
    assert frames(FaceTracks(2.0), media, LIMITS, Listening())
    assert multiprocessing.active_children() == [child]


def test_a_killed_process_is_one_sentence_and_the_next_pass_has_a_new_one(frames, clip):
    media = probe(clip)
    with pytest.raises(StageError, match=rf"{clip.name}.*face-tracks died \(exit code -9\)"):
        frames(FaceTracks(10.0), media, LIMITS, Listening(kill=True))
    assert len(frames(FaceTracks(2.0), media, LIMITS, Listening())["time_s"])


def test_nobody_waits_for_an_unwanted_pass(frames, clip):
    with pytest.raises(Stopped):
        frames(FaceTracks(10.0), probe(clip), LIMITS, Listening(stop=True))
    assert not multiprocessing.active_children()


def test_a_script_without_a_main_guard(clip, untrained, tmp_path):
    script = tmp_path / "study.py"
    script.write_text(
        "from affect_pipe.api import RunSettings, analyze\n"
        f"result = analyze({str(clip)!r}, RunSettings(model={str(untrained)!r}))\n"
        "print('faces', int(result.features.blocks['visual'].present.sum()))\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.stdout == "faces 2\n", done.stderr
    assert done.stderr == ""
