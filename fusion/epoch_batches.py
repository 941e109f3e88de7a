"""Which dialogues of an epoch go into which batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.inference import batches
from affect_pipe.fusion.training_settings import TrainingSettings


def shuffled_batches(
    dialogues: Sequence[Dialogue],
    settings: TrainingSettings,
    rng: np.random.Generator,
    epoch: int = 1,
) -> list[list[Dialogue]]:
    """Cut into batches of similar length, in random order, ties of length broken at random."""
    lengths = [len(dialogue) for dialogue in dialogues]
    return [[dialogues[i] for i in group] for group in batch_indices(lengths, settings, rng, epoch)]


def batch_indices(
    lengths: Sequence[int], settings: TrainingSettings, rng: np.random.Generator, epoch: int
) -> list[list[int]]:
    """`shuffled_batches` by the lengths of the dialogues alone; gives their indices."""
    order = [int(index) for index in rng.permutation(len(lengths)) if lengths[index]]
    groups = list(
        batches([range(lengths[i]) for i in order], settings.batch_size, settings.batch_utterances)
    )
    if settings.order_seed is not None:
        rng = np.random.default_rng([settings.order_seed, epoch])
    return [[order[index] for index in groups[place]] for place in rng.permutation(len(groups))]
