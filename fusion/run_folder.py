"""Run folders: what one training leaves behind, written so that it can be gone on with.

``config.json`` (what was asked for), ``environment.json`` (what it ran on), ``metrics.jsonl`` (a
line an epoch), ``tensorboard/``, ``state.safetensors`` (to resume from) and ``checkpoint/``.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affect_pipe.fusion import checkpoint as checkpoints
from affect_pipe.pipeline.atomic import atomic_write, is_temporary
from affect_pipe.pipeline.errors import CheckpointError, MissingDependencyError, UsageError
from affect_pipe.pipeline.optional import require

if TYPE_CHECKING:
    from affect_pipe.fusion.models.fusion import FusionModel
    from affect_pipe.fusion.normalise import Normaliser

CONFIG, ENVIRONMENT, METRICS = "config.json", "environment.json", "metrics.jsonl"
STATE, TENSORBOARD, CHECKPOINT = "state.safetensors", "tensorboard", "checkpoint"
# Whose versions can change what comes out.
_PACKAGES = ("affect-pipe", "torch", "numpy", "lightning-fabric", "safetensors")


class RunFolder:
    """The folder of one training.

    Parameters
    ----------
    path : Path
        A new or empty folder, or that of an earlier run.
    config : mapping
        JSON of everything the run depends on that the caller knows: model, tasks, data.
    resume : bool
        Whether an earlier run there may be gone on with.
    tell : callable (line)
        Hears, once, what is left out for want of a library.

    Raises
    ------
    UsageError
        If the folder holds something else, an earlier run that is not to be resumed, or one with
        another config.
    """

    def __init__(
        self,
        path: Path,
        config: Mapping[str, Any],
        *,
        resume: bool = False,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.path = Path(path)
        self._tell = tell
        self._writer: Any = None
        # Through JSON, so that what is compared with a file has the file's types.
        self._config = json.loads(json.dumps(dict(config)))
        try:
            self._open(resume)
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error}.") from error

    def _open(self, resume: bool) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        for entry in self.path.iterdir():
            if is_temporary(entry.name):
                entry.unlink()
        names = {entry.name for entry in self.path.iterdir()}
        if not names:
            self._write_json(CONFIG, self._config)
            return
        if CONFIG not in names:
            raise UsageError(f"{self.path} is not empty and no run folder: choose another.")
        if not resume:
            raise UsageError(f"{self.path} holds a run already: resume it or choose another.")
        self._check_config()

    def _check_config(self) -> None:
        try:
            found = json.loads((self.path / CONFIG).read_text(encoding="utf-8"))
        except ValueError as error:
            raise UsageError(f"{self.path / CONFIG} is not valid JSON: {error}.") from error
        if found != self._config:
            keys = sorted({*found, *self._config}) if isinstance(found, dict) else []
            other = [key for key in keys if found.get(key) != self._config.get(key)]
            raise UsageError(
                f"{self.path} holds a run with another config (differing: {', '.join(other)}): "
                "give the same to go on with it, or choose another folder."
            )

    @property
    def state_path(self) -> Path:
        """Where the training state is kept."""
        return self.path / STATE

    @property
    def checkpoint_path(self) -> Path:
        """Where the checkpoint is written."""
        return self.path / CHECKPOINT

    def begin(self, history: Sequence[Mapping[str, Any]], seed: int, device: str) -> None:
        """Note what the run is on, and bring the logs to the epochs that are kept.

        Lines that a killed process wrote after its last saved epoch are taken back: those epochs
        are trained again.
        """
        self._write_json(ENVIRONMENT, environment(seed, device))
        lines = [(json.dumps(record) + "\n").encode() for record in history]
        atomic_write(self.path / METRICS, lines)
        try:
            module = require(
                "torch.utils.tensorboard", feature="The TensorBoard log", extra="train"
            )
        except MissingDependencyError as error:
            self._tell(f"No TensorBoard log: {error}")
            return
        self._writer = module.SummaryWriter(
            str(self.path / TENSORBOARD), purge_step=len(history) + 1 if history else None
        )

    def append(self, record: Mapping[str, Any]) -> None:
        """Log the record of one epoch."""
        with (self.path / METRICS).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
        if self._writer is not None:
            for tag, value in _scalars(record):
                self._writer.add_scalar(tag, value, record["epoch"])
            self._writer.flush()

    def close(self) -> None:
        """End the TensorBoard log."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def save_checkpoint(
        self,
        config: checkpoints.CheckpointConfig,
        model: FusionModel,
        normaliser: Normaliser,
        card: str,
    ) -> Path:
        """Write the checkpoint of the trained model; ``affect-pipe run --model`` reads it."""
        checkpoints.save(self.checkpoint_path, config, model, normaliser, card)
        return self.checkpoint_path

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        try:
            atomic_write(self.path / name, [text.encode()])
        except OSError as error:
            raise CheckpointError(f"{self.path / name} cannot be written: {error}.") from error


def environment(seed: int, device: str) -> dict[str, Any]:
    """Describe what a training runs on: versions, platform, seed and device."""
    versions: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "machine": platform.machine(),
        "packages": versions,
        "seed": seed,
        "device": device,
    }


def _scalars(record: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in record.items():
        if isinstance(value, Mapping):
            found += _scalars(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and name != "epoch":
            found.append((f"{prefix}{name}", float(value)))
    return found
