"""Functionals against numpy, blinks against a drawn lid."""

import numpy as np
import pytest

from affect_pipe.extractors.visual.functionals import (
    feature_columns,
    n_blinks,
    utterance_vector,
)
from affect_pipe.extractors.visual.measures import GROUPS


def test_names_and_values_go_together():
    rng = np.random.default_rng(2)
    blink = np.ones((12, 2), np.float32)
    blink[[3, 8]] = 0.1
    columns = np.concatenate([rng.normal(size=(12, 3)), blink], axis=1).astype(np.float32)
    names = feature_columns(("pose", "blink"), ("mean", "std", "max", "rate"), 0)
    vector = utterance_vector(columns, {"blink": blink}, ("mean", "std", "max", "rate"), 1.2)
    found = dict(zip(names, vector, strict=True))
    assert found["pitch_deg_mean"] == pytest.approx(columns[:, 1].mean(), rel=1e-5)
    assert found["roll_deg_std"] == pytest.approx(columns[:, 2].std(), rel=1e-5)
    assert found["eye_open_left_max"] == 1.0
    assert found["blink_rate_hz"] == pytest.approx(2 / 1.2, rel=1e-5)


def test_every_group_and_functional_has_its_columns():
    names = feature_columns(GROUPS, ("mean",), 7)
    assert len(names) == len(set(names)) == 20 + 3 + 2 + 7
    assert names[0] == "AU01_mean"
    assert names[-1] == "shape_006_mean"
    assert "blink_rate_hz" not in feature_columns(("au",), ("mean", "rate"), 7)


@pytest.mark.parametrize(
    ("openness", "count"),
    [
        ([], 0),
        ([0.3] * 10, 0),
        ([0.3, 0.3, 0.05, 0.3, 0.3, 0.3, 0.05, 0.05, 0.3, 0.3], 2),
        ([0.05, 0.3, 0.3, 0.3], 1),
        ([0.3, 0.28, 0.31, 0.27, 0.3], 0),
    ],
)
def test_blinks_of_a_drawn_lid(openness, count):
    both = np.repeat(np.array(openness, np.float32)[:, None], 2, axis=1)
    assert n_blinks(both) == count
