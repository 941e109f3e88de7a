"""The shape basis against scikit-learn's PCA; its symmetry; its file."""

import json

import numpy as np
import pytest
from sklearn.decomposition import PCA

from affect_pipe.extractors.visual.geometry import mirror, normalise
from affect_pipe.extractors.visual.shape import (
    PROVENANCE_NAME,
    fit_shape_basis,
    load_shape_basis,
    shape_basis_digest,
)
from affect_pipe.pipeline.errors import MissingWeightsError

N_COMPONENTS = 4


@pytest.fixture(scope="module")
def landmarks():
    """Faces that differ by two symmetric and two lopsided movements of known size."""
    basis = load_shape_basis()
    rng = np.random.default_rng(3)
    moves = rng.normal(size=(4, 478, 3))
    turned = mirror(moves.astype(np.float32), basis.mirror_index)
    moves[:2], moves[2:] = (moves + turned)[:2] / 2, (moves - turned)[2:] / 2
    weights = rng.normal(size=(120, 4)) * [0.010, 0.004, 0.007, 0.003]
    return (100 * (basis.reference + np.einsum("nk,kij->nij", weights, moves))).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(landmarks):
    return fit_shape_basis(landmarks, N_COMPONENTS)


def test_coefficients_span_what_pca_spans(landmarks, fitted):
    shapes = normalise(landmarks, fitted.reference).shapes
    both = np.concatenate([shapes, mirror(shapes, fitted.mirror_index)])
    pca = PCA(N_COMPONENTS).fit(fitted.weighted(both))
    cosines = np.abs(np.sum(pca.components_ * fitted.components, axis=1))
    np.testing.assert_allclose(cosines, 1.0, atol=1e-3)
    deviation = np.sqrt(pca.explained_variance_)
    np.testing.assert_allclose(fitted.deviation, deviation, rtol=0.01)
    np.testing.assert_allclose(fitted.coefficients(both).std(axis=0), 1.0, rtol=0.01)


def test_mirroring_flips_signs_and_nothing_else(landmarks, fitted):
    shapes = normalise(landmarks, fitted.reference).shapes
    seen = fitted.coefficients(shapes)
    flipped = fitted.coefficients(mirror(shapes, fitted.mirror_index))
    signs = np.sign((seen * flipped).sum(axis=0))
    assert sorted(signs) == [-1, -1, 1, 1]
    np.testing.assert_allclose(flipped, seen * signs, atol=1e-3)


def test_the_same_faces_give_the_same_bytes(landmarks, fitted, tmp_path):
    again = fit_shape_basis(landmarks, N_COMPONENTS)
    fitted.save(tmp_path / "a", {"images": "synthetic"})
    again.save(tmp_path / "b", {"images": "synthetic"})
    assert shape_basis_digest(tmp_path / "a") == shape_basis_digest(tmp_path / "b")
    back = load_shape_basis(tmp_path / "a")
    np.testing.assert_array_equal(back.components, fitted.components)
    about = json.loads((tmp_path / "a" / PROVENANCE_NAME).read_text(encoding="utf-8"))
    assert about["images"] == "synthetic"


def test_failures_say_what_to_do(landmarks, tmp_path):
    with pytest.raises(ValueError, match="3 faces cannot give 4"):
        fit_shape_basis(landmarks[:3], N_COMPONENTS)
    with pytest.raises(MissingWeightsError, match="reinstall affect-pipe"):
        load_shape_basis(tmp_path)


def test_the_shipped_basis_is_orthonormal():
    basis = load_shape_basis()
    gram = basis.components @ basis.components.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-3)
    assert np.all(np.diff(basis.deviation) <= 1e-6)
