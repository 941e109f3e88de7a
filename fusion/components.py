"""Principal components of feature vectors, at a given share of the variance.

jiang2021, section IV.C: 95 % of the variance of each feature. scikit-learn fits, NumPy applies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affect_pipe.fusion.config import NormalisationSettings, PcaBlock
from affect_pipe.pipeline.records import FloatArray


@dataclass(frozen=True, eq=False)
class Projection:
    """Components of one block: ``(x - mean) @ components.T``.

    Attributes
    ----------
    mean : float32 [d]
        Of the training vectors.
    components : float32 [k, d]
        Rows of length one, at right angles, by falling variance.
    """

    mean: FloatArray
    components: FloatArray

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or self.components.ndim != 2:
            raise ValueError(
                f"Projection needs mean [d] and components [k, d], got {self.mean.shape} and "
                f"{self.components.shape}"
            )
        k, d = self.components.shape
        if d != len(self.mean) or not 0 < k <= d:
            raise ValueError(f"Projection has components [{k}, {d}] for mean [{len(self.mean)}]")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.components).all()):
            raise ValueError("Projection must be finite")

    def __repr__(self) -> str:
        return f"Projection({self.components.shape[1]} to {len(self.components)})"


Projections = tuple[Projection | None, ...]


def fit_projections(
    vectors: FloatArray, settings: NormalisationSettings
) -> tuple[NormalisationSettings, Projections]:
    """Fit the blocks of ``settings.pca`` on training vectors ``[n, d]``, all of them present.

    Returns
    -------
    NormalisationSettings
        With the number of columns and components of each block filled in.
    tuple of (Projection or None)
        One a block; None where the block is left as it is.

    Raises
    ------
    ValueError
        If there are fewer than two vectors, or the blocks do not cover the columns.
    """
    if len(vectors) < 2:
        raise ValueError(f"Principal components need at least two vectors, got {len(vectors)}")
    blocks: list[PcaBlock] = []
    projections: list[Projection | None] = []
    first = 0
    for block, size in settings.blocks(vectors.shape[1]):
        columns = vectors[:, first : first + size]
        first += size
        found = None
        if block.explained_variance is not None:
            found = _fit(columns, block.explained_variance)
        n_components = None if found is None else len(found.components)
        blocks.append(block.model_copy(update={"columns": size, "components": n_components}))
        projections.append(found)
    return settings.model_copy(update={"pca": tuple(blocks)}), tuple(projections)


def _fit(vectors: FloatArray, explained_variance: float) -> Projection:
    """Keep the fewest components that explain more than the share; one of constant vectors."""
    from sklearn.decomposition import PCA

    rows = vectors.astype(np.float64)
    if not (np.ptp(rows, axis=0) > 0).any():
        # Nothing varies: any direction will do, and scikit-learn would divide by zero.
        return Projection(vectors.mean(axis=0), np.eye(1, vectors.shape[1], dtype=np.float32))
    share = None if explained_variance == 1.0 else explained_variance
    # The full solver alone is deterministic and takes a share of the variance.
    pca = PCA(n_components=share, svd_solver="full").fit(rows)
    return Projection(pca.mean_.astype(np.float32), pca.components_.astype(np.float32))


def project(
    values: FloatArray, settings: NormalisationSettings, projections: Projections
) -> FloatArray:
    """Reduce each block of vectors.

    Parameters
    ----------
    values : float32 [..., d]
        Finite.
    settings : NormalisationSettings
        As `fit_projections` returned it.
    projections : tuple of (Projection or None)

    Returns
    -------
    float32 [..., k]
    """
    parts = []
    first = 0
    for (_, size), projection in zip(settings.blocks(values.shape[-1]), projections, strict=True):
        part = values[..., first : first + size]
        first += size
        if projection is not None:
            part = (part - projection.mean) @ projection.components.T
        parts.append(part)
    return np.concatenate(parts, axis=-1)
