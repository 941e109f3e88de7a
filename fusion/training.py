"""One plain, deterministic training loop over dialogues."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field

from affect_pipe.fusion.batch import Dialogue, collate
from affect_pipe.fusion.config import Settings
from affect_pipe.fusion.inference import batches, deterministic
from affect_pipe.fusion.models.fusion import FusionModel
from affect_pipe.fusion.normalise import Normaliser

EpochDialogues = Callable[[int, np.random.Generator], Sequence[Dialogue]]
Validate = Callable[[FusionModel], Mapping[str, float]]
Progress = Callable[[dict[str, Any]], None]


class TrainingSettings(Settings):
    """How a model is trained; the defaults are akhtar2020's, Table 2 and section 4.4."""

    epochs: int = Field(default=50, gt=0)
    learning_rate: float = Field(default=1e-3, gt=0, description="Of Adam.")
    final_learning_rate: float | None = Field(
        default=None, gt=0, description="Reached by a cosine over the epochs; null keeps the rate."
    )
    weight_decay: float = Field(
        default=0.0, ge=0, description="Decoupled from the gradient (AdamW)."
    )
    batch_size: int = Field(
        default=16, gt=0, description="Dialogues a batch (the paper: 16 and 32)."
    )
    batch_utterances: int | None = Field(
        default=None,
        gt=0,
        description="Utterances a batch instead, padding included, so that a corpus of single "
        "utterances makes few batches.",
    )
    gradient_clip: float | None = Field(
        default=None, gt=0, description="Largest norm of the gradient."
    )
    average_decay: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Validate and keep an exponential moving average of the weights, with this "
        "decay a step; 0 for none.",
    )
    average_from_epoch: int = Field(
        default=1,
        gt=0,
        description="Epoch with which the average begins anew: from then on all steps count the "
        "same until the decay takes over (stochastic weight averaging, Izmailov et al. 2018).",
    )
    patience: int | None = Field(
        default=None, gt=0, description="Stop after so many epochs without a better score."
    )
    seed: int = Field(default=1, ge=0)
    threads: int = Field(
        default=1,
        gt=0,
        description="CPU threads. Their number changes sums in the last bits, and more than one "
        "seldom pays at these widths: on a busy machine two are many times slower.",
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"


@dataclass(frozen=True)
class TrainingOutcome:
    """How training went; the model given to `train` holds the best epoch's weights."""

    best_epoch: int
    best_score: float
    history: tuple[dict[str, Any], ...]


def train(
    model: FusionModel,
    epoch_dialogues: EpochDialogues,
    normaliser: Normaliser,
    settings: TrainingSettings,
    validate: Validate,
    *,
    metrics_path: Path | None = None,
    progress: Progress | None = None,
) -> TrainingOutcome:
    """Train ``model`` in place and leave it with the weights of its best epoch, in eval mode.

    Weights are initialised by the caller: make the model inside `seeded(settings.seed)`.

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

    Raises
    ------
    ValueError
        If validation gives no finite score, or the loss stops being finite.
    """
    device = choose_device(settings.device)
    model.to(device)
    # Without weight decay AdamW is Adam. The fused step takes a fifth of the time on a CPU.
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    average = _Average(model, settings.average_decay) if settings.average_decay else None
    best_epoch, best_score, best_state = 0, -math.inf, _copy_state(model)
    history: list[dict[str, Any]] = []
    if metrics_path is not None:
        metrics_path.write_text("", encoding="utf-8")
    with deterministic(settings.threads), seeded(settings.seed):
        for epoch in range(1, settings.epochs + 1):
            started = time.perf_counter()
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(settings, epoch)
            # A generator an epoch: what one epoch draws does not move the next.
            rng = np.random.default_rng([settings.seed, epoch])
            dialogues = epoch_dialogues(epoch, rng)
            if average is not None and epoch == settings.average_from_epoch > 1:
                average.restart(model)
            losses = _run_epoch(model, dialogues, normaliser, settings, optimiser, average, rng)
            trained_s = time.perf_counter() - started
            with torch.random.fork_rng(devices=[]):
                metrics = _validated(model, validate, average)
            score = metrics["score"]
            if score > best_score:
                best_epoch, best_score = epoch, score
                best_state = _copy_state(model) if average is None else average.copy_state()
            record = {
                "epoch": epoch,
                "loss": losses,
                "validation": metrics,
                "best_epoch": best_epoch,
                "train_s": round(trained_s, 3),
                "validate_s": round(time.perf_counter() - started - trained_s, 3),
            }
            history.append(record)
            if metrics_path is not None:
                with metrics_path.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(record) + "\n")
            if progress is not None:
                progress(record)
            if settings.patience is not None and epoch - best_epoch >= settings.patience:
                break
    model.load_state_dict(best_state)
    model.eval()
    return TrainingOutcome(best_epoch, best_score, tuple(history))


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


def choose_device(device: str) -> torch.device:
    """Return the device to train on: ``auto`` takes a GPU if there is one."""
    name = device
    if device == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        # Without it cuBLAS picks its workspace freely and sums differ between runs.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device(name)


def learning_rate(settings: TrainingSettings, epoch: int) -> float:
    """Learning rate of an epoch, counted from 1."""
    if settings.final_learning_rate is None or settings.epochs == 1:
        return settings.learning_rate
    done = (epoch - 1) / (settings.epochs - 1)
    share = (1 + math.cos(math.pi * done)) / 2
    low, high = settings.final_learning_rate, settings.learning_rate
    return low + (high - low) * share


def _run_epoch(
    model: FusionModel,
    dialogues: Sequence[Dialogue],
    normaliser: Normaliser,
    settings: TrainingSettings,
    optimiser: torch.optim.Optimizer,
    average: _Average | None,
    rng: np.random.Generator,
) -> dict[str, float]:
    """One pass over the dialogues; returns the mean loss of each task and in all."""
    model.train()
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    names = tuple(model.tasks)
    for chosen in shuffled_batches(dialogues, settings, rng):
        batch = collate(chosen, model.dims, normaliser, names).to(model.device)
        losses = model.losses(batch, model(batch))
        if not losses:
            continue
        total = model.total_loss(losses)
        if not math.isfinite(total.item()):
            raise ValueError(f"The training loss became {total.item()}: lower the learning rate.")
        optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        if settings.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
        optimiser.step()
        if average is not None:
            average.update(model)
        for name, loss in (*losses.items(), ("total", total)):
            sums[name] = sums.get(name, 0.0) + loss.item()
            counts[name] = counts.get(name, 0) + 1
    return {name: sums[name] / counts[name] for name in sums}


def shuffled_batches(
    dialogues: Sequence[Dialogue], settings: TrainingSettings, rng: np.random.Generator
) -> list[list[Dialogue]]:
    """Cut into batches of similar length, in random order, ties of length broken at random."""
    order = rng.permutation(len(dialogues))
    shuffled = [dialogues[index] for index in order if len(dialogues[index])]
    groups = list(batches(shuffled, settings.batch_size, settings.batch_utterances))
    return [[shuffled[index] for index in groups[place]] for place in rng.permutation(len(groups))]


def _validated(
    model: FusionModel, validate: Validate, average: _Average | None
) -> dict[str, float]:
    if average is None:
        metrics = dict(validate(model))
    else:
        with average.in_place(model):
            metrics = dict(validate(model))
    if not math.isfinite(metrics.get("score", math.nan)):
        raise ValueError(f"Validation must give a finite 'score', got {metrics}")
    return metrics


def _copy_state(model: FusionModel) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


class _Average:
    """Exponential moving average of a model's weights.

    Started afresh with `restart`, it is the plain mean of the steps since, until there are so many
    that the decay is the slower of the two.
    """

    def __init__(self, model: FusionModel, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        # A mean of everything would drag the random start along; this forgets it fast.
        self.head_start = 9
        self.state = _copy_state(model)

    def restart(self, model: FusionModel) -> None:
        """Forget all steps so far; the weights are good enough to count fully from now on."""
        self.steps, self.head_start = 0, 1
        self.state = _copy_state(model)

    def update(self, model: FusionModel) -> None:
        """Move towards the model's weights; faster at first, to forget the start."""
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + self.head_start))
        with torch.no_grad():
            for name, value in model.state_dict().items():
                self.state[name].lerp_(value, 1 - decay)

    def copy_state(self) -> dict[str, torch.Tensor]:
        """Return a copy of the averaged weights."""
        return {name: value.clone() for name, value in self.state.items()}

    def in_place(self, model: FusionModel) -> _Swapped:
        """Put the averaged weights into the model for a while."""
        return _Swapped(model, self.state)


class _Swapped:
    def __init__(self, model: FusionModel, state: dict[str, torch.Tensor]) -> None:
        self.model, self.state = model, state

    def __enter__(self) -> None:
        self.own = _copy_state(self.model)
        self.model.load_state_dict(self.state)

    def __exit__(self, *details: object) -> None:
        self.model.load_state_dict(self.own)
