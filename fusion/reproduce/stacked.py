"""Cells of one dataset trained together, as one batched model: what pays on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from affect_pipe.fusion.reproduce.cells import (
    CellResult,
    Device,
    fit_on,
    make_result,
    selection_score,
    targets_of,
)
from affect_pipe.fusion.reproduce.source import Splits
from affect_pipe.fusion.reproduce.tables import Setup

if TYPE_CHECKING:
    from affect_pipe.fusion.stacked.plan import Predictions, RunPlan

# Batches of one length at one time for every run: no run is padded for another.
ORDER_SEED = 1


def stacks(jobs: Sequence[tuple[Setup, int]]) -> list[list[int]]:
    """Group cells that can be trained together: places in ``jobs``, cells that cannot left out."""
    from affect_pipe.fusion.config import LossWeightingSettings
    from affect_pipe.fusion.stacked.plan import unstackable

    groups: dict[tuple[object, ...], list[int]] = {}
    for place, (setup, seed) in enumerate(jobs):
        plain = not setup.features and setup.loss_weighting == LossWeightingSettings()
        if not plain or setup.protocol == "none" or unstackable([_plan(setup, seed, {})]):
            continue
        alike = (setup.protocol, setup.epochs, setup.batch_size, sorted(setup.settings.items()))
        groups.setdefault(tuple(map(str, alike)), []).append(place)
    return list(groups.values())


def run_stack(
    jobs: Sequence[tuple[Setup, int]],
    splits: Splits,
    device: Device,
    tick: Callable[[], None] | None = None,
) -> list[CellResult]:
    """Train cells of one group of `stacks` on the same splits.

    Parameters
    ----------
    tick : callable, optional
        Called after each epoch of all of them.

    Returns
    -------
    list of CellResult
        In the order of the jobs.
    """
    from affect_pipe.fusion.stacked.training import train_stacked
    from affect_pipe.fusion.training_events import TrainingEvent

    first = jobs[0][0]
    modalities = tuple(dict.fromkeys(m for setup, _ in jobs for m in setup.modalities))
    # Modalities are normalised each by itself, so one normaliser serves every subset of them.
    widest = first.model_copy(update={"modalities": modalities})
    normaliser = fit_on(splits.train, widest, splits.columns)
    plans = [
        _plan(setup, seed, {m: normaliser.dims[m] for m in setup.modalities}, str(place))
        for place, (setup, seed) in enumerate(jobs)
    ]
    cross_fit = first.protocol == "cross-fit"
    judged = splits.dev if first.protocol == "validation-only" else splits.test
    wanted = [targets_of(setup, splits.dev) for setup, _ in jobs]

    def score(plan: RunPlan, said: Mapping[str, Predictions]) -> float:
        place = int(plan.name)
        return selection_score(jobs[place][0], wanted[place], said["dev"])

    def listen(event: TrainingEvent) -> None:
        if event.state == "epoch" and tick is not None:
            tick()

    evaluated = {"judged": judged} if cross_fit else {"dev": splits.dev, "judged": judged}
    outcomes = train_stacked(
        plans,
        splits.train,
        normaliser,
        evaluated=evaluated,
        score=None if cross_fit else score,
        keep="all" if cross_fit else "best",
        device=device,
        listen=listen,
    )
    results = []
    for (setup, _), outcome in zip(jobs, outcomes, strict=True):
        said = outcome.predictions["judged"]
        own = {task.name: said[task.name] for task in setup.tasks}
        if cross_fit:
            results.append(make_result(judged, setup, own))
        else:
            values = {name: array[0] for name, array in own.items()}
            results.append(make_result(judged, setup, values, outcome.best_epoch))
    return results


def _plan(setup: Setup, seed: int, dims: Mapping[str, int], name: str = "cell") -> RunPlan:
    from affect_pipe.fusion.stacked.plan import RunPlan
    from affect_pipe.fusion.training_settings import TrainingSettings

    settings = TrainingSettings(
        epochs=setup.epochs,
        patience=setup.patience,
        batch_size=setup.batch_size,
        learning_rate=setup.learning_rate,
        seed=seed,
        order_seed=ORDER_SEED,
    )
    return RunPlan(
        name=name,
        dims=dict(dims),  # type: ignore[arg-type]
        tasks=setup.tasks,
        settings=settings,
        backbone=setup.model,
        backbone_settings=setup.settings,
    )
