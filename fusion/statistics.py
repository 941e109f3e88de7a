"""How sure a comparison is: t-tests over seeds, intervals over seeds and over videos.

Utterances of one video are alike, so intervals over utterances resample whole videos. SciPy is
imported on use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# Fewer finite resamples than this share say that the metric is undefined on such data.
MIN_FINITE_SHARE = 0.5


@dataclass(frozen=True)
class Interval:
    """A confidence interval ``[low, high]``; NaN where it cannot be told."""

    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """Several seeds' results of one metric.

    Attributes
    ----------
    mean, std : float
        The standard deviation is the sample's (n - 1).
    interval : Interval
        Of the mean, by Student's t.
    n : int
    """

    mean: float
    std: float
    interval: Interval
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.4g} +- {self.std:.2g}"


@dataclass(frozen=True)
class PairedTest:
    """Two systems over the same seeds or utterances.

    Attributes
    ----------
    difference : float
        Mean of second minus first.
    interval : Interval
        Of that mean, by Student's t.
    t, p : float
        Two-sided.
    n : int
        Pairs.
    """

    difference: float
    interval: Interval
    t: float
    p: float
    n: int


def summarise(values: npt.ArrayLike, confidence: float = 0.95) -> Summary:
    """Return mean, standard deviation and t interval of results ``[n]``.

    One result has a mean and nothing else.

    Raises
    ------
    ValueError
        If there is none, or the confidence is not between 0 and 1.
    """
    found = _results(values)
    mean, std = float(found.mean()), _std(found)
    return Summary(mean, std, _t_interval(mean, std, len(found), confidence), len(found))


def paired_t_test(
    first: npt.ArrayLike, second: npt.ArrayLike, confidence: float = 0.95
) -> PairedTest:
    """Test whether two systems differ, over pairs ``[n]`` (seeds, or utterances).

    The papers (akhtar2019 section 4.3, akhtar2020 section 5.2) test over runs. Differences that are
    all the same have t = 0 and p = 1 where they are zero, else t infinite and p = 0.

    Raises
    ------
    ValueError
        If the numbers of results differ or there are fewer than two.
    """
    from scipy import stats

    left, right = _results(first), _results(second)
    if len(left) != len(right) or len(left) < 2:
        raise ValueError(
            f"A paired test needs two or more pairs, got {len(left)} and {len(right)} results"
        )
    differences = right - left
    mean, std, n = float(differences.mean()), _std(differences), len(left)
    interval = _t_interval(mean, std, n, confidence)
    if np.ptp(differences) == 0:
        same = mean == 0
        t = 0.0 if same else float(np.copysign(np.inf, mean))
        return PairedTest(mean, Interval(mean, mean), t, 1.0 if same else 0.0, n)
    test = stats.ttest_rel(right, left)
    return PairedTest(mean, interval, float(test.statistic), float(test.pvalue), n)


def cluster_bootstrap(
    metric: Callable[..., float],
    arrays: tuple[npt.NDArray[Any], ...],
    clusters: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    n_resamples: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Percentile interval of a metric, resampling whole videos with replacement.

    The cluster bootstrap (Davison and Hinkley 1997, section 3.8), percentile limits (Efron 1979).
    For two systems, hand in a metric of three arrays that returns the difference.

    Parameters
    ----------
    metric : callable (*arrays) -> float
        Resamples where it is NaN are left out.
    arrays : tuple of arrays [N, ...]
        Reference and estimates, an utterance a row.
    clusters : [N]
        The video of each utterance.
    rng : np.random.Generator
    n_resamples : int

    Returns
    -------
    Interval
        NaN where the metric is NaN in more than half of the resamples.

    Raises
    ------
    ValueError
        If there is nothing to resample, the lengths differ, or the confidence is not in (0, 1).
    """
    _check_confidence(confidence)
    _, members = np.unique(np.asarray(clusters), return_inverse=True)
    if len(members) == 0 or any(len(values) != len(members) for values in arrays):
        lengths = [len(values) for values in arrays]
        raise ValueError(f"{len(members)} utterances have a video, the arrays have {lengths}")
    order = np.argsort(members, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(members))[:-1])
    found = np.empty(n_resamples)
    for index in range(n_resamples):
        drawn = rng.integers(len(rows), size=len(rows))
        chosen = np.concatenate([rows[video] for video in drawn])
        found[index] = metric(*(values[chosen] for values in arrays))
    finite = found[np.isfinite(found)]
    if len(finite) < MIN_FINITE_SHARE * n_resamples:
        return Interval(float("nan"), float("nan"))
    tail = 50 * (1 - confidence)
    low, high = np.percentile(finite, [tail, 100 - tail])
    return Interval(float(low), float(high))


def _results(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    found = np.asarray(values, np.float64)
    if found.ndim != 1 or len(found) == 0:
        raise ValueError(f"Results must be [n] with n > 0, got shape {list(found.shape)}")
    return found


def _std(values: npt.NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def _t_interval(mean: float, std: float, n: int, confidence: float) -> Interval:
    from scipy import stats

    _check_confidence(confidence)
    if n < 2:
        return Interval(float("nan"), float("nan"))
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * std / np.sqrt(n)
    return Interval(float(mean - half), float(mean + half))


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
