"""Running a model over dialogues without training it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager

import numpy as np
import torch

from affect_pipe.fusion.batch import Batch, Dialogue, collate, target_width
from affect_pipe.fusion.config import TaskName
from affect_pipe.fusion.models.fusion import FusionModel
from affect_pipe.fusion.normalise import Normaliser
from affect_pipe.fusion.tasks import Thresholds, paper_thresholds
from affect_pipe.pipeline.records import FloatArray


@contextmanager
def fixed_threads(threads: int) -> Iterator[None]:
    """Use so many CPU threads for a while; with one, sums have one order everywhere.

    Enough for prediction, whose CPU kernels are deterministic: `deterministic` costs a second or
    two of imports inside torch.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def deterministic(threads: int) -> Iterator[None]:
    """Deterministic kernels, gradients included, and so many CPU threads for a while."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        with fixed_threads(threads):
            yield
    finally:
        torch.use_deterministic_algorithms(before)


def batches(
    dialogues: Sequence[Sized], size: int, utterances: int | None = None
) -> Iterator[list[int]]:
    """Cut the indices of dialogues into batches of similar length, shortest first.

    Parameters
    ----------
    dialogues : sequence
        Dialogues, or anything of their lengths.
    size : int
        Most dialogues a batch; ignored where ``utterances`` is given.
    utterances : int, optional
        Most utterances a batch, padding included (one longer dialogue is a batch by itself).
    """
    order = sorted(range(len(dialogues)), key=lambda index: len(dialogues[index]))
    batch: list[int] = []
    for index in order:
        padded = (len(batch) + 1) * max(1, len(dialogues[index]))
        full = padded > utterances if utterances is not None else len(batch) >= size
        if batch and full:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def predict_values(
    model: FusionModel, dialogues: Sequence[Dialogue], normaliser: Normaliser
) -> list[dict[TaskName, FloatArray]]:
    """Predict dialogues in evaluation mode, batched by length.

    Returns
    -------
    list of dict of task name to float32 [U, width], one a dialogue, in their order
        Probabilities and scaled intensities, as `Task.activate` gives them.
    """
    values: list[dict[TaskName, FloatArray]] = [{} for _ in dialogues]
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for indices in batches(dialogues, size=1, utterances=2048):
                chosen = [dialogues[index] for index in indices]
                batch: Batch = collate(chosen, model.dims, normaliser).to(model.device)
                outputs = model(batch)
                for name, task in model.tasks.items():
                    activated = task.activate(outputs.logits[name]).cpu().numpy()
                    for row, index in enumerate(indices):
                        values[index][name] = activated[row, : len(dialogues[index])]
    finally:
        model.train(was_training)
    return values


def evaluate(
    model: FusionModel,
    dialogues: Sequence[Dialogue],
    normaliser: Normaliser,
    thresholds: Thresholds | None = None,
) -> dict[TaskName, dict[str, float]]:
    """Score a model on labelled dialogues; metrics by task, tasks without a label left out.

    Utterances with no modality at all are not scored.
    """
    values = predict_values(model, dialogues, normaliser)
    scores: dict[TaskName, dict[str, float]] = {}
    for name, task in model.tasks.items():
        target, estimate = gather(name, dialogues, values)
        found = task.score(target, estimate, thresholds or paper_thresholds())
        if found:
            scores[name] = found
    return scores


def gather(
    task: TaskName,
    dialogues: Sequence[Dialogue],
    values: Sequence[Mapping[TaskName, FloatArray]],
) -> tuple[FloatArray, FloatArray]:
    """Targets ``[N, w]`` (NaN unknown) and predictions ``[N, k]`` of one task, end to end.

    Utterances with no modality at all are left out.
    """
    targets, estimates = [np.empty((0, target_width(task)), np.float32)], []
    for dialogue, estimate in zip(dialogues, values, strict=True):
        if task in dialogue.targets:
            judged = dialogue.present.any(axis=1)
            targets.append(dialogue.targets[task][judged])
            estimates.append(estimate[task][judged])
    if not estimates:
        return targets[0], np.empty((0, 0), np.float32)
    return np.concatenate(targets), np.concatenate(estimates)
