"""Action units: which of them tell something about a video."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affect_pipe.pipeline.records import FloatArray


def telling_units(units: FloatArray, names: Sequence[str]) -> tuple[str, ...]:
    """Order action units by how much they move over a video; leave out those that never do.

    Parameters
    ----------
    units : float32 [n, n_units]
    names : sequence of str
    """
    if not len(units):
        return ()
    moved = units.astype(np.float64).std(axis=0)
    order = np.argsort(-moved, kind="stable")
    return tuple(names[k] for k in order if moved[k] > 0)
