"""Stages: computed once, kept, timed, and honest about what went wrong."""

from dataclasses import replace

import numpy as np
import pytest

from affect_pipe.pipeline.cache import Cache
from affect_pipe.pipeline.errors import CacheError, MediaError
from affect_pipe.pipeline.records import Media
from affect_pipe.pipeline.stages import Stages

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(params=["local", "memory"])
def cache(request, tmp_path):
    """A cache in a folder, and one over fsspec."""
    return Cache(tmp_path / "c" if request.param == "local" else f"memory://{tmp_path}/cache")


@pytest.fixture
def media(tmp_path):
    return Media(tmp_path / "talk.mp4", "ab" * 16, "mp4", 1.0, None, None)


class Counter:
    """A stage that counts how often it is computed."""

    def __init__(self, stages=None, warning=None):
        self.calls, self.stages, self.warning = 0, stages, warning

    def __call__(self):
        self.calls += 1
        if self.warning:
            self.stages.warn(self.warning)
        return np.arange(3, dtype=np.float32)


def run(stages, compute, key=KEY):
    return stages.cached(
        "faces", key, compute, lambda a: ({"a": a}, {}), lambda entry: entry.arrays["a"]
    )


def test_a_stage_is_computed_once(media, cache):
    events, compute = [], Counter()
    first = run(Stages(media, cache, events.append), compute)
    second = run(Stages(media, cache, events.append), compute)
    assert compute.calls == 1
    np.testing.assert_array_equal(first, second)
    assert [e.state for e in events] == ["started", "computed", "cached"]


def test_warnings_of_a_stage_come_back_with_its_cached_result(media, tmp_path):
    cache = Cache(tmp_path / "cache")
    first = Stages(media, cache, lambda e: None)
    run(first, Counter(first, "two frames are damaged"))
    second = Stages(media, cache, lambda e: None)
    run(second, Counter())
    assert second.warnings == first.warnings == ("two frames are damaged",)


def test_a_warning_is_kept_without_the_name_of_the_file(media, tmp_path):
    cache = Cache(tmp_path / "cache")
    first = Stages(media, cache, lambda e: None)
    run(first, Counter(first, "talk.mp4: two frames are damaged"))
    copy = replace(media, path=tmp_path / "copy of talk.mp4")
    second = Stages(copy, cache, lambda e: None)
    run(second, Counter())
    assert second.warnings == first.warnings == ("two frames are damaged",)


def test_a_warning_belongs_to_every_stage_that_was_waiting_for_it(media, tmp_path):
    cache = Cache(tmp_path / "cache")
    stages = Stages(media, cache, lambda e: None)
    inner = Counter(stages, "the audio is cut short")
    run(stages, lambda: run(stages, inner, KEY[::-1]))
    again = Stages(media, cache, lambda e: None)
    run(again, Counter())
    assert again.warnings == ("the audio is cut short",)


def test_a_failed_stage_is_told_and_keeps_nothing(media, tmp_path):
    cache, events = Cache(tmp_path / "cache"), []

    def fail():
        raise MediaError("the video is cut short")

    with pytest.raises(MediaError):
        run(Stages(media, cache, events.append), fail)
    assert [e.state for e in events] == ["started", "failed"]
    assert cache.entries() == []


def test_a_full_disk_costs_a_warning_not_the_result(media, tmp_path, monkeypatch):
    cache = Cache(tmp_path / "cache")

    def full(*_args, **_kwargs):
        raise CacheError("the disk is full")

    monkeypatch.setattr(cache, "put", full)
    stages = Stages(media, cache, lambda e: None)
    assert run(stages, Counter()).tolist() == [0, 1, 2]
    assert stages.warnings == ("the disk is full",)


def test_a_damaged_entry_is_computed_again(media, tmp_path):
    problems, compute = [], Counter()
    cache = Cache(tmp_path / "cache", on_problem=problems.append)
    run(Stages(media, cache, lambda e: None), compute)
    (entry,) = list((tmp_path / "cache").rglob("*.safetensors"))
    entry.write_bytes(b"garbage" * 20)
    run(Stages(media, cache, lambda e: None), compute)
    assert compute.calls == 2
    assert len(problems) == 1
