"""Choosing the epoch: by a validation split, or by cross-fitting where there is none to trust.

Cross-fitting chooses the epoch on one half of the evaluation videos and scores the other half with
it, over many random halvings: no utterance is scored with an epoch it helped to choose, and none
is given up for choosing. Choosing on the same videos that are scored flatters; a validation split
of MOSI's published features cannot choose, as they were learnt from the labels of its train part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from affect_pipe.pipeline.errors import UsageError

Array = npt.NDArray[Any]
Metric = Callable[[Array, Array], float]
"""Of reference ``[n, ...]`` and estimate ``[n, ...]``; the higher the better."""

HALVINGS = 50


@dataclass(frozen=True, eq=False)
class CrossFit:
    """What cross-fitting found.

    Attributes
    ----------
    score : float
        Mean over the halvings, both halves of each.
    scores : float64 [halvings, 2]
        Of each half, with the epoch that the other half chose; NaN where a half has no score.
    epochs : int64 [halvings, 2]
        Which epoch that was, counted from 1.
    """

    score: float
    scores: npt.NDArray[np.float64]
    epochs: npt.NDArray[np.int64]

    @property
    def usual_epoch(self) -> int:
        """Return the epoch that was chosen most often, the earliest of several."""
        found, counts = np.unique(self.epochs, return_counts=True)
        return int(found[counts.argmax()])


def halve(
    videos: Sequence[str] | Array, halvings: int, seed: int
) -> list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
    """Cut the utterances in two by video, at random, several times.

    Parameters
    ----------
    videos : sequence of str [N]
        The video of each utterance. Nobody's utterances fall into both halves.
    halvings : int
    seed : int
        Halvings depend on it and on the names of the videos, not on the order of the utterances.

    Returns
    -------
    list of (bool [N], bool [N])
        Each the other's complement; their numbers of videos differ by one at most.

    Raises
    ------
    UsageError
        If there are fewer than two videos.
    """
    names, members = np.unique(np.asarray(videos), return_inverse=True)
    if len(names) < 2:
        raise UsageError(
            f"Cross-fitting needs two videos or more, got {len(names)}: use a validation split."
        )
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(halvings):
        chosen = np.zeros(len(names), dtype=np.bool_)
        chosen[rng.permutation(len(names))[: len(names) // 2]] = True
        first = chosen[members]
        found.append((first, ~first))
    return found


def cross_fit(
    reference: Array,
    estimates: Array,
    videos: Sequence[str] | Array,
    metric: Metric,
    *,
    halvings: int = HALVINGS,
    seed: int = 0,
) -> CrossFit:
    """Score the predictions of every epoch by cross-fitting.

    Parameters
    ----------
    reference : array [N, ...]
        Labels of the utterances.
    estimates : array [epochs, N, ...]
        Predictions after each epoch, in the form that the metric takes.
    videos : sequence of str [N]
    metric : callable (reference, estimate) -> float
        The higher the better. NaN where it is not defined, as a correlation is on too few.
    halvings : int
    seed : int

    Raises
    ------
    UsageError
        If lengths differ, there are fewer than two videos, or no half has a score.
    """
    reference, estimates = np.asarray(reference), np.asarray(estimates)
    _check(reference, estimates, len(videos), halvings)
    halves = halve(videos, halvings, seed)
    scores = np.full((halvings, 2), np.nan)
    epochs = np.zeros((halvings, 2), dtype=np.int64)
    for index, pair in enumerate(halves):
        # Every epoch is scored on both halves once; each half then serves the other.
        by_epoch = [score_epochs(reference[half], estimates[:, half], metric) for half in pair]
        for scored, choosing in ((0, 1), (1, 0)):
            best = best_epoch(by_epoch[choosing])
            epochs[index, scored] = best
            scores[index, scored] = by_epoch[scored][best - 1]
    if np.isnan(scores).all():
        raise UsageError("Cross-fitting found no half that the metric is defined on.")
    return CrossFit(float(np.nanmean(scores)), scores, epochs)


def select_on_validation(
    validation: tuple[Array, Array], test: tuple[Array, Array], metric: Metric
) -> tuple[float, int]:
    """Choose the epoch on a validation split and score the test split with it.

    Parameters
    ----------
    validation, test : (reference [N, ...], estimates [epochs, N, ...])

    Returns
    -------
    float, int
        The test score and the epoch, counted from 1.

    Raises
    ------
    UsageError
        If lengths or numbers of epochs differ.
    """
    (v_reference, v_estimates), (t_reference, t_estimates) = validation, test
    for reference, estimates in (validation, test):
        _check(reference, estimates, len(reference), 1)
    if len(v_estimates) != len(t_estimates):
        raise UsageError(
            f"There are {len(v_estimates)} epochs of validation and {len(t_estimates)} of test "
            "predictions: they must be of the same epochs."
        )
    epoch = best_epoch(score_epochs(v_reference, v_estimates, metric))
    return float(metric(t_reference, t_estimates[epoch - 1])), epoch


def score_epochs(reference: Array, estimates: Array, metric: Metric) -> npt.NDArray[np.float64]:
    """Score each epoch's predictions, float64 [epochs]."""
    if len(reference) == 0:
        return np.full(len(estimates), np.nan)
    return np.array([metric(reference, estimate) for estimate in estimates], dtype=np.float64)


def best_epoch(scores: npt.NDArray[np.float64]) -> int:
    """Return the first epoch of the highest score, counted from 1; the first if none has one."""
    if np.isnan(scores).all():
        return 1
    return int(np.nanargmax(scores)) + 1


def _check(reference: Array, estimates: Array, n_videos: int, halvings: int) -> None:
    fits = estimates.ndim >= 2 and len(estimates) > 0 and estimates.shape[1] == len(reference)
    if not fits or n_videos != len(reference) or halvings < 1:
        raise UsageError(
            f"Predictions must be [epochs, {len(reference)}, ...] for {len(reference)} labels, "
            f"with a video for each, got {list(estimates.shape)} and {n_videos} videos "
            f"({halvings} halvings)."
        )
