"""Action units: their names, and which of them tell something about a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from affect_pipe.pipeline.records import FloatArray

# Of Ekman and Friesen's Facial Action Coding System.
UNIT_NAMES: Mapping[str, str] = {
    "AU01": "inner brow raiser",
    "AU02": "outer brow raiser",
    "AU04": "brow lowerer",
    "AU05": "upper lid raiser",
    "AU06": "cheek raiser",
    "AU07": "lid tightener",
    "AU09": "nose wrinkler",
    "AU10": "upper lip raiser",
    "AU11": "nasolabial deepener",
    "AU12": "lip corner puller",
    "AU14": "dimpler",
    "AU15": "lip corner depressor",
    "AU17": "chin raiser",
    "AU20": "lip stretcher",
    "AU23": "lip tightener",
    "AU24": "lip pressor",
    "AU25": "lips part",
    "AU26": "jaw drop",
    "AU28": "lip suck",
    "AU43": "eyes closed",
}


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
