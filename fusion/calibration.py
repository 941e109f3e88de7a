"""Probabilities that mean what they say: temperatures found on validation data.

Guo et al. 2017, "On calibration of modern neural networks". The temperature of a task lives in the
task's settings, so that evaluation, thresholds and prediction all see the same probabilities;
`affect_pipe.fusion.tasks` applies it. Calibrate before thresholds are chosen: a temperature moves
the probabilities that thresholds are compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from affect_pipe.fusion.batch import Dialogue, collate
from affect_pipe.fusion.config import SINGLE_LABEL_TASKS, TaskName, TaskSettings
from affect_pipe.fusion.normalise import Normaliser
from affect_pipe.fusion.reliability import N_BINS, Reliability, reliability, reliability_diagram
from affect_pipe.pipeline.records import FloatArray

if TYPE_CHECKING:
    from affect_pipe.fusion.models.fusion import FusionModel

# A separable validation set would drive the temperature to zero, a hopeless one to infinity.
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Calibration:
    """What a temperature does for one task on the data it was found on."""

    temperature: float
    before: Reliability
    after: Reliability


def fit_temperature(task: TaskName, logits: Values, target: Values) -> float:
    """Find the temperature under which validation labels are most probable.

    Guo et al. 2017, section 4.2: one number that divides all logits, chosen by the negative log
    likelihood. Of a softmax for tasks with one class of several, of each sigmoid for emotion_class
    (all emotions share one temperature, since each has few positives).

    Parameters
    ----------
    task : task name
        A class task.
    logits : float [N, k]
    target : float [N, 1] or [N, k]
        NaN where unknown.

    Returns
    -------
    float
        In [0.05, 20]; 1 where no label is known.

    Raises
    ------
    ValueError
        If the task predicts no probability.
    """
    if not task.endswith("_class"):
        raise ValueError(f"{task} predicts no probability to calibrate")
    from scipy.optimize import minimize_scalar

    loss = _likelihood(task, np.asarray(logits, np.float64), np.asarray(target, np.float64))
    if loss is None:
        return 1.0
    # Convex in the inverse, so it has one minimum in the logarithm too.
    bounds = np.log([MIN_TEMPERATURE, MAX_TEMPERATURE])
    found = minimize_scalar(
        lambda x: loss(float(np.exp(-x))), bounds=bounds, method="bounded", options={"xatol": 1e-5}
    )
    return float(np.exp(found.x))


def _likelihood(
    task: TaskName, logits: npt.NDArray[np.float64], target: npt.NDArray[np.float64]
) -> Callable[[float], float] | None:
    """Mean negative log likelihood by inverse temperature; None where no label is known."""
    if task in SINGLE_LABEL_TASKS:
        known = ~np.isnan(target[:, 0])
        rows, labels = logits[known], target[known, 0].astype(np.int64)
        own = rows[np.arange(len(rows)), labels]
        if not len(rows):
            return None
        return lambda inverse: float(np.mean(_log_sum_exp(inverse * rows) - inverse * own))
    known = ~np.isnan(target)
    # A sigmoid is a softmax of its logit and zero: -log p = log(1 + exp(-z)) for a label set.
    margins = np.where(target[known] > 0, logits[known], -logits[known])
    if not margins.size:
        return None
    return lambda inverse: float(np.mean(np.logaddexp(0.0, -inverse * margins)))


def _log_sum_exp(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    highest = rows.max(axis=1)
    total: npt.NDArray[np.float64] = highest + np.log(np.exp(rows - highest[:, None]).sum(axis=1))
    return total


def judged(
    task: TaskName, probabilities: Values, target: Values
) -> tuple[Values, npt.NDArray[np.bool_]]:
    """Return confidence and whether it was right, of predictions whose label is known.

    Of one class of several: the most probable class, and whether it was the label. Of
    emotion_class: every sigmoid by itself, and whether its emotion was there.

    Parameters
    ----------
    probabilities : float [N, k]
    target : float [N, 1] or [N, k]
        NaN where unknown.
    """
    if task in SINGLE_LABEL_TASKS:
        known = ~np.isnan(target[:, 0])
        rows = probabilities[known]
        return rows.max(axis=1), rows.argmax(axis=1) == target[known, 0]
    known = ~np.isnan(target)
    return probabilities[known], target[known] > 0


def calibrate_model(
    model: FusionModel,
    dialogues: Sequence[Dialogue],
    normaliser: Normaliser,
    *,
    min_labelled: int = 1,
) -> dict[TaskName, Calibration]:
    """Find a temperature for every class task and set it in the model, in place.

    Parameters
    ----------
    dialogues : sequence of Dialogue
        Validation data.
    min_labelled : int
        Utterances that must be labelled for a task: a handful would give any temperature.

    Returns
    -------
    dict of task name to Calibration
        Tasks with fewer known labels are left out, and as they were. `settings_of` gives the
        settings for the checkpoint.
    """
    from affect_pipe.fusion.inference import gather
    from affect_pipe.fusion.tasks import build_task

    outputs = predict_logits(model, dialogues, normaliser)
    found: dict[TaskName, Calibration] = {}
    for name, task in model.tasks.items():
        if not name.endswith("_class"):
            continue
        target, logits = gather(name, dialogues, outputs)
        if (~np.isnan(target)).any(axis=1).sum() < max(1, min_labelled):
            continue
        temperature = fit_temperature(name, logits, target)
        settings = task.settings.model_copy(update={"temperature": temperature})
        before, after = (
            reliability(*judged(name, _probabilities(name, logits / t), target))
            for t in (task.settings.temperature, temperature)
        )
        model.tasks[name] = build_task(settings)
        found[name] = Calibration(temperature, before, after)
    return found


def settings_of(model: FusionModel) -> tuple[TaskSettings, ...]:
    """Return the settings of a model's tasks, temperatures included, as a checkpoint holds them."""
    return tuple(task.settings for task in model.tasks.values())


def predict_logits(
    model: FusionModel, dialogues: Sequence[Dialogue], normaliser: Normaliser
) -> list[dict[TaskName, FloatArray]]:
    """Predict dialogues in evaluation mode: logits ``[U, width]`` by task, one dict a dialogue."""
    import torch

    from affect_pipe.fusion.inference import batches

    found: list[dict[TaskName, FloatArray]] = [{} for _ in dialogues]
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for indices in batches(dialogues, size=1, utterances=2048):
                chosen = [dialogues[index] for index in indices]
                outputs = model(collate(chosen, model.dims, normaliser).to(model.device))
                for name, logits in outputs.logits.items():
                    rows = logits.cpu().numpy()
                    for row, index in enumerate(indices):
                        found[index][cast(TaskName, name)] = rows[row, : len(dialogues[index])]
    finally:
        model.train(was_training)
    return found


def _probabilities(task: TaskName, logits: Values) -> npt.NDArray[np.float64]:
    from scipy.special import expit, softmax

    function = softmax if task in SINGLE_LABEL_TASKS else expit
    arguments = {"axis": 1} if task in SINGLE_LABEL_TASKS else {}
    probabilities: npt.NDArray[np.float64] = function(np.asarray(logits, np.float64), **arguments)
    return probabilities


def card_section(calibrations: Mapping[TaskName, Calibration]) -> tuple[str, dict[str, bytes]]:
    """Describe a calibration for the model card.

    Returns
    -------
    str
        Markdown.
    dict of file name to bytes
        The pictures it shows, as `affect_pipe.fusion.checkpoint.save` takes them.
    """
    lines = [
        "## Calibration",
        "",
        "Expected calibration error on the validation data that the temperatures were found on "
        f"({N_BINS} bins of equal width; Guo et al. 2017).",
        "",
        "| task | temperature | ECE before | ECE after |",
        "|---|---|---|---|",
    ]
    pictures: dict[str, bytes] = {}
    for name, found in calibrations.items():
        errors = f"{found.before.error:.3f} | {found.after.error:.3f}"
        lines.append(f"| {name} | {found.temperature:.3f} | {errors} |")
    lines.append("")
    for name, found in calibrations.items():
        file = f"reliability-{name}.png"
        panels = {"before": found.before, "after": found.after}
        pictures[file] = reliability_diagram(panels, str(name))
        lines.append(f"![Reliability of {name}]({file})")
    return "\n".join(lines) + "\n", pictures
