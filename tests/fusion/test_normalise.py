from __future__ import annotations

import numpy as np
import pytest

from affect_pipe.fusion.config import NormalisationSettings
from affect_pipe.fusion.normalise import Statistics, fit, fit_normaliser, normalise

# float32 results of a handful of operations.
TOLERANCE = 1e-5


def settings(**fields):
    return NormalisationSettings(**fields)


def test_z_on_paper():
    stats = Statistics(np.float32([1, 10]), np.float32([2, 5]))
    values = np.float32([[3, 0], [1, 10], [500, -500]])
    out = normalise(values, np.array([True, True, True]), stats, settings(kind="z", clip=4))
    assert out.tolist() == [[1, -2], [0, 0], [4, -4]]
    assert out.dtype == np.float32


def test_absent_rows_stay_zero_whatever_they_hold():
    stats = Statistics(np.float32([1]), np.float32([2]))
    values = np.float32([[np.nan], [3]])
    for kind in ("none", "z", "shrink"):
        out = normalise(values, np.array([False, True]), stats, settings(kind=kind))
        assert out[0] == 0
        assert np.isfinite(out).all()


def test_shrink_moves_from_the_corpus_to_the_video():
    stats = Statistics(np.float32([0]), np.float32([1]))
    rng = np.random.default_rng(0)
    for n, weight in ((1, 1 / 5), (4, 1 / 2), (12, 3 / 4)):
        values = rng.normal(8, 3, (n, 1)).astype(np.float32)
        out = normalise(
            values, np.ones(n, bool), stats, settings(kind="shrink", prior_utterances=4)
        )
        mean = weight * values.mean()
        std = np.sqrt((1 - weight) * 1 + weight * values.var())
        np.testing.assert_allclose(out, np.clip((values - mean) / std, -5, 5), atol=TOLERANCE)


def test_shrink_without_utterances_is_harmless():
    stats = Statistics(np.float32([2]), np.float32([1]))
    out = normalise(np.zeros((0, 1), np.float32), np.zeros(0, bool), stats, settings(kind="shrink"))
    assert out.shape == (0, 1)


def test_a_batch_is_normalised_as_its_sequences_one_by_one():
    rng = np.random.default_rng(1)
    values = rng.normal(5, 2, (3, 7, 4)).astype(np.float32)
    present = rng.random((3, 7)) < 0.5
    stats = fit(values.reshape(-1, 4))
    for kind in ("z", "shrink"):
        whole = normalise(values, present, stats, settings(kind=kind))
        for row in range(3):
            # Without the absent rows at all: the sums must come out the same to the last bit.
            alone = normalise(
                values[row][present[row]],
                np.ones(present[row].sum(), bool),
                stats,
                settings(kind=kind),
            )
            np.testing.assert_array_equal(whole[row][present[row]], alone)


def test_fit_is_mean_and_population_deviation_and_spares_constant_columns():
    stats = fit(np.float32([[1, 7], [3, 7]]))
    assert stats.mean.tolist() == [2, 7]
    assert stats.std.tolist() == [1, 1]


def test_fit_refuses_nothing():
    with pytest.raises(ValueError, match="at least one vector"):
        fit(np.zeros((0, 3), np.float32))


def test_statistics_refuse_what_is_not_finite_or_not_positive():
    with pytest.raises(ValueError, match="finite"):
        Statistics(np.float32([np.nan]), np.float32([1]))
    with pytest.raises(ValueError, match="positive"):
        Statistics(np.float32([0]), np.float32([0]))


def test_normaliser_has_the_models_modalities():
    vectors = {"text": [np.ones((2, 3), np.float32)], "visual": [np.ones((2, 5), np.float32)]}
    normaliser = fit_normaliser(vectors, {"text": settings()})
    assert normaliser.dims == {"text": 3}
