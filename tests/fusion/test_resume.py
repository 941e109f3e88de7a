"""A training that was killed ends with the bytes it would have ended with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import CimSettings, NormalisationSettings, TaskSettings
from affect_pipe.fusion.models.fusion import FusionModel
from affect_pipe.fusion.normalise import fit_normaliser
from affect_pipe.fusion.run_folder import RunFolder
from affect_pipe.fusion.training import TrainingOutcome, TrainingSettings, seeded, train
from affect_pipe.fusion.training_events import Listener, TrainingEvent
from affect_pipe.pipeline.errors import CheckpointError, MissingDependencyError, UsageError

SETTINGS = {
    "epochs": 6,
    "batch_size": 4,
    "learning_rate": 0.01,
    "final_learning_rate": 0.001,
    "weight_decay": 0.01,
    "gradient_clip": 1.0,
    "average_decay": 0.9,
    "average_from_epoch": 2,
    "loss_weighting": {"kind": "uncertainty", "eta": 1e-3},
    "device": "cpu",
}


def dialogues(n: int) -> list[Dialogue]:
    rng = np.random.default_rng(5)
    found = []
    for index in range(n):
        u = int(rng.integers(1, 6))
        text = rng.normal(size=(u, 6)).astype(np.float32)
        present = np.tile([True, False, False], (u, 1))
        targets = {
            "sentiment_class": (text[:, 0] > 0).astype(np.float32),
            "sentiment_intensity": np.tanh(text[:, 1]),
        }
        found.append(Dialogue(str(index), "made", {"text": text}, present, targets))
    return found


def training(
    folder: Path | None, listen: Listener | None = None, **fields: object
) -> tuple[FusionModel, TrainingOutcome]:
    """One small training with everything that has a state: averages, dropout, best epoch."""
    data = dialogues(22)
    settings = TrainingSettings.model_validate({**SETTINGS, **fields})
    norm = fit_normaliser(
        {"text": [d.features["text"] for d in data]}, {"text": NormalisationSettings()}
    )
    backbone = CimSettings(gru_width=5, dense_width=4).model_dump()
    with seeded(settings.seed):
        tasks = [TaskSettings(name=name) for name in ("sentiment_class", "sentiment_intensity")]
        model = FusionModel("cim", backbone, {"text": 6}, tasks)

    def validate(net: FusionModel) -> dict[str, float]:
        # Rises and falls with the weights, so that the best epoch lies anywhere.
        bias = net.state_dict()["heads.sentiment_class.output.bias"]
        return {"score": float(np.sin(1e3 * bias[0]))}

    run = None if folder is None else RunFolder(folder, {"model": "tiny"}, resume=True)
    outcome = train(
        model,
        lambda epoch, rng: [data[i] for i in rng.permutation(22)[:20]],
        norm,
        settings,
        validate,
        run=run,
        save_every_s=0.0,
        listen=listen,
    )
    return model, outcome


def dying(folder: Path, epoch: int, step: int) -> None:
    """Train until a step of an epoch, then be killed as by the machine."""

    def listen(event: TrainingEvent) -> None:
        if (event.epoch, event.step) == (epoch, step):
            os.kill(os.getpid(), signal.SIGKILL)

    training(folder, listen)


def same_bytes(first: FusionModel, second: FusionModel) -> bool:
    mine, other = first.state_dict(), second.state_dict()
    return all(value.numpy().tobytes() == other[n].numpy().tobytes() for n, value in mine.items())


def timeless(history: object) -> object:
    return [{k: v for k, v in record.items() if not k.endswith("_s")} for record in history]


def test_killed_and_resumed_ends_with_the_same_bytes(tmp_path):
    folder = tmp_path / "run"
    command = [sys.executable, __file__, str(folder), "4", "3"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]
    # What a kill can leave besides: half a line, and half a file under another name.
    with (folder / "metrics.jsonl").open("a") as stream:
        stream.write('{"epoch": 4, "lo')
    (folder / ".affect-pipe-0123.tmp").write_bytes(b"half")
    seen: list[TrainingEvent] = []
    resumed, outcome = training(folder, seen.append)
    whole, expected = training(None)
    assert seen[0].state == "started"
    assert seen[0].epoch == 3
    assert same_bytes(resumed, whole)
    assert timeless(outcome.history) == timeless(expected.history)
    assert (outcome.best_epoch, outcome.best_score) == (expected.best_epoch, expected.best_score)
    assert len({record["best_epoch"] for record in outcome.history}) > 1
    assert len({json.dumps(record["delta"]) for record in outcome.history}) == len(outcome.history)
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == list(outcome.history)
    assert not list(folder.glob(".affect-pipe-*"))


def test_a_run_folder_holds_what_was_asked_and_what_it_ran_on(tmp_path):
    folder = tmp_path / "run"
    training(folder, epochs=2, seed=7)
    assert json.loads((folder / "config.json").read_text()) == {"model": "tiny"}
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__
    assert environment["seed"] == 7
    assert environment["device"] == "cpu"
    (events,) = (folder / "tensorboard").iterdir()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(events)).Reload()
    records = [json.loads(s) for s in (folder / "metrics.jsonl").read_text().splitlines()]
    found = [(e.step, e.value) for e in log.Scalars("loss/total")]
    assert found == [(r["epoch"], pytest.approx(r["loss"]["total"])) for r in records]
    found = [(e.step, e.value) for e in log.Scalars("delta/sentiment_class")]
    assert found == [(r["epoch"], pytest.approx(r["delta"]["sentiment_class"])) for r in records]


def test_a_finished_run_is_not_trained_again(tmp_path):
    first, outcome = training(tmp_path / "run", epochs=2)
    seen: list[TrainingEvent] = []
    again, found = training(tmp_path / "run", seen.append, epochs=2)
    assert [event.state for event in seen] == ["started", "finished"]
    assert same_bytes(first, again)
    assert found == outcome


def test_a_run_goes_on_only_with_what_it_was_begun_with(tmp_path):
    folder = tmp_path / "run"
    training(folder, epochs=1)
    with pytest.raises(CheckpointError, match=r"'seed': 1\}, now asked for with \{'seed': 2\}"):
        training(folder, epochs=1, seed=2)
    with pytest.raises(UsageError, match=r"another config \(differing: model\)"):
        RunFolder(folder, {"model": "huge"}, resume=True)
    with pytest.raises(UsageError, match="holds a run already"):
        RunFolder(folder, {"model": "tiny"})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match="no run folder"):
        RunFolder(tmp_path / "other", {})
    (folder / "state.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(CheckpointError, match="damaged"):
        training(folder, epochs=1)


def test_without_tensorboard_the_run_says_so_once_and_goes_on(tmp_path, monkeypatch):
    def missing(module, **fields):
        raise MissingDependencyError("no tensorboard here")

    monkeypatch.setattr("affect_pipe.fusion.run_folder.require", missing)
    lines: list[str] = []
    run = RunFolder(tmp_path / "run", {}, tell=lines.append)
    run.begin([], 1, "cpu")
    run.append({"epoch": 1, "loss": {"total": 0.5}})
    assert lines == ["No TensorBoard log: no tensorboard here"]
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_without_fabric_training_names_the_extra(monkeypatch):
    # None in the table of modules makes their import fail.
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "affect-pipe\[train\]"'):
        training(None)


def test_bfloat16_stays_near_float32_and_float16_needs_a_gpu():
    # Eight bits of mantissa: losses agree to a few parts in a hundred.
    exact, mixed = (training(None, precision=p)[1] for p in ("32-true", "bf16-mixed"))
    for one, other in zip(exact.history, mixed.history, strict=True):
        assert one["loss"] != other["loss"]
        assert one["loss"]["total"] == pytest.approx(other["loss"]["total"], rel=0.05)
    with pytest.raises(UsageError, match="needs a GPU"):
        training(None, precision="16-mixed")


def test_the_last_epoch_is_kept_where_asked_and_events_tell_the_time_left():
    seen: list[TrainingEvent] = []
    _, outcome = training(None, seen.append, keep="last", epochs=3)
    assert outcome.best_epoch == 3
    fractions = [event.fraction for event in seen]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    steps = [event for event in seen if event.state == "step"]
    assert len(steps) == 3 * steps[0].steps == 15
    for event in steps:
        worked = event.elapsed_s + event.remaining_s
        assert event.elapsed_s / worked == pytest.approx(event.fraction)


if __name__ == "__main__":
    dying(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
