"""One plain, deterministic training loop over dialogues; resumable, on one device or several."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from affect_pipe.fusion.batch import Dialogue, collate
from affect_pipe.fusion.epoch_batches import shuffled_batches
from affect_pipe.fusion.fabric import Engine, choose_device
from affect_pipe.fusion.inference import deterministic
from affect_pipe.fusion.models.fusion import FusionModel
from affect_pipe.fusion.normalise import Normaliser
from affect_pipe.fusion.run_folder import RunFolder
from affect_pipe.fusion.training_events import Listener, Pace
from affect_pipe.fusion.training_settings import TrainingSettings, learning_rate
from affect_pipe.fusion.training_state import TrainingState, load_state, save_state
from affect_pipe.fusion.weight_average import WeightAverage, copy_state
from affect_pipe.pipeline.errors import TrainingError

__all__ = [
    "EpochDialogues",
    "Progress",
    "TrainingOutcome",
    "TrainingSettings",
    "Validate",
    "choose_device",
    "learning_rate",
    "seeded",
    "shuffled_batches",
    "train",
]

EpochDialogues = Callable[[int, np.random.Generator], Sequence[Dialogue]]
Validate = Callable[[FusionModel], Mapping[str, float]]
Progress = Callable[[dict[str, Any]], None]

# Distance between the seeds of the processes that share a training.
_RANK_STRIDE = 1_000_003


@dataclass(frozen=True)
class TrainingOutcome:
    """How training went; the model given to `train` holds the weights that were to be kept.

    ``is_main`` is False in all but one of the processes that shared the training: only that one
    should write.
    """

    best_epoch: int
    best_score: float
    history: tuple[dict[str, Any], ...]
    is_main: bool = True


def train(
    model: FusionModel,
    epoch_dialogues: EpochDialogues,
    normaliser: Normaliser,
    settings: TrainingSettings,
    validate: Validate,
    *,
    metrics_path: Path | None = None,
    progress: Progress | None = None,
    run: RunFolder | None = None,
    save_every_s: float = 30.0,
    listen: Listener | None = None,
) -> TrainingOutcome:
    """Train ``model`` in place and leave it with the weights of its best epoch, in eval mode.

    Weights are initialised by the caller: make the model inside `seeded(settings.seed)`.

    With a run folder, training goes on after the last epoch that was saved there, and ends with
    the very bytes that an undisturbed training ends with (same data, machine and versions), as
    long as `epoch_dialogues` and `validate` depend on their arguments alone. A finished run gives
    its outcome at once.

    With several devices this process and its like share each step; the caller's program is
    started once for each, up to here and beyond.

    Parameters
    ----------
    model : FusionModel
    epoch_dialogues : callable (epoch, rng) -> dialogues
        The training dialogues of an epoch, raw; they may be paired and thinned anew each time
        with the generator given. Epochs count from 1.
    normaliser : Normaliser
        Fitted on training data.
    validate : callable (model) -> metrics
        Called after each epoch; ``"score"`` decides, the higher the better.
    metrics_path : Path, optional
        One JSON line an epoch is written there.
    progress : callable, optional
        Receives the same record of each epoch.
    run : RunFolder, optional
        Where metrics, TensorBoard log and state are kept.
    save_every_s : float
        The state is saved after the first epoch that ends so many seconds after the last time.
    listen : callable (TrainingEvent), optional
        Hears of every step, with the time left.

    Raises
    ------
    TrainingError
        If validation gives no finite score, or the loss stops being finite.
    MissingDependencyError
        If Lightning Fabric is not installed.
    CheckpointError
        If the run folder's state does not fit or cannot be written.
    """
    loop = _Loop(model, normaliser, settings, run, metrics_path)
    with deterministic(settings.threads), seeded(settings.seed + _RANK_STRIDE * loop.engine.rank):
        loop.restore()
        state = loop.state
        pace = Pace(settings.epochs, state.epoch, listen if loop.engine.is_main else None)
        pace.tell("started", state.epoch)
        saved = time.perf_counter()
        while not loop.finished():
            record = loop.run_epoch(epoch_dialogues, validate, pace)
            # Metrics first: lines beyond the saved epoch are taken back, missing ones are not made.
            loop.log(record)
            if loop.finished() or time.perf_counter() - saved >= save_every_s:
                loop.save()
                saved = time.perf_counter()
            if progress is not None and loop.engine.is_main:
                progress(record)
            pace.tell("epoch", state.epoch, record=record)
        pace.tell("finished", state.epoch)
    if run is not None:
        run.close()
    model.load_state_dict(state.best)
    model.eval()
    return TrainingOutcome(
        state.best_epoch, state.best_score, tuple(state.history), loop.engine.is_main
    )


class seeded:  # noqa: N801  (a context manager, used like a function)
    """Seed torch's generators for a while and put them back afterwards."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._fork = torch.random.fork_rng(
            devices=list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
        )

    def __enter__(self) -> None:
        self._fork.__enter__()
        torch.manual_seed(self.seed)

    def __exit__(self, *details: object) -> None:
        self._fork.__exit__(*details)  # type: ignore[arg-type]


class _Loop:
    """A training between its epochs."""

    def __init__(
        self,
        model: FusionModel,
        normaliser: Normaliser,
        settings: TrainingSettings,
        run: RunFolder | None,
        metrics_path: Path | None,
    ) -> None:
        self.model, self.normaliser, self.settings = model, normaliser, settings
        self.engine = Engine(model, settings)
        self.average = (
            WeightAverage(model, settings.average_decay) if settings.average_decay else None
        )
        self.state = TrainingState(copy_state(model))
        self._run = run
        self._metrics_path = metrics_path if self.engine.is_main else None

    def restore(self) -> None:
        """Go back to where an earlier process was, if there was one, and open the logs."""
        run = self._run
        if run is not None:
            if run.state_path.is_file():
                optimiser = self.engine.optimiser.optimizer
                self.state, scaler = load_state(
                    run.state_path,
                    self._asked(),
                    self.model,
                    optimiser,
                    self.average,
                    self.engine.weighting,
                )
                self.engine.load_scaler(scaler)
            if self.engine.is_main:
                run.begin(self.state.history, self.settings.seed, str(self.engine.fabric.device))
        if self._metrics_path is not None:
            lines = [json.dumps(record) + "\n" for record in self.state.history]
            self._metrics_path.write_text("".join(lines), encoding="utf-8")

    def finished(self) -> bool:
        """Whether there is no epoch left, or none that patience allows."""
        state, patience = self.state, self.settings.patience
        stale = state.epoch - state.best_epoch
        return state.epoch >= self.settings.epochs or (
            patience is not None and state.epoch > 0 and stale >= patience
        )

    def save(self) -> None:
        """Keep the state in the run folder, if there is one."""
        if self._run is not None and self.engine.is_main:
            save_state(
                self._run.state_path,
                self.state,
                self._asked(),
                self.model,
                self.engine.optimiser.optimizer,
                self.average,
                self.engine.weighting,
                self.engine.scaler(),
            )

    def log(self, record: dict[str, Any]) -> None:
        """Write an epoch's record."""
        if self._metrics_path is not None:
            with self._metrics_path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(record) + "\n")
        if self._run is not None and self.engine.is_main:
            self._run.append(record)

    def _asked(self) -> dict[str, Any]:
        return self.settings.model_dump(mode="json")

    def run_epoch(
        self, epoch_dialogues: EpochDialogues, validate: Validate, pace: Pace
    ) -> dict[str, Any]:
        """Train and validate one epoch; returns its record."""
        settings, state, epoch = self.settings, self.state, self.state.epoch + 1
        started = time.perf_counter()
        for group in self.engine.optimiser.param_groups:
            group["lr"] = learning_rate(settings, epoch)
        # A generator an epoch: what one epoch draws does not move the next.
        rng = np.random.default_rng([settings.seed, epoch])
        dialogues = epoch_dialogues(epoch, rng)
        if self.average is not None and epoch == settings.average_from_epoch > 1:
            self.average.restart(self.model)
        if self.engine.world_size > 1:
            # The state holds one process's generator; theirs begin each epoch anew.
            torch.manual_seed(settings.seed + epoch + _RANK_STRIDE * (1 + self.engine.rank))
        groups = shuffled_batches(dialogues, settings, rng, epoch)
        losses = self._pass(self._share(groups), epoch, pace)
        trained_s = time.perf_counter() - started
        with torch.random.fork_rng(devices=[]):
            metrics = self._validated(validate)
        state.epoch = epoch
        if metrics["score"] > state.best_score or settings.keep == "last":
            state.best_epoch, state.best_score = epoch, metrics["score"]
            average = self.average
            state.best = copy_state(self.model) if average is None else average.copy_state()
        deltas = self.engine.weighting.deltas()
        record = {
            "epoch": epoch,
            "loss": losses,
            **({"delta": deltas} if deltas else {}),
            "validation": metrics,
            "best_epoch": state.best_epoch,
            "train_s": round(trained_s, 3),
            "validate_s": round(time.perf_counter() - started - trained_s, 3),
        }
        state.history.append(record)
        return record

    def _share(self, groups: list[list[Dialogue]]) -> list[list[Dialogue]]:
        """Return this process's batches; all have as many, some serving twice if need be."""
        engine = self.engine
        missing = -len(groups) % engine.world_size
        return (groups + groups[:missing])[engine.rank :: engine.world_size]

    def _pass(self, groups: list[list[Dialogue]], epoch: int, pace: Pace) -> dict[str, float]:
        """One pass over the batches; returns the mean loss of each task and in all."""
        self.model.train()
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        names = tuple(self.model.tasks)
        for step, chosen in enumerate(groups, 1):
            batch = collate(chosen, self.model.dims, self.normaliser, names).to(self.model.device)
            losses = self.engine.losses(batch)
            if len(losses) == 1 and self.engine.world_size == 1:
                continue
            total = losses["total"]
            if not math.isfinite(total.item()):
                raise TrainingError(
                    f"training diverged (the loss became {total.item()}): lower the learning rate."
                )
            self.engine.step(total)
            if self.average is not None:
                self.average.update(self.model)
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0.0) + loss.item()
                counts[name] = counts.get(name, 0) + 1
            pace.tell("step", epoch, step, len(groups))
        return {name: sums[name] / counts[name] for name in sums}

    def _validated(self, validate: Validate) -> dict[str, float]:
        if self.average is None:
            metrics = dict(validate(self.model))
        else:
            with self.average.in_place(self.model):
                metrics = dict(validate(self.model))
        # One process's word, so that all keep the same epoch.
        metrics = dict(self.engine.fabric.broadcast(metrics))
        if not math.isfinite(metrics.get("score", math.nan)):
            raise TrainingError(
                f"validation gave no finite score ({metrics}): if training diverged, lower the "
                "learning rate."
            )
        return metrics
