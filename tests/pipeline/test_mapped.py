"""Memory of mapped sound: given back, and what works on long sound asks for little more."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from affect_pipe.extractors.acoustic import level
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.extractors.visual.tracks import link_tracks
from affect_pipe.pipeline.mapped import let_go, letting_go
from affect_pipe.pipeline.records import Audio, FloatArray, Interval

RATE_HZ = 16000
N_SAMPLES = 900 * RATE_HZ
MIB = 1 << 20
SIZE_MIB = 4 * N_SAMPLES / MIB


@pytest.fixture
def mapped(tmp_path: Path) -> FloatArray:
    """A quarter of an hour of noise, mapped as `read_audio` maps it."""
    path = tmp_path / "sound"
    np.random.default_rng(0).normal(0, 0.1, N_SAMPLES).astype(np.float32).tofile(path)
    return np.memmap(path, dtype=np.float32, mode="r")


@pytest.fixture
def mib() -> Callable[[], float]:
    if sys.platform != "linux":
        pytest.skip("only Linux tells mapped memory apart")
    process = psutil.Process()
    return lambda: process.memory_info().shared / MIB


def test_what_was_read_is_given_back_and_can_be_read_on(mapped, mib):
    before, view = mib(), mapped[RATE_HZ:]
    total = float(view.sum(dtype=np.float64))
    assert mib() - before > 0.9 * SIZE_MIB
    let_go(view)
    assert mib() - before < 0.1 * SIZE_MIB
    assert float(view.sum(dtype=np.float64)) == total


def test_what_is_not_a_map_of_a_file_is_left_alone(tmp_path):
    array = np.arange(4000.0)
    let_go(array)
    assert array.sum() == 3999 * 2000
    array.tofile(tmp_path / "a")
    # Its changes are nowhere but in memory.
    private = np.memmap(tmp_path / "a", dtype=np.float64, mode="c")
    private[:] = 1
    let_go(private)
    assert private.sum() == 4000
    assert list(letting_go(array, "ab")) == ["a", "b"]


def test_sound_that_is_swept_does_not_stay(mapped, mib):
    audio = Audio(mapped, RATE_HZ)
    spans = [Interval(float(s), s + 20.0) for s in range(0, 880, 40)]
    SileroVAD().detect(Audio(mapped[: 16 * RATE_HZ], RATE_HZ))  # loads its libraries
    before = mib()
    SileroVAD().detect(audio)
    assert mib() - before < 0.2 * SIZE_MIB
    level.active_speech_level_db(audio, spans)
    level.noise_power(audio, spans)
    assert mib() - before < 0.2 * SIZE_MIB


def peak_mib(work: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


def test_the_power_of_a_long_silence_needs_no_copy_of_it(mapped):
    expected = float(np.mean(np.square(mapped, dtype=np.float64)))
    assert level.mean_power(mapped) == pytest.approx(expected, rel=1e-12)
    assert peak_mib(lambda: level.mean_power(mapped)) < 1


def test_the_faces_of_a_long_video_are_linked_without_a_copy_of_their_looks():
    times = np.repeat(np.arange(1500) / 10, 2)
    boxes = np.tile(np.array([[0, 0, 1, 1], [5, 5, 6, 6]], np.float32), (1500, 1))
    looks = np.tile(np.array([[50], [200]], np.uint8), (1500, 192))
    np.testing.assert_array_equal(link_tracks(times, boxes, looks), [0, 1] * 1500)
    assert peak_mib(lambda: link_tracks(times, boxes, looks)) < looks.size * 8 / MIB


@pytest.mark.parametrize("n", [0, 1, 2, 7, 100])
def test_dim_looks_are_lit_by_their_median(n):
    from affect_pipe.extractors.visual.tracks import _median_share

    looks = np.random.default_rng(n).integers(0, 256, (n, 3), dtype=np.uint8)
    expected = float(np.median(looks / 255)) if n else 0.0
    assert _median_share(looks) == expected
