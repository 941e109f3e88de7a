"""Principal components against NumPy's eigenvectors, alone and within a normaliser."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from affect_pipe.fusion.components import Projection, fit_projections, project
from affect_pipe.fusion.config import NormalisationSettings, PcaBlock
from affect_pipe.fusion.normalise import Normaliser, fit_normaliser

# float32 products of some tens of columns.
TOLERANCE = 2e-4


def vectors(n=300, seed=0):
    """Twelve columns: nine made of three strong sources and a little noise, three of their own."""
    rng = np.random.default_rng(seed)
    sources = rng.normal(0, [8, 4, 2], (n, 3))
    mixed = sources @ rng.normal(0, 1, (3, 9)) + rng.normal(0, 0.05, (n, 9)) + 7
    return np.concatenate([mixed, rng.normal(-2, 1, (n, 3))], axis=1).astype(np.float32)


def settings(*blocks, **fields):
    return NormalisationSettings(pca=blocks, **fields)


def n_by_eigenvalues(rows, share):
    values = np.sort(np.linalg.eigvalsh(np.cov(rows.T.astype(np.float64))))[::-1]
    return int((np.cumsum(values) / values.sum() <= share).sum()) + 1


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.999])
def test_the_fewest_components_that_explain_the_share(share):
    rows = vectors()
    fitted, (found,) = fit_projections(rows, settings(PcaBlock(explained_variance=share)))
    assert fitted.pca[0].components == len(found.components) == n_by_eigenvalues(rows, share)
    out = project(rows, fitted, (found,))
    assert out.var(axis=0).sum() >= share * rows.var(axis=0).sum()
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-3)
    covariance = np.cov(out.T.astype(np.float64)).reshape(out.shape[1], -1)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-2)


def test_all_of_the_variance_is_a_rotation():
    rows = vectors()
    fitted, found = fit_projections(rows, settings(PcaBlock(explained_variance=1.0)))
    out = project(rows, fitted, found)
    assert out.shape == rows.shape
    distances = [np.linalg.norm(x[:50, None] - x[None, :50], axis=-1) for x in (rows, out)]
    np.testing.assert_allclose(*distances, atol=1e-3)


def test_each_block_by_itself():
    rows = vectors()
    blocks = (PcaBlock(columns=9), PcaBlock(explained_variance=None))
    fitted, found = fit_projections(rows, settings(*blocks))
    assert [block.columns for block in fitted.pca] == [9, 3]
    assert found[1] is None
    out = project(rows, fitted, found)
    np.testing.assert_array_equal(out[:, -3:], rows[:, -3:])
    alone = fit_projections(rows[:, :9], settings(PcaBlock()))
    np.testing.assert_array_equal(out[:, :-3], project(rows[:, :9], *alone))
    assert fitted.width(12) == out.shape[1] == n_by_eigenvalues(rows[:, :9], 0.95) + 3


def normaliser(**fields):
    chosen = {"text": settings(PcaBlock(columns=9), PcaBlock(explained_variance=None), **fields)}
    return fit_normaliser({"text": [vectors()[:100], vectors()[100:]]}, chosen)


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("kind", ["none", "z", "shrink"])
def test_in_a_normaliser(order, kind):
    fitted = normaliser(pca_order=order, kind=kind, clip=None)
    assert fitted.input_dims == {"text": 12}
    width = fitted.dims["text"]
    assert width == fitted.settings["text"].width(12) < 12
    values = np.stack([vectors(8, seed=1), vectors(8, seed=2)])
    present = np.ones((2, 8), bool)
    present[0, 5:] = present[1, 2] = False
    values[~present] = np.nan
    out = fitted.apply("text", values, present)
    assert out.shape == (2, 8, width)
    assert out.dtype == np.float32
    assert not out[~present].any()
    assert np.isfinite(out).all()
    alone = fitted.apply("text", values[:1, :5], present[:1, :5])
    np.testing.assert_allclose(out[:1, :5], alone, atol=TOLERANCE)


def test_before_and_after_by_hand():
    rows = vectors()
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    everywhere = np.ones(len(rows), bool)
    before = normaliser(clip=None).apply("text", rows, everywhere)
    np.testing.assert_allclose(before.std(axis=0), 1, atol=1e-3)
    after = normaliser(pca_order="after", clip=None)
    components = after.projections["text"][0].components
    z = (rows - mean) / std
    expected = np.concatenate([z[:, :9] @ components.T, z[:, 9:]], axis=1)
    np.testing.assert_allclose(after.apply("text", rows, everywhere), expected, atol=1e-3)


def test_what_never_varies_becomes_zero():
    rows = np.full((5, 4), 3, np.float32)
    fitted = fit_normaliser({"text": [rows]}, {"text": settings(PcaBlock())})
    assert fitted.dims == {"text": 1}
    assert not fitted.apply("text", rows, np.ones(5, bool)).any()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="at least two vectors"):
        fit_projections(vectors(1), settings(PcaBlock()))
    for blocks in (PcaBlock(columns=9),), (PcaBlock(columns=12), PcaBlock()):
        with pytest.raises(ValueError, match="the vectors have 12"):
            fit_projections(vectors(), settings(*blocks))
    with pytest.raises(ValidationError, match="only the last block"):
        settings(PcaBlock(), PcaBlock(columns=3))
    with pytest.raises(ValueError, match="fit it on training data"):
        settings(PcaBlock()).width(12)
    with pytest.raises(ValueError, match=r"components \[2, 3\] for mean \[4\]"):
        Projection(np.zeros(4, np.float32), np.ones((2, 3), np.float32))
    good = normaliser()
    with pytest.raises(ValueError, match="not those of its settings"):
        Normaliser(good.settings, good.statistics)
