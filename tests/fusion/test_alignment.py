"""Windows, fills and concatenations worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from affect_pipe.fusion.alignment import (
    TimedFeature,
    early_fusion,
    forward_fill,
    step_means,
    window_means,
)


def points(times, values):
    return TimedFeature(np.float32(values).reshape(len(times), -1), np.array(times, float))


def words(spans, values):
    starts, ends = np.array(spans, float).T
    return TimedFeature(np.float32(values)[:, None], starts, ends)


def test_points_in_steps():
    feature = points([0.0, 0.1, 0.25, 0.8, 0.99], [1, 3, 5, 7, 9])
    values, present = step_means(feature, 0.0, 1.0)
    assert values[:, 0].tolist() == [2, 5, 0, 8]
    assert present.tolist() == [True, True, False, True]


def test_words_count_in_every_step_they_overlap():
    feature = words([(0.1, 0.6), (0.6, 0.75), (0.5, 0.5)], [2, 4, 9])
    values, present = step_means(feature, 0.0, 1.0)
    # The first word reaches over three steps, the second and the point at 0.5 lie in the third.
    assert values[:, 0].tolist() == [2, 2, 5, 0]
    assert present.tolist() == [True, True, True, False]


def test_an_edge_belongs_to_the_later_window():
    values, present = step_means(words([(0.0, 0.25)], [1]), 0.0, 0.5)
    assert present.tolist() == [True, False]
    values, _ = step_means(points([0.25], [1]), 0.0, 0.5)
    assert values[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize("step", [0.1, 0.2, 0.3, 1 / 3])
def test_times_that_floats_cannot_hold(step):
    """0.1 * 3 is more than 0.3 in floats; the row at 0.3 s lies in the fourth window anyway."""
    n = 30
    times = [round(i * step, 6) for i in range(n)]
    values, present = step_means(points(times, range(n)), 0.0, n * round(step, 6), round(step, 6))
    assert present.all()
    assert values[:, 0].tolist() == list(range(n))


def test_how_many_steps_there_are():
    feature = points([0.0], [1])
    for end_s, n in ((0.0, 0), (0.1, 1), (0.25, 1), (0.26, 2), (60, 240)):
        assert len(step_means(feature, 0.0, end_s)[0]) == n
    values, present = step_means(points([-1, 2.1, 9], [1, 2, 3]), 2.0, 2.5)
    assert (values[:, 0].tolist(), present.tolist()) == ([2, 0], [True, False])
    for arguments in ((1.0, 0.0), (0.0, 1.0, 0.0)):
        with pytest.raises(ValueError, match="not possible"):
            step_means(feature, *arguments)


def test_rows_that_are_no_numbers_do_not_count():
    feature = points([0.0, 0.1, 0.3], [[1, 2], [-np.inf, 4], [np.nan, 1]])
    values, present = step_means(feature, 0.0, 0.5)
    assert values.tolist() == [[1, 2], [0, 0]]
    assert present.tolist() == [True, False]


def test_utterances_are_means_of_what_lies_in_them():
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, 10, 200))
    values = rng.normal(size=(200, 3)).astype(np.float32)
    starts, ends = np.array([0.5, 3.0, 2.0, 9.9, 20.0]), np.array([2.5, 3.0, 8.0, 10.0, 21.0])
    found, present = window_means(TimedFeature(values, times), starts, ends)
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        inside = [v for t, v in zip(times, values, strict=True) if start <= t < end]
        assert present[row] == bool(inside)
        expected = np.mean(inside, axis=0) if inside else np.zeros(3)
        np.testing.assert_allclose(found[row], expected, atol=1e-6)


def test_any_intervals_against_a_plain_loop():
    rng = np.random.default_rng(1)
    starts = rng.integers(0, 100, 80) / 10  # in no order, nested, of any length
    ends = starts + rng.integers(0, 40, 80) / 10
    values = rng.normal(size=(80, 2)).astype(np.float32)
    lows = rng.integers(0, 100, 30) / 10
    highs = lows + rng.integers(1, 30, 30) / 10
    found, present = window_means(TimedFeature(values, starts, ends), lows, highs)
    for row, (low, high) in enumerate(zip(lows, highs, strict=True)):
        inside = [
            v
            for s, e, v in zip(starts, ends, values, strict=True)
            if (low <= s < high if s == e else s < high - 1e-9 and e > low + 1e-9)
        ]
        assert present[row] == bool(inside)
        if inside:
            np.testing.assert_allclose(found[row], np.mean(inside, axis=0), atol=1e-6)


def test_forward_fill_by_hand():
    values = np.float32([[9], [1], [9], [9], [2], [9]])
    present = np.array([False, True, False, False, True, False])
    found, here = forward_fill(values, present)
    assert found[:, 0].tolist() == [0, 1, 1, 1, 2, 2]
    assert here.tolist() == [False, True, True, True, True, True]
    found, here = forward_fill(values, present, max_steps=1)
    assert found[:, 0].tolist() == [0, 1, 1, 0, 2, 2]
    assert here.tolist() == [False, True, True, False, True, True]
    found, here = forward_fill(values, present, max_steps=0)
    assert here.tolist() == present.tolist()
    found, here = forward_fill(np.zeros((0, 2), np.float32), np.zeros(0, bool))
    assert found.shape == (0, 2)


def test_early_fusion_by_hand():
    one = np.float32([[1], [2], [3]]), np.array([True, False, True])
    two = np.float32([[4, 5], [6, 7], [8, 9]]), np.array([True, True, False])
    values, present, widths = early_fusion([one, two])
    assert values.tolist() == [[1, 4, 5], [0, 0, 0], [0, 0, 0]]
    assert present.tolist() == [True, False, False]
    assert widths == (1, 2)
    assert early_fusion([one])[2] == (1,)
    for blocks in ([], [one, (two[0][:2], two[1][:2])], [(one[0], two[1][:2])]):
        with pytest.raises(ValueError, match="Early fusion needs"):
            early_fusion(blocks)


def test_times_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="end before its start"):
        words([(1, 0.5)], [1])
    with pytest.raises(ValueError, match="finite times"):
        points([np.nan], [1])
    with pytest.raises(ValueError, match="values"):
        TimedFeature(np.ones((2, 1), np.float32), np.zeros(3))
