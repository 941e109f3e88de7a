"""The learned shape basis: principal directions in which faces differ once pose is gone.

Principal component analysis of pose-normalised landmarks. Every training face counts together with
its mirror image, so each direction is exactly symmetric or exactly antisymmetric, and mirroring a
face only flips the signs of its antisymmetric coefficients.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.visual.geometry import Index, mirror, normalise, reference_face
from affect_pipe.extractors.visual.mesh import N_LANDMARKS
from affect_pipe.pipeline.errors import MissingWeightsError
from affect_pipe.pipeline.records import FloatArray

WEIGHTS = Path(__file__).parent / "weights"
ARRAYS_NAME = "shape_basis.safetensors"
PROVENANCE_NAME = "shape_basis.json"
N_COMPONENTS = 300
# A mean face needs no more of them; the rounds of Procrustes are the slow part of a fit.
N_REFERENCE_FACES = 4000
# Depth is the landmark model's guess, not something it sees: the basis trusts it half as much.
AXIS_WEIGHTS = (1.0, 1.0, 0.5)


@dataclass(frozen=True)
class ShapeBasis:
    """Reference face and principal shapes.

    Attributes
    ----------
    reference : float32 [478, 3]
        Symmetric frontal mean face, outer eye corners 1 apart.
    mean : float32 [478, 3]
        Mean of the normalised training faces, symmetric: the reference, a trace smaller.
    mirror_index : int64 [478]
        Which landmark is which one's mirror image.
    components : float32 [k, 1434]
        Orthonormal rows over flattened (landmark, axis), axes weighted by `AXIS_WEIGHTS`.
    deviation : float32 [k]
        Standard deviation of each coefficient over the faces the basis was learnt from.
    """

    reference: FloatArray
    mean: FloatArray
    mirror_index: Index
    components: FloatArray
    deviation: FloatArray

    def coefficients(self, shapes: FloatArray) -> FloatArray:
        """Coefficients float32 [n, k], in standard deviations, of normalised faces [n, 478, 3]."""
        offsets = self.weighted(np.asarray(shapes, np.float32) - self.mean)
        # In float64: a float32 product differs in its last bits with the number of BLAS threads.
        return np.asarray(
            offsets.astype(np.float64) @ self.components.T.astype(np.float64) / self.deviation,
            np.float32,
        )

    @staticmethod
    def weighted(shapes: FloatArray) -> FloatArray:
        """Faces [n, 478, 3] as the rows float32 [n, 1434] that the components are directions of."""
        weights = np.array(AXIS_WEIGHTS, np.float32)
        return np.asarray(np.asarray(shapes, np.float32) * weights).reshape(-1, 3 * N_LANDMARKS)

    def mirror_signs(self) -> FloatArray:
        """Tell what mirroring a face does to each coefficient: float32 [k] of 1 and -1."""
        rows = self.components.reshape(-1, *self.reference.shape)
        turned = mirror(rows, self.mirror_index)
        return np.asarray(np.sign((rows * turned).sum(axis=(1, 2))), np.float32)

    def save(self, folder: Path, provenance: dict[str, object] | None = None) -> None:
        """Write the arrays (safetensors) and where they come from (JSON) into ``folder``."""
        from safetensors.numpy import save

        folder.mkdir(parents=True, exist_ok=True)
        arrays = {
            "reference": self.reference,
            "mean": self.mean,
            "mirror_index": self.mirror_index,
            "components": self.components,
            "deviation": self.deviation,
        }
        (folder / ARRAYS_NAME).write_bytes(save(arrays))
        about = {"n_components": len(self.components), **(provenance or {})}
        (folder / PROVENANCE_NAME).write_text(
            json.dumps(about, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )


@lru_cache(maxsize=4)
def load_shape_basis(folder: Path = WEIGHTS) -> ShapeBasis:
    """Read the basis saved in ``folder`` (by default the one in the package).

    Raises
    ------
    MissingWeightsError
        If the file is not there.
    """
    from safetensors.numpy import load_file

    path = folder / ARRAYS_NAME
    if not path.is_file():
        raise MissingWeightsError(
            f"{path} does not exist, expected the learned shape basis of facemesh: "
            "reinstall affect-pipe or fit it anew with the starter recipe."
        )
    return ShapeBasis(**load_file(path))


@lru_cache(maxsize=4)
def shape_basis_digest(folder: Path = WEIGHTS) -> str:
    """blake2b digest of the basis file, empty when there is none."""
    path = folder / ARRAYS_NAME
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() if path.is_file() else ""


def fit_shape_basis(landmarks: FloatArray, n_components: int = N_COMPONENTS) -> ShapeBasis:
    """Learn the basis from faces; the same faces in the same order give the same basis.

    Parameters
    ----------
    landmarks : float [n, 478, 3]
        Finite, x and y on the same scale; n well above ``n_components``.

    Raises
    ------
    ValueError
        If there are fewer faces than components.
    """
    if len(landmarks) < n_components:
        raise ValueError(f"{len(landmarks)} faces cannot give {n_components} shape components")
    step = max(len(landmarks) // N_REFERENCE_FACES, 1)
    reference, index = reference_face(landmarks[::step])
    offsets = normalise(landmarks, reference).shapes
    symmetric = (offsets + mirror(offsets, index)) / 2
    mean = symmetric.mean(axis=0, dtype=np.float64).astype(np.float32)
    halves = [symmetric - mean, offsets - symmetric]
    vectors, variances = zip(*(_principal(half, n_components) for half in halves), strict=True)
    variance = np.concatenate(variances)
    order = np.argsort(-variance, kind="stable")[:n_components]
    components = _fixed_signs(np.concatenate(vectors)[order])
    return ShapeBasis(
        reference=reference,
        mean=mean,
        mirror_index=index,
        components=components.astype(np.float32),
        deviation=np.sqrt(variance[order]).astype(np.float32),
    )


def _principal(
    offsets: FloatArray, n_components: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    flat = ShapeBasis.weighted(offsets)
    covariance = (flat.T @ flat).astype(np.float64) / len(flat)
    variance, vectors = np.linalg.eigh(covariance)
    return vectors[:, ::-1][:, :n_components].T, np.maximum(variance[::-1][:n_components], 1e-12)


def _fixed_signs(components: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Each row turned so that its largest entry in size is positive: eigenvectors have no sign."""
    largest = np.abs(components).argmax(axis=1)
    signs = np.sign(components[np.arange(len(components)), largest])
    return np.asarray(components * signs[:, None])
