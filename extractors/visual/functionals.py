"""From a face's frames to one vector an utterance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from affect_pipe.extractors.visual.measures import group_columns
from affect_pipe.pipeline.records import FloatArray

# Functionals of every column; a photograph has a mean and no more.
STATISTICS = ("mean", "std", "max")
# Blinks a second: one column, of the group ``blink``.
RATE = "rate"
FUNCTIONALS = (*STATISTICS, RATE)
BLINK_COLUMN = "blink_rate_hz"
# An eye is shut when it is open by less than this share of what it usually is in the utterance.
SHUT_SHARE = 0.6


def feature_columns(
    groups: Sequence[str], functionals: Sequence[str], n_components: int
) -> tuple[str, ...]:
    """Names of the utterance vector's columns: functional by functional, group by group."""
    base = [name for group in groups for name in group_columns(n_components)[group]]
    names = [f"{name}_{kind}" for kind in functionals if kind != RATE for name in base]
    if RATE in functionals and "blink" in groups:
        names.append(BLINK_COLUMN)
    return tuple(names)


def utterance_vector(
    columns: FloatArray,
    described: Mapping[str, FloatArray],
    functionals: Sequence[str],
    seen_s: float,
) -> FloatArray:
    """Vector float32 [dim] of one face over the frames of one utterance.

    Parameters
    ----------
    columns : float [n, d]
        Columns of the wanted groups, n at least 1.
    described : mapping
        Holds ``blink`` [n, 2] where the blink rate is wanted, in ascending time.
    functionals : subset of mean, std, max, rate
    seen_s : float
        How long the face was seen, in seconds.
    """
    frames = columns.astype(np.float64)
    statistic = {"mean": frames.mean(axis=0), "std": frames.std(axis=0), "max": frames.max(axis=0)}
    parts = [statistic[kind] for kind in functionals if kind in statistic]
    if RATE in functionals and "blink" in described:
        parts.append(np.array([n_blinks(described["blink"]) / max(seen_s, 1e-6)]))
    return np.asarray(np.concatenate(parts), np.float32)


def n_blinks(openings: FloatArray) -> int:
    """Count how often both eyes shut and opened, from openings [n, 2] in ascending time."""
    if len(openings) == 0:
        return 0
    opening = openings.mean(axis=1)
    shut = opening < SHUT_SHARE * np.median(opening)
    return int(np.count_nonzero(shut[1:] & ~shut[:-1]) + shut[0])
