"""Choosing the epoch on one half of the test videos and scoring the other, many times over.

For data whose training features were learnt from the training labels: held-out training videos
then say nearly 100 % for every model and epoch, and to choose on the test videos themselves is to
report the best of many draws. Cross-fitting pays for the choice with videos the score never sees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.crossfit import HALVINGS, halve
from affect_pipe.fusion.reproduce.moments import Sums

HALVING_SEED = 0


def halves_of(
    ids: Sequence[str], n_halvings: int = HALVINGS, seed: int = HALVING_SEED
) -> npt.NDArray[np.bool_]:
    """Cut the videos into halves, the same for every model and seed.

    Parameters
    ----------
    ids : sequence of str
        The videos.

    Returns
    -------
    bool [n_halvings, n_videos]
        True for the one half.

    Raises
    ------
    UsageError
        If there are fewer than two videos.
    """
    return np.stack([first for first, _ in halve(ids, n_halvings, seed)])


def choose(
    by_epoch: Sums, halves: npt.NDArray[np.bool_], score: Callable[[Sums], Sums]
) -> npt.NDArray[np.int64]:
    """Choose an epoch on each half; the earliest of equal ones.

    Parameters
    ----------
    by_epoch : float64 [n_epochs, n_videos, ...]
        Ingredients of a metric, summed over each video's utterances.
    halves : bool [n_halvings, n_videos]
    score : callable (sums [..., *ingredients]) -> [...]
        The metric, the higher the better.

    Returns
    -------
    int [n_halvings, 2]
        The epoch (from 0) chosen on the half, and on the other half.
    """
    sides = np.stack([halves, ~halves], axis=1).astype(np.float64)
    sums = np.tensordot(sides, by_epoch, axes=(2, 1))
    scores = score(sums)
    return np.asarray(np.where(np.isnan(scores), -np.inf, scores).argmax(axis=2), dtype=np.int64)


def assemble(by_epoch: Sums, halves: npt.NDArray[np.bool_], chosen: npt.NDArray[np.int64]) -> Sums:
    """Take each video from the epoch chosen on the half it is not in.

    Parameters
    ----------
    by_epoch : float64 [n_epochs, n_videos, ...]
        Ingredients of a metric.
    halves : bool [n_halvings, n_videos]
    chosen : int [n_halvings, 2]

    Returns
    -------
    float64 [n_halvings, n_videos, ...]
        All videos, scored out of sample.
    """
    # A video of the half is scored by the epoch that the other half chose, and the other way about.
    epoch = np.where(halves, chosen[:, 1:], chosen[:, :1])
    taken: Sums = by_epoch[epoch, np.arange(halves.shape[1])[None, :]]
    return taken
