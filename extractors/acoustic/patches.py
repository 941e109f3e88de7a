"""Features of short patches of sound, one after the other, and what they say of utterances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affect_pipe.extractors.acoustic.evidence import hear, quality_of
from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.interfaces import Arrays, AudioStage, Source
from affect_pipe.pipeline.records import FeatureBlock, FeatureSpec, FloatArray, Utterance


def patch_starts(n_samples: int, window: int, hop: int) -> list[int]:
    """First samples of the patches of a recording of ``n_samples``.

    A recording shorter than one window has one patch, which goes on in silence; what is left
    behind the last whole window belongs to no patch, as in the published tools.
    """
    if n_samples == 0:
        return []
    return list(range(0, max(n_samples - window, 0) + 1, hop))


def describe(
    spec: FeatureSpec, stage: AudioStage, source: Source, utterances: Sequence[Utterance]
) -> FeatureBlock:
    """Give every utterance the mean of its patches.

    An utterance's patches are those whose centre lies in it; one that holds none takes the patch
    whose centre is nearest to its own.

    Parameters
    ----------
    stage : AudioStage
        Gives ``time_s`` and ``end_s`` float64 [n], ``values`` float32 [n, dim].

    Returns
    -------
    FeatureBlock
        float32 [n_utterances, dim]; quality ``speech_s`` and ``snr_db``.
    """
    heard = hear(source, utterances)
    values = np.zeros((len(utterances), spec.dim), np.float32)
    present = np.array([one.reason is None for one in heard], np.bool_)
    if present.any():
        arrays = source.sound(stage)
        for row in np.flatnonzero(present):
            values[row] = _mean(arrays, utterances[row])
    return FeatureBlock(
        spec, values, present, tuple(one.reason for one in heard), quality_of(heard)
    )


def _mean(arrays: Arrays, utterance: Utterance) -> FloatArray:
    centres = (arrays["time_s"] + arrays["end_s"]) / 2
    inside = np.flatnonzero((centres >= utterance.start_s) & (centres < utterance.end_s))
    if not len(inside):
        middle = (utterance.start_s + utterance.end_s) / 2
        inside = np.array([int(np.argmin(np.abs(centres - middle)))])
    mean: FloatArray = arrays["values"][inside].mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def table(spec: FeatureSpec, stage: AudioStage, source: Source) -> FrameTable:
    """Return all patches of the file; no rows where it has no audio."""
    arrays = source.sound(stage)
    empty = np.zeros(0, np.float64)
    return FrameTable(
        spec=spec,
        columns=spec.columns,
        units=("",) * spec.dim,
        time_s=np.asarray(arrays.get("time_s", empty), np.float64),
        values=np.asarray(arrays.get("values", np.zeros((0, spec.dim))), np.float32),
        end_s=np.asarray(arrays.get("end_s", empty), np.float64),
    )
