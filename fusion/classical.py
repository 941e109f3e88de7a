"""Classical baselines through scikit-learn: majority, logistic regression, SVM, random forest.

They read the same dialogues and give the same values as a fusion model, so that metrics, thresholds
and statistics are shared. Each utterance is judged by itself, by early fusion: its normalised
vectors end to end, zeros for absent modalities, and one 0/1 flag a modality.

They are fitted in a moment and are not stored: scikit-learn's own format is pickle, which runs
whatever code a file holds, so there is no checkpoint of a classical model. Fit it anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import SINGLE_LABEL_TASKS, Settings, TaskName, TaskSettings
from affect_pipe.fusion.inference import gather
from affect_pipe.fusion.normalise import Normaliser
from affect_pipe.fusion.tasks import Task, Thresholds, build_task, paper_thresholds
from affect_pipe.pipeline.records import MODALITIES, FloatArray

# Solvers stop long before; too few steps would only make a warning and a worse fit.
MAX_ITERATIONS = 10_000


class ClassicalSettings(Settings):
    """Which method, and the few numbers that matter to it; the rest is scikit-learn's default."""

    kind: Literal["majority", "logistic", "svm", "random-forest"] = Field(
        description="majority: class shares and means of the training data; logistic: ridge "
        "regression for intensities; svm: support vector regression for them; random-forest: "
        "Breiman (2001), regression for them."
    )
    strength: float = Field(
        default=1.0,
        gt=0,
        description="Of logistic and svm: C, the inverse of the regularisation (alpha, of ridge).",
    )
    kernel: Literal["linear", "rbf"] = Field(
        default="linear",
        description="Of svm; rbf takes time that grows with the square of the utterances.",
    )
    trees: int = Field(default=200, gt=0, le=10_000, description="Of random-forest.")
    balanced: bool = Field(
        default=False,
        description="Weight classes by the inverse of their share in the training data.",
    )
    seed: int = Field(default=1, ge=0, description="Of random-forest; the others draw nothing.")


@dataclass(frozen=True, eq=False)
class _Output:
    """Fitted on some columns of one task: an estimator, or the constant that was all there was."""

    estimator: Any
    constant: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class ClassicalModel:
    """A fitted baseline; make it with `fit_classical`.

    Attributes
    ----------
    settings : ClassicalSettings
    tasks : mapping of task name to Task
        Those that had a label in the training data.
    normaliser : Normaliser
        As in fitting; its modalities are those the model reads.
    """

    settings: ClassicalSettings
    tasks: Mapping[TaskName, Task]
    normaliser: Normaliser
    outputs: Mapping[TaskName, tuple[_Output, ...]]

    def predict_values(self, dialogues: Sequence[Dialogue]) -> list[dict[TaskName, FloatArray]]:
        """Predict as `affect_pipe.fusion.inference.predict_values` does.

        Returns
        -------
        list of dict of task name to float32 [U, width], one a dialogue, in their order
            Class tasks: probabilities, of which the SVM's are the softmax (the sigmoid, of two
            classes and of each emotion) of its decision values, not calibrated. Intensities: cut
            to their range.
        """
        lengths = [len(dialogue) for dialogue in dialogues]
        rows = design(dialogues, self.normaliser)
        values: list[dict[TaskName, FloatArray]] = [{} for _ in dialogues]
        for name, task in self.tasks.items():
            found = _predict(task.settings, self.outputs[name], rows)
            parts = np.split(found, np.cumsum(lengths)[:-1])
            for own, part in zip(values, parts, strict=True):
                own[name] = part
        return values

    def evaluate(
        self, dialogues: Sequence[Dialogue], thresholds: Thresholds | None = None
    ) -> dict[TaskName, dict[str, float]]:
        """Score as `affect_pipe.fusion.inference.evaluate` does."""
        values = self.predict_values(dialogues)
        scores: dict[TaskName, dict[str, float]] = {}
        for name, task in self.tasks.items():
            target, estimate = gather(name, dialogues, values)
            found = task.score(target, estimate, thresholds or paper_thresholds())
            if found:
                scores[name] = found
        return scores


def fit_classical(
    settings: ClassicalSettings,
    tasks: Sequence[TaskSettings],
    dialogues: Sequence[Dialogue],
    normaliser: Normaliser,
) -> ClassicalModel:
    """Fit one estimator a single-label task, one a class of emotion_class, one an intensity.

    The same settings and dialogues give the same model. Utterances without any modality and
    labels that are unknown teach nothing; utterance and task weights are the estimators' sample
    weights.

    Parameters
    ----------
    settings : ClassicalSettings
    tasks : sequence of TaskSettings
        Their losses and heads have no meaning here. A task without any label is left out.
    dialogues : sequence of Dialogue
        Training data, raw.
    normaliser : Normaliser
        Fitted on training data; its modalities are read, the others are not.

    Raises
    ------
    ValueError
        If no task has a label.
    """
    rows = design(dialogues, normaliser)
    judged = rows[:, -len(normaliser.dims) :].any(axis=1)
    outputs: dict[TaskName, tuple[_Output, ...]] = {}
    for task in tasks:
        target, weights = _targets(task.name, dialogues)
        known = ~np.isnan(target) & (judged & (weights > 0))[:, None]
        if known.any():
            outputs[task.name] = tuple(
                _fit(settings, task, rows[here], target[here, column], weights[here])
                for column, here in enumerate(known.T)
            )
    if not outputs:
        raise ValueError("A classical model needs a label of at least one of its tasks")
    built = {task.name: build_task(task) for task in tasks if task.name in outputs}
    return ClassicalModel(settings, built, normaliser, outputs)


def design(dialogues: Sequence[Dialogue], normaliser: Normaliser) -> FloatArray:
    """Early fusion of all utterances, end to end.

    Returns
    -------
    float32 [N, sum of widths + modalities]
        In the order of `MODALITIES`: the normalised vectors, zero where absent, then the flags.
    """
    parts: list[FloatArray] = []
    flags: list[npt.NDArray[np.bool_]] = []
    for index, modality in enumerate(MODALITIES):
        if modality not in normaliser.dims:
            continue
        own, here = [], []
        for dialogue in dialogues:
            present = dialogue.present[:, index]
            raw = dialogue.features.get(modality)
            if raw is None:
                raw = np.zeros((len(dialogue), normaliser.dims[modality]), np.float32)
            # What lies in absent rows, NaN included, is not read.
            own.append(
                normaliser.apply(
                    modality, np.where(present[:, None], raw, np.float32(0.0)), present
                )
            )
            here.append(present)
        parts.append(np.concatenate(own))
        flags.append(np.concatenate(here))
    return np.concatenate([*parts, np.stack(flags, axis=1)], axis=1, dtype=np.float32)


def _targets(
    task: TaskName, dialogues: Sequence[Dialogue]
) -> tuple[FloatArray, npt.NDArray[np.float64]]:
    """Targets ``[N, w]``, NaN where unknown, and weights ``[N]`` of one task, end to end."""
    width = max((d.targets[task].shape[1] for d in dialogues if task in d.targets), default=1)
    targets, weights = [], []
    for dialogue in dialogues:
        n = len(dialogue)
        targets.append(dialogue.targets.get(task, np.full((n, width), np.nan, np.float32)))
        weight = np.ones(n) if dialogue.weights is None else dialogue.weights.astype(np.float64)
        weights.append(weight * dialogue.task_weights.get(task, np.float32(1.0)))
    return np.concatenate(targets), np.concatenate(weights)


def _is_class(task: TaskName) -> bool:
    return task in SINGLE_LABEL_TASKS or task == "emotion_class"


def _fit(
    settings: ClassicalSettings,
    task: TaskSettings,
    rows: FloatArray,
    target: FloatArray,
    weights: npt.NDArray[np.float64],
) -> _Output:
    """Fit one target ``[n]``: a class index, a 0/1 label or an intensity."""
    if len(target) == 0:
        # An emotion nobody labelled: as likely as not, and no degree.
        return _Output(None, np.array([0.5, 0.5] if _is_class(task.name) else [0.0], np.float32))
    if not _is_class(task.name):
        if settings.kind == "majority":
            return _Output(None, np.array([np.average(target, weights=weights)], np.float32))
        return _Output(_regressor(settings).fit(rows, target, sample_weight=weights))
    # An emotion is present or not; of one class of several the target is the index.
    labels = target.astype(np.int64) if task.name in SINGLE_LABEL_TASKS else (target > 0) * 1
    if settings.kind == "majority" or len(np.unique(labels)) == 1:
        width = task.width if task.name in SINGLE_LABEL_TASKS else 2
        shares = np.bincount(labels, weights=weights, minlength=width) / weights.sum()
        return _Output(None, shares.astype(np.float32))
    return _Output(_classifier(settings).fit(rows, labels, sample_weight=weights))


def _classifier(settings: ClassicalSettings) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC, LinearSVC

    balance = "balanced" if settings.balanced else None
    if settings.kind == "logistic":
        return LogisticRegression(
            C=settings.strength, max_iter=MAX_ITERATIONS, class_weight=balance
        )
    if settings.kind == "random-forest":
        return RandomForestClassifier(
            settings.trees, class_weight=balance, random_state=settings.seed
        )
    if settings.kernel == "rbf":
        return SVC(C=settings.strength, class_weight=balance)
    # The primal problem has one solution and its solver draws no random order.
    return LinearSVC(C=settings.strength, dual=False, max_iter=MAX_ITERATIONS, class_weight=balance)


def _regressor(settings: ClassicalSettings) -> Any:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import Ridge
    from sklearn.svm import SVR, LinearSVR

    if settings.kind == "logistic":
        return Ridge(alpha=1 / settings.strength)
    if settings.kind == "random-forest":
        return RandomForestRegressor(settings.trees, random_state=settings.seed)
    if settings.kernel == "rbf":
        return SVR(C=settings.strength)
    return LinearSVR(
        C=settings.strength,
        loss="squared_epsilon_insensitive",
        dual=False,
        max_iter=MAX_ITERATIONS,
    )


def _predict(task: TaskSettings, outputs: Sequence[_Output], rows: FloatArray) -> FloatArray:
    """Values ``[N, width]`` of one task."""
    if task.name in SINGLE_LABEL_TASKS:
        (output,) = outputs
        values = np.zeros((len(rows), task.width), np.float32)
        classes, probabilities = _probabilities(output, rows)
        values[:, classes] = probabilities
        return values
    columns = []
    for output in outputs:
        if _is_class(task.name):
            columns.append(_probabilities(output, rows)[1][:, 1])
        elif output.constant is not None:
            columns.append(np.repeat(output.constant, len(rows)))
        else:
            columns.append(output.estimator.predict(rows))
    low = -1.0 if task.name == "sentiment_intensity" else 0.0
    found: FloatArray = np.stack(columns, axis=1).clip(low, 1.0).astype(np.float32)
    return found


def _probabilities(
    output: _Output, rows: FloatArray
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.floating[Any]]]:
    """Class indices ``[k]`` and their probabilities ``[N, k]``."""
    if output.constant is not None:
        k = len(output.constant)
        return np.arange(k), np.broadcast_to(output.constant, (len(rows), k))
    estimator = output.estimator
    if len(rows) == 0:
        return estimator.classes_, np.zeros((0, len(estimator.classes_)))
    if hasattr(estimator, "predict_proba"):
        return estimator.classes_, estimator.predict_proba(rows)
    decision = estimator.decision_function(rows)
    if decision.ndim == 1:
        # The softmax of (0, d) is the sigmoid of d.
        decision = np.stack([np.zeros_like(decision), decision], axis=1)
    weights = np.exp(decision - decision.max(axis=1, keepdims=True))
    return estimator.classes_, weights / weights.sum(axis=1, keepdims=True)
