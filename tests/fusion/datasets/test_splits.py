"""Splits: nobody in two of them, labels spread, the order of the items without effect."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affect_pipe.fusion.datasets.splits import SplitItem, assign_splits, components
from affect_pipe.pipeline.errors import UsageError


def items_of(spoken):
    return [SplitItem(f"v{i}", frozenset(names)) for i, names in enumerate(spoken)]


def reachable(items):
    """Videos connected by speakers, by walking from each one; nothing of the tested code."""
    left, groups = {i.video: i for i in items}, []
    while left:
        found, waiting = set(), [next(iter(left.values()))]
        while waiting:
            item = waiting.pop()
            if item.video in left:
                found.add(item.video)
                del left[item.video]
                waiting += [o for o in list(left.values()) if o.speakers & item.speakers]
        groups.append(frozenset(found))
    return set(groups)


SPOKEN = st.lists(st.sets(st.sampled_from("abcdefghijkl"), max_size=3), min_size=1, max_size=25)


@given(SPOKEN)
@settings(deadline=None, max_examples=100, derandomize=True)
def test_components_are_the_connected_ones(spoken):
    items = items_of(spoken)
    groups = components(items)
    assert {frozenset(i.video for i in group) for group in groups} == reachable(items)


@given(
    SPOKEN.map(lambda s: [names or {f"only{i}"} for i, names in enumerate(s)]), st.integers(0, 5)
)
@settings(deadline=None, max_examples=100, derandomize=True)
def test_no_video_and_no_speaker_is_in_two_splits(spoken, seed):
    items = items_of(spoken)
    if len(reachable(items)) < 3:
        with pytest.raises(UsageError, match="too few for the splits"):
            assign_splits(items, seed)
        return
    assigned = assign_splits(items, seed)
    assert set(assigned.by_video) == {i.video for i in items}
    assert set(assigned.by_video.values()) == {"train", "dev", "test"}
    assert assigned.by == "speaker"
    for speaker in {name for item in items for name in item.speakers}:
        assert len({assigned.by_video[i.video] for i in items if speaker in i.speakers}) == 1
    again = assign_splits(items[::-1], seed)
    assert again.by_video == assigned.by_video


def test_labels_are_spread_as_the_shares_say():
    rng = np.random.default_rng(1)
    items = [
        # One video in ten is of the rare label: chance alone would leave a split without.
        SplitItem(f"v{i:03}", labels={"rare" if i % 10 == 0 else "usual": 10.0}, weight=10.0)
        for i in rng.permutation(200)
    ]
    assigned = assign_splits(items, seed=3)
    assert assigned.by == "video"
    for label in ("rare", "usual"):
        of_label = [i for i in items if label in i.labels]
        for split, share in (("train", 0.7), ("dev", 0.15), ("test", 0.15)):
            got = sum(assigned.by_video[i.video] == split for i in of_label) / len(of_label)
            assert got == pytest.approx(share, abs=0.03), (label, split)
    assert not assigned.warnings
    assert assigned.by_video != assign_splits(items, seed=4).by_video


def test_given_splits_are_kept_and_judged():
    items = [
        SplitItem("a", frozenset({"x"}), given="train"),
        SplitItem("b", frozenset({"x"}), given="test"),
    ]
    assigned = assign_splits(items, seed=0)
    assert assigned.by_video == {"a": "train", "b": "test"}
    assert "1 speakers are in two splits (x)" in assigned.warnings[0]
    with pytest.raises(UsageError, match="'c' among them"):
        assign_splits([*items, SplitItem("c")], seed=0)
    with pytest.raises(UsageError, match="give some train"):
        assign_splits(items[1:], seed=0)


def test_a_cast_that_is_in_every_scene_cannot_be_parted():
    items = [SplitItem(f"scene{i}", frozenset({"Ross", f"guest{i}"})) for i in range(20)]
    with pytest.raises(UsageError, match="split by video, which lets a speaker be in two"):
        assign_splits(items, seed=0)
    assigned = assign_splits(items, seed=0, by="video")
    assert any("speakers are in two splits (Ross)" in w for w in assigned.warnings)
    with pytest.raises(UsageError, match="'w' names none"):
        assign_splits([*items, SplitItem("w")], seed=0, by="speaker")
    assert assign_splits([*items, SplitItem("w")], seed=0).by == "video"


def test_what_comes_out_uneven_is_told():
    items = [SplitItem("big", weight=1000.0), *(SplitItem(f"s{i}", weight=1.0) for i in range(5))]
    warnings = assign_splits(items, seed=0).warnings
    assert any(w.startswith("dev has 0% of the utterances where 15%") for w in warnings)
