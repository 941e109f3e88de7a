"""Normalisation of feature vectors, one arithmetic for training and prediction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
    """Settings and statistics of every modality of a model."""

    settings: Mapping[Modality, NormalisationSettings]
    statistics: Mapping[Modality, Statistics]

    def __post_init__(self) -> None:
        if set(self.settings) != set(self.statistics):
            raise ValueError(
                f"Normaliser has settings for {sorted(self.settings)} "
                f"but statistics for {sorted(self.statistics)}"
            )

    @property
    def dims(self) -> dict[Modality, int]:
        """Width of each modality's vectors."""
        return {modality: len(stats.mean) for modality, stats in self.statistics.items()}

    def apply(
        self, modality: Modality, values: FloatArray, present: npt.NDArray[np.bool_]
    ) -> FloatArray:
        """Normalise ``values [..., U, d]`` of one modality; see `normalise`."""
        return normalise(values, present, self.statistics[modality], self.settings[modality])


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
    """
    statistics = {modality: fit(np.concatenate(list(vectors[modality]))) for modality in settings}
    return Normaliser(dict(settings), statistics)
