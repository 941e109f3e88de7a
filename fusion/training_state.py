"""The state of a training between two epochs, in one file, so that it survives being killed.

The file is safetensors; everything that is no tensor stands as JSON in its header. It is written
under another name and renamed, so a reader finds the state of one epoch whole, or the one before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from affect_pipe.fusion.weight_average import State, WeightAverage
from affect_pipe.pipeline.atomic import atomic_write
from affect_pipe.pipeline.errors import CheckpointError

SCHEMA = "affect-pipe-training-state/1"
_RNG_CPU, _RNG_CUDA = "rng.cpu", "rng.cuda"


@dataclass(eq=False)
class TrainingState:
    """Everything the next epoch depends on, but for the data.

    Attributes
    ----------
    epoch : int
        The last one finished; 0 before the first.
    best_epoch, best_score : int, float
        And `best`, the weights of that epoch.
    history : list of dict
        The record of each epoch, as in ``metrics.jsonl``.
    """

    best: State
    epoch: int = 0
    best_epoch: int = 0
    best_score: float = float("-inf")
    history: list[dict[str, Any]] = field(default_factory=list)


def save_state(
    path: Path,
    state: TrainingState,
    settings: dict[str, Any],
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    average: WeightAverage | None,
    weighting: torch.nn.Module,
    scaler: dict[str, Any],
) -> None:
    """Write the state after an epoch, torch's generators included.

    Parameters
    ----------
    settings : dict
        JSON form of what the training was started with; asked again in `load_state`.
    weighting : Module
        The weights of the losses; holds no tensor where they are fixed.
    scaler : dict
        State of the float16 loss scale; empty for other precisions.

    Raises
    ------
    CheckpointError
        If the file cannot be written.
    """
    from safetensors.torch import save

    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in state.best.items()}
    for index, entries in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in entries.items()}
    if average is not None:
        tensors |= {f"average.{name}": value for name, value in average.state.items()}
    tensors |= {f"weighting.{name}": value for name, value in weighting.state_dict().items()}
    tensors[_RNG_CPU] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors[_RNG_CUDA] = torch.cuda.get_rng_state()
    record = {
        "schema": SCHEMA,
        "settings": settings,
        "epoch": state.epoch,
        "best_epoch": state.best_epoch,
        "best_score": state.best_score,
        "history": state.history,
        "average": None if average is None else [average.steps, average.head_start],
        "scaler": scaler,
    }
    # Copies: on a GPU the weights of one recurrence share one storage, which the format refuses.
    copies = {name: value.detach().cpu().clone() for name, value in tensors.items()}
    try:
        atomic_write(path, [save(copies, metadata={"training": json.dumps(record)})])
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error}.") from error


def load_state(
    path: Path,
    settings: dict[str, Any],
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    average: WeightAverage | None,
    weighting: torch.nn.Module,
) -> tuple[TrainingState, dict[str, Any]]:
    """Put everything back as it was after the last epoch that was saved.

    Returns
    -------
    TrainingState
    dict
        State of the float16 loss scale.

    Raises
    ------
    CheckpointError
        If the file is damaged, or of a training with other settings or another model.
    """
    record, tensors = _read(path)
    _check_settings(path, record.get("settings", {}), settings)
    parts: dict[str, State] = {"model": {}, "best": {}, "average": {}, "weighting": {}}
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimiser":
            index, _, entry = rest.partition(".")
            moments.setdefault(int(index), {})[entry] = value
        elif kind in parts:
            parts[kind][rest] = value
    device = next(model.parameters()).device
    try:
        model.load_state_dict(parts["model"])
        weighting.load_state_dict(parts["weighting"])
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": moments, "param_groups": groups})
        best = {name: parts["best"][name].to(device) for name in parts["model"]}
        if average is not None:
            average.steps, average.head_start = record["average"]
            average.state = {name: parts["average"][name].to(device) for name in parts["model"]}
        torch.set_rng_state(tensors[_RNG_CPU])
        if torch.cuda.is_available() and _RNG_CUDA in tensors:
            torch.cuda.set_rng_state(tensors[_RNG_CUDA])
        state = TrainingState(
            best, record["epoch"], record["best_epoch"], record["best_score"], record["history"]
        )
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        raise CheckpointError(
            f"{path} is the state of another model or damaged ({error}): "
            "choose another run folder, or remove this one to begin anew."
        ) from error
    return state, record.get("scaler", {})


def _read(path: Path) -> tuple[dict[str, Any], State]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            record = json.loads((file.metadata() or {}).get("training", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise CheckpointError(
            f"{path} is no training state of {SCHEMA!r}: remove the run folder to begin anew, or "
            "go on with the version of affect-pipe that wrote it."
        )
    return record, tensors


def _check_settings(path: Path, found: Any, wanted: dict[str, Any]) -> None:
    if not isinstance(found, dict):
        found = {}
    names = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
    if names:
        was, now = ({k: side.get(k) for k in names} for side in (found, wanted))
        raise CheckpointError(
            f"{path.parent} was trained with {was}, now asked for with {now}: give the same "
            "settings to go on with it, or choose another run folder."
        )
