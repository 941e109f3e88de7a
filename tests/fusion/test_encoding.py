"""Boundaries worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from affect_pipe.fusion.config import LEVELS, SENTIMENT_LABELS, TaskSettings
from affect_pipe.fusion.encoding import level_classes, level_edges, sentiment_classes

NAN = float("nan")


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        #   -3 -2.6 -2.4 -1.4 -0.4 -0.01 -0  0  0.3  1  1.6  2.7 3
        (2, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]),
        (3, [0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2]),
        (5, [0, 0, 0, 1, 2, 2, 2, 2, 2, 3, 4, 4, 4]),
        (7, [0, 0, 1, 2, 3, 3, 3, 3, 3, 4, 5, 6, 6]),
    ],
)
def test_every_scheme_at_its_boundaries(classes, expected):
    values = [-3, -2.6, -2.4, -1.4, -0.4, -0.01, -0.0, 0, 0.3, 1, 1.6, 2.7, 3]
    assert sentiment_classes(values, classes).tolist() == expected


def test_halves_go_to_the_even_number():
    assert sentiment_classes([0.5, 1.5, 2.5, -0.5, -1.5, -2.5], 7).tolist() == [3, 5, 5, 3, 1, 1]


@pytest.mark.parametrize("classes", [2, 3, 5, 7])
def test_classes_are_ordered_named_and_unknown_stays_unknown(classes):
    values = np.linspace(-3, 3, 101)
    found = sentiment_classes(values, classes)
    assert (np.diff(found) >= 0).all()
    assert set(found) == set(range(classes))
    assert len(SENTIMENT_LABELS[classes]) == classes
    assert len(TaskSettings(name="sentiment_class", classes=classes).class_names) == classes
    assert np.isnan(sentiment_classes([[NAN]], classes)).all()


@pytest.mark.parametrize("wrong", [3.01, -4, float("inf")])
def test_other_scales_are_refused(wrong):
    with pytest.raises(ValueError, match=r"must lie in \[-3, 3\], got"):
        sentiment_classes([0, wrong], 7)
    with pytest.raises(ValueError, match="not 4"):
        sentiment_classes([0], 4)


def test_levels_are_fifths_of_the_training_ratings():
    ratings = np.arange(100) / 99
    edges = level_edges([*ratings, NAN])
    found = level_classes(ratings, edges)
    assert np.bincount(found.astype(int)).tolist() == [20] * len(LEVELS)
    assert np.isnan(level_classes([NAN], edges)).all()
    assert level_classes([-9, 9, edges[0]], edges).tolist() == [0, 4, 1]
    with pytest.raises(ValueError, match="at least one"):
        level_edges([NAN])
