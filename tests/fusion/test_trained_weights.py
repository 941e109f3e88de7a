"""Loss weights within a training: fixed ones change nothing, trained ones follow the noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from affect_pipe.fusion.batch import Dialogue, collate
from affect_pipe.fusion.config import NormalisationSettings, TaskSettings
from affect_pipe.fusion.fabric import Engine
from affect_pipe.fusion.inference import deterministic
from affect_pipe.fusion.models.fusion import FusionModel
from affect_pipe.fusion.normalise import fit_normaliser
from affect_pipe.fusion.training import TrainingSettings, seeded, train

TASKS = (TaskSettings(name="arousal_class", weight=2.0), TaskSettings(name="valence_class"))
UNCERTAINTY = {"kind": "uncertainty"}
# Share of valence labels that say nothing.
NOISE = 0.8


def corpus(n=24, steps=8):
    """Arousal is written in the first column, valence seldom in the second."""
    rng = np.random.default_rng(4)
    found = []
    for index in range(n):
        text = rng.uniform(-2.5, 2.5, (steps, 3)).astype(np.float32)
        said = np.floor(text[:, :2] + 2.5).clip(0, 4)
        noisy = rng.random(steps) < NOISE
        valence = np.where(noisy, rng.integers(0, 5, steps), said[:, 1])
        targets = {"arousal_class": said[:, 0], "valence_class": valence}
        here = np.tile([True, False, False], (steps, 1))
        found.append(Dialogue(str(index), "made", {"text": text}, here, targets))
    return found


def fresh():
    settings = {"widths": [16], "input_dropout": 0.0, "dropout": 0.0}
    with seeded(2):
        return FusionModel("mlp", settings, {"text": 3}, TASKS)


@pytest.fixture(name="data")
def _data():
    data = corpus()
    vectors = {"text": [dialogue.features["text"] for dialogue in data]}
    return data, fit_normaliser(vectors, {"text": NormalisationSettings()})


def trained(data, **fields):
    dialogues, norm = data
    net = fresh()
    settings = TrainingSettings.model_validate({"device": "cpu", "keep": "last", **fields})
    outcome = train(net, lambda epoch, rng: dialogues, norm, settings, lambda net: {"score": 0.0})
    return net, outcome


def test_fixed_is_a_plain_loop_over_the_weighted_sum_to_the_bit(data):
    # One batch of one dialogue, so that sums have one order.
    _, norm = data
    one = corpus(1, 90)
    found, outcome = trained((one, norm), epochs=3, learning_rate=0.01, weight_decay=0.1)
    assert all("delta" not in record for record in outcome.history)
    plain = fresh().train()
    optimiser = torch.optim.AdamW(plain.parameters(), lr=0.01, weight_decay=0.1, fused=True)
    batch = collate(one, plain.dims, norm, ("arousal_class", "valence_class"))
    with deterministic(1):
        for _ in range(3):
            losses = plain.losses(batch, plain(batch))
            optimiser.zero_grad()
            (2.0 * losses["arousal_class"] + losses["valence_class"]).backward()
            optimiser.step()
    for name, value in plain.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name


def test_the_noisier_task_gets_the_larger_delta(data):
    _, outcome = trained(
        data, epochs=60, batch_size=8, learning_rate=0.03, loss_weighting=UNCERTAINTY
    )
    last = outcome.history[-1]
    assert outcome.history[0]["delta"]["arousal_class"] == pytest.approx(1.0, abs=0.2)
    for task in TASKS:
        # Where the derivative of equation 13 in delta vanishes.
        delta, loss = last["delta"][task.name], task.weight * last["loss"][task.name]
        assert delta**3 == pytest.approx(loss * (1 + delta), rel=0.25)
    assert last["delta"]["arousal_class"] < 1.0 < last["delta"]["valence_class"]


def test_weight_decay_leaves_deltas_alone():
    """A task at its optimum has no gradient in delta: only decay could move it."""
    settings = TrainingSettings(
        device="cpu", weight_decay=0.5, learning_rate=0.1, loss_weighting=UNCERTAINTY
    )
    engine = Engine(fresh(), settings)
    with torch.no_grad():
        for value in engine.weighting.parameters():
            value.fill_(1.0)
    before = engine.weighting.deltas()
    total = 0.0 * sum(value.sum() for value in engine.weighting.parameters())
    engine.step(total)
    assert engine.weighting.deltas() == before
    deltas = {id(value) for value in engine.weighting.parameters()}
    stepped = {id(v) for group in engine.optimiser.param_groups for v in group["params"]}
    assert deltas <= stepped


def test_deltas_are_no_part_of_the_model(data):
    net, outcome = trained(data, epochs=1, loss_weighting=UNCERTAINTY)
    assert set(net.state_dict()) == set(fresh().state_dict())
    assert set(outcome.history[0]["delta"]) == {"arousal_class", "valence_class"}
