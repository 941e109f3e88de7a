"""Normalisation of feature vectors, one arithmetic for training and prediction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.components import Projections, fit_projections, project
from affect_pipe.fusion.config import NormalisationSettings
from affect_pipe.pipeline.records import FloatArray, Modality

# A column that never varies in training is scaled by one instead of being blown up.
MIN_STD = 1e-6


@dataclass(frozen=True, eq=False)
class Statistics:
    """Mean and standard deviation of one modality over the training utterances, float32 [d]."""

    mean: FloatArray
    std: FloatArray

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or self.mean.shape != self.std.shape:
            raise ValueError(
                f"Statistics need mean and std [d], got {self.mean.shape} and {self.std.shape}"
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all()):
            raise ValueError("Statistics must be finite")
        if (self.std <= 0).any():
            raise ValueError("Statistics need a positive std")


def fit(vectors: FloatArray) -> Statistics:
    """Measure the statistics of training vectors ``[n, d]``, all of them present.

    Raises
    ------
    ValueError
        If there are none.
    """
    if len(vectors) == 0:
        raise ValueError("Statistics need at least one vector")
    mean = vectors.mean(axis=0, dtype=np.float64)
    std = vectors.std(axis=0, dtype=np.float64)
    std[std < MIN_STD] = 1.0
    return Statistics(mean.astype(np.float32), std.astype(np.float32))


def normalise(
    values: FloatArray,
    present: npt.NDArray[np.bool_],
    statistics: Statistics,
    settings: NormalisationSettings,
) -> FloatArray:
    """Normalise the vectors of one modality, each sequence by itself.

    Parameters
    ----------
    values : float32 [..., U, d]
    present : bool [..., U]
        Rows that count; the others have no influence and come back as zeros.
    statistics : Statistics
        Of the training corpus.
    settings : NormalisationSettings
        With ``shrink``, n utterances of a video against ``n0 = prior_utterances`` of the corpus:
        ``mean = (n0 * mean_corpus + n * mean_video) / (n0 + n)``, and the same for the variance,
        the video's taken about the video's own mean.

    Returns
    -------
    float32 [..., U, d]
    """
    here = present[..., None]
    if settings.kind == "none":
        return np.where(here, values, np.float32(0.0))
    if settings.kind == "shrink":
        mean, std = _shrunk(values, present, statistics, settings.prior_utterances)
    else:
        mean, std = statistics.mean, statistics.std
    scaled = (values - mean) / std
    if settings.clip is not None:
        np.clip(scaled, -settings.clip, settings.clip, out=scaled)
    return np.where(here, scaled, np.float32(0.0))


def _shrunk(
    values: FloatArray, present: npt.NDArray[np.bool_], statistics: Statistics, prior: float
) -> tuple[FloatArray, FloatArray]:
    """Mean and std ``[..., 1, d]`` of each sequence, shrunk towards the corpus's."""
    # float64 keeps sums over padded rows (which add exact zeros) equal to sums without them.
    rows = np.where(present[..., None], values, np.float32(0.0)).astype(np.float64)
    count = present.sum(axis=-1, dtype=np.float64)[..., None, None]
    own_mean = rows.sum(axis=-2, keepdims=True) / np.maximum(count, 1.0)
    deviation = np.where(present[..., None], rows - own_mean, 0.0)
    own_variance = (deviation**2).sum(axis=-2, keepdims=True) / np.maximum(count, 1.0)
    corpus_variance = statistics.std.astype(np.float64) ** 2
    mean = (prior * statistics.mean + count * own_mean) / (prior + count)
    variance = (prior * corpus_variance + count * own_variance) / (prior + count)
    return mean.astype(np.float32), np.sqrt(variance).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Normaliser:
    """Settings, statistics and principal components of every modality of a model.

    Attributes
    ----------
    settings : mapping of modality to NormalisationSettings
    statistics : mapping of modality to Statistics
        Of the raw vectors, or of their components where these come first.
    projections : mapping of modality to tuple of (Projection or None)
        One a block of ``settings.pca``, None for a block that is left as it is. A modality without
        ``pca`` is left out.
    """

    settings: Mapping[Modality, NormalisationSettings]
    statistics: Mapping[Modality, Statistics]
    projections: Mapping[Modality, Projections] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(self.settings) != set(self.statistics):
            raise ValueError(
                f"Normaliser has settings for {sorted(self.settings)} "
                f"but statistics for {sorted(self.statistics)}"
            )

        for modality, settings in self.settings.items():
            self._check(modality, settings, self.projections.get(modality, ()))

    def _check(
        self, modality: Modality, settings: NormalisationSettings, projections: Projections
    ) -> None:
        fits = len(projections) == len(settings.pca)
        for block, projection in zip(settings.pca, projections, strict=False):
            if projection is None:
                fits &= block.explained_variance is None
            else:
                fits &= len(projection.components) == block.components
                fits &= block.columns in (None, len(projection.mean))
        if not fits:
            raise ValueError(f"Normaliser's components of {modality} are not those of its settings")
        seen = self.dims if settings.pca_order == "before" else self.input_dims
        if settings.pca and seen[modality] != len(self.statistics[modality].mean):
            raise ValueError(
                f"Normaliser has statistics of {len(self.statistics[modality].mean)} columns of "
                f"{modality}, its components have {seen[modality]}"
            )

    @property
    def dims(self) -> dict[Modality, int]:
        """Width of each modality's normalised vectors, which the model reads."""
        return {m: settings.width(self.input_dims[m]) for m, settings in self.settings.items()}

    @property
    def input_dims(self) -> dict[Modality, int]:
        """Width of each modality's raw vectors."""
        return {modality: self._input_width(modality) for modality in self.settings}

    def _input_width(self, modality: Modality) -> int:
        settings, width = self.settings[modality], len(self.statistics[modality].mean)
        if not settings.pca or settings.pca_order == "after":
            return width
        # The statistics are those of the components: put back what each block lost.
        for projection in self.projections[modality]:
            if projection is not None:
                width += len(projection.mean) - len(projection.components)
        return width

    def apply(
        self, modality: Modality, values: FloatArray, present: npt.NDArray[np.bool_]
    ) -> FloatArray:
        """Normalise ``values [..., U, d]`` of one modality to ``[..., U, k]``; see `normalise`."""
        statistics, settings = self.statistics[modality], self.settings[modality]
        projections = self.projections.get(modality)
        if projections is None:
            return normalise(values, present, statistics, settings)
        # Whatever lies in absent rows, NaN included, must not get into a product.
        values = np.where(present[..., None], values, np.float32(0.0))
        if settings.pca_order == "before":
            values = project(values, settings, projections)
            return normalise(values, present, statistics, settings)
        values = normalise(values, present, statistics, settings)
        projected = project(values, settings, projections)
        return np.where(present[..., None], projected, np.float32(0.0))


def fit_normaliser(
    vectors: Mapping[Modality, Iterable[FloatArray]],
    settings: Mapping[Modality, NormalisationSettings],
) -> Normaliser:
    """Fit a normaliser on training vectors.

    Parameters
    ----------
    vectors : mapping of modality to arrays [n, d]
        Present rows only, of training data only.
    settings : mapping of modality to NormalisationSettings
        The model's modalities.

    Returns
    -------
    Normaliser
        Its settings say how many components each block took.

    Raises
    ------
    ValueError
        If a modality has no vector, or blocks do not cover its columns.
    """
    statistics: dict[Modality, Statistics] = {}
    projections: dict[Modality, Projections] = {}
    fitted: dict[Modality, NormalisationSettings] = {}
    for modality, wanted in settings.items():
        rows = np.concatenate(list(vectors[modality]))
        fitted[modality] = wanted
        if not wanted.pca:
            statistics[modality] = fit(rows)
            continue
        if wanted.pca_order == "after":
            statistics[modality] = fit(rows)
            # A video's share of the statistics is unknown here: components of corpus z-scores.
            z = wanted.model_copy(update={"kind": "z" if wanted.kind == "shrink" else wanted.kind})
            rows = normalise(rows, np.ones(len(rows), bool), statistics[modality], z)
        fitted[modality], projections[modality] = fit_projections(rows, wanted)
        if wanted.pca_order == "before":
            rows = project(rows, fitted[modality], projections[modality])
            statistics[modality] = fit(rows)
    return Normaliser(fitted, statistics, projections)
