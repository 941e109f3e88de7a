"""Runs trained together end where each of them ends by itself."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import TASK_NAMES, HeadSettings, NormalisationSettings, TaskSettings
from affect_pipe.fusion.inference import predict_values
from affect_pipe.fusion.models.fusion import FusionModel
from affect_pipe.fusion.normalise import fit_normaliser
from affect_pipe.fusion.stacked.dropout import Rates, keys, mix
from affect_pipe.fusion.stacked.gru import Steps, packed_gru
from affect_pipe.fusion.stacked.plan import RunPlan
from affect_pipe.fusion.stacked.training import train_stacked
from affect_pipe.fusion.training import TrainingSettings, seeded, train
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.records import MODALITIES

# Sums in another order, a dozen float32 steps of Adam apart: rates of 0.01 turn the last place of
# a gradient near zero into some 1e-5 of a weight.
TOLERANCE = 2e-4
DIMS = {"text": 6, "acoustic": 5, "visual": 4}
SUBSETS = [c for n in (1, 2, 3) for c in combinations(MODALITIES, n)]
TINY = {"gru_width": 5, "dense_width": 4}
DRY = {**TINY, "dropout": 0.0, "input_dropout": 0.0}


def made(n: int, seed: int, present: float = 0.7) -> list[Dialogue]:
    """Labelled dialogues of many lengths, one of them empty, with modalities missing."""
    rng = np.random.default_rng(seed)
    found = []
    for index, u in enumerate([0, *rng.integers(1, 9, n - 1)]):
        features = {m: rng.normal(1, 2, (u, d)).astype(np.float32) for m, d in DIMS.items()}
        emotion = rng.integers(0, 7, u)
        targets = {
            "sentiment_class": rng.integers(0, 3, u).astype(np.float32),
            "sentiment_intensity": rng.uniform(-1, 1, u).astype(np.float32),
            "emotion_class": np.eye(7, dtype=np.float32)[emotion],
            "emotion_intensity": rng.uniform(0, 1, (u, 6)).astype(np.float32),
        }
        here = rng.random((u, 3)) < present
        found.append(Dialogue(f"{index}", "made", features, here, targets))
    return found


@pytest.fixture(scope="module")
def data():
    training, held_out = made(19, 1), made(7, 2)
    norm = fit_normaliser(
        {m: [d.features[m] for d in training] for m in DIMS},
        {m: NormalisationSettings(kind="shrink") for m in DIMS},
    )
    return training, held_out, norm


def plan(seed, modalities=MODALITIES, tasks=TASK_NAMES, backbone=DRY, **fields):
    settings = {"epochs": 3, "batch_size": 4, "learning_rate": 0.01, "seed": seed, **fields}
    return RunPlan(
        name=f"{seed}-{'+'.join(modalities)}-{len(tasks)}-{sorted(fields)}",
        dims={m: DIMS[m] for m in MODALITIES if m in modalities},
        tasks=tuple(t if isinstance(t, TaskSettings) else TaskSettings(name=t) for t in tasks),
        settings=TrainingSettings(device="cpu", **settings),
        backbone_settings=backbone,
    )


def stacked(data, plans, **fields):
    training, held_out, norm = data
    return train_stacked(
        plans, training, norm, evaluated={"test": held_out}, device="cpu", **fields
    )


def singly(data, plan):
    """Weights, losses and last predictions of the ordinary loop."""
    training, held_out, norm = data
    with seeded(plan.settings.seed):
        model = FusionModel("cim", plan.backbone_settings, plan.dims, plan.tasks)
    seen = []

    def validate(net):
        seen.append(predict_values(net, held_out, norm))
        return {"score": float(len(seen))}

    outcome = train(model, lambda epoch, rng: training, norm, plan.settings, validate)
    return model.state_dict(), [r["loss"] for r in outcome.history], seen


def assert_same_weights(mine, other):
    assert set(mine) == set(other)
    for name, value in mine.items():
        torch.testing.assert_close(value, other[name], rtol=0, atol=TOLERANCE, msg=name)


def mixed_plans():
    """All subsets of modalities, with tasks, seeds, rates and clipping all different."""
    task_sets = [TASK_NAMES[:1], TASK_NAMES[2:], TASK_NAMES]
    return [
        plan(
            seed,
            modalities,
            task_sets[seed % 3],
            order_seed=8,
            learning_rate=0.003 * (1 + seed),
            weight_decay=0.01 * (seed % 2),
            final_learning_rate=0.001,
            gradient_clip=[None, 0.1][seed % 2],
        )
        for seed, modalities in enumerate(SUBSETS)
    ]


def test_every_subset_of_modalities_ends_where_the_ordinary_loop_ends(data):
    plans = mixed_plans()
    for one, outcome in zip(plans, stacked(data, plans, runs_at_once=7), strict=True):
        state, losses, seen = singly(data, one)
        assert_same_weights(outcome.state, state)
        for mine, other in zip(outcome.losses, losses, strict=True):
            assert mine == pytest.approx(other, abs=TOLERANCE)
        for epoch, values in enumerate(seen):
            for task in (t.name for t in one.tasks):
                expected = np.concatenate([each[task] for each in values])
                found = outcome.predictions["test"][task][epoch]
                np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_without_a_shared_order_runs_are_padded_and_end_the_same(data):
    plans = [plan(3), plan(4)]
    for one, outcome in zip(plans, stacked(data, plans), strict=True):
        assert_same_weights(outcome.state, singly(data, one)[0])


@pytest.mark.parametrize("rates", ["one", "several"])
def test_with_dropout_a_run_ends_where_it_ends_alone(data, rates):
    wet = [{**TINY, "dropout": p, "input_dropout": 0.4} for p in (0.3, 0.5)]
    tasks = [TaskSettings(name=t, head=HeadSettings(dropout=0.2)) for t in TASK_NAMES[:2]]
    plans = [
        plan(
            seed,
            modalities,
            tasks[: 1 + seed % 2],
            wet[seed % 2],
            order_seed=1,
            learning_rate=0.01 if rates == "one" else 0.01 + 0.001 * seed,
        )
        for seed, modalities in enumerate([MODALITIES, ("text",), MODALITIES, ("text", "visual")])
    ]
    together = stacked(data, plans, runs_at_once=4)
    assert not torch.equal(
        together[0].state["backbone.encoders.text.dense.weight"],
        together[2].state["backbone.encoders.text.dense.weight"],
    )
    for one, outcome in zip(plans, together, strict=True):
        (alone,) = stacked(data, [one])
        assert_same_weights(outcome.state, alone.state)


def test_a_trained_run_is_an_ordinary_model(data):
    _, held_out, norm = data
    one = plan(5, ("acoustic", "visual"), backbone=TINY)
    (outcome,) = stacked(data, [one], keep="best")
    model = FusionModel("cim", one.backbone_settings, one.dims, one.tasks)
    model.load_state_dict(dict(outcome.state))
    values = predict_values(model, held_out, norm)
    for task in TASK_NAMES:
        found = outcome.predictions["test"][task]
        assert found.shape[0] == 1
        expected = np.concatenate([each[task] for each in values])
        np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-5)


def test_the_best_epoch_by_score_is_kept(data):
    def score(plan, predictions):
        assert set(predictions) == {"test"}
        return next(scores[plan.settings.seed])

    scores = {1: iter([0.1, 0.7, 0.7]), 2: iter([0.5, 0.4, 0.1])}
    plans = [plan(1, order_seed=0), plan(2, order_seed=0)]
    found = stacked(data, plans, score=score)
    assert [outcome.best_epoch for outcome in found] == [2, 1]
    assert found[0].scores == (0.1, 0.7, 0.7)
    (shorter,) = stacked(data, [plan(1, order_seed=0, epochs=2)])
    assert_same_weights(found[0].state, shorter.state)


def test_stacks_of_any_size_give_the_same(data):
    plans = [plan(seed, order_seed=0) for seed in range(3)]
    heard = []
    one_by_one = stacked(data, plans, runs_at_once=1, listen=heard.append)
    for mine, other in zip(stacked(data, plans, runs_at_once=3), one_by_one, strict=True):
        assert_same_weights(mine.state, other.state)
    assert [event.epoch for event in heard if event.state == "epoch"] == list(range(1, 10))
    assert heard[-1].remaining_s == 0.0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"average_decay": 0.9}, "no stacked form for average_decay"),
        (
            {"loss_weighting": {"kind": "uncertainty"}},
            "no stacked form for loss_weighting",
        ),
        ({"epochs": 5}, "different numbers of epochs"),
        ({"backbone": {**TINY, "dense_width": 8}}, "different widths"),
        ({"backbone": {**TINY, "presence_flags": True}}, "no stacked form for presence_flags"),
    ],
)
def test_what_cannot_be_stacked_is_refused(data, fields, reason):
    with pytest.raises(UsageError, match=reason):
        stacked(data, [plan(1), plan(2, **fields)])


def test_the_packed_gru_is_torchs_gru_in_both_passes():
    torch.manual_seed(0)
    lengths, width = [5, 3, 3, 1], 4
    layers = [torch.nn.GRU(2, width) for _ in range(3)]
    steps = Steps.of(lengths, torch.device("cpu"))
    assert steps.counts == (4, 3, 3, 1, 1)
    inputs = torch.randn(3, steps.n_rows, 2)
    w_ih, b_ih, w_hh, b_hh = (
        torch.stack([getattr(layer, f"{name}_l0").detach() for layer in layers])
        for name in ("weight_ih", "bias_ih", "weight_hh", "bias_hh")
    )
    x = torch.baddbmm(b_ih[:, None], inputs, w_ih.transpose(1, 2)).requires_grad_()
    turned = w_hh.transpose(1, 2).contiguous().requires_grad_()
    bias = b_hh.clone().requires_grad_()
    states = torch.cat(packed_gru([x[:1], x[1:]], turned, bias, steps))
    weights = torch.randn_like(states)
    (states * weights).sum().backward()
    for n, layer in enumerate(layers):
        packed = torch.nn.utils.rnn.PackedSequence(inputs[n], torch.tensor(steps.counts))
        expected = layer(packed)[0].data
        torch.testing.assert_close(states[n], expected, rtol=0, atol=1e-6)
        (expected * weights[n]).sum().backward()
        torch.testing.assert_close(turned.grad[n].t(), layer.weight_hh_l0.grad, rtol=0, atol=1e-5)
        torch.testing.assert_close(bias.grad[n], layer.bias_hh_l0.grad, rtol=0, atol=1e-5)
        torch.testing.assert_close(
            x.grad[n].t() @ inputs[n], layer.weight_ih_l0.grad, rtol=0, atol=1e-5
        )


def test_the_hash_is_the_published_one():
    def lowbias32(x):
        x ^= x >> 16
        x = x * 0x7FEB352D % 2**32
        x ^= x >> 15
        x = x * 0x846CA68B % 2**32
        return x ^ x >> 16

    numbers = [0, 1, 2, 12345, 2**31 - 1, 2**31, 2**32 - 1]
    found = mix(torch.tensor([n - 2**32 if n >= 2**31 else n for n in numbers], dtype=torch.int32))
    assert [int(n) % 2**32 for n in found] == [lowbias32(n) for n in numbers]


def test_dropout_keeps_its_share_and_depends_on_seed_step_and_layer_alone():
    seeds, step = torch.tensor([1, 2, 1]), torch.tensor(5)
    rates = Rates([0.25, 0.25, 0.25], torch.device("cpu"))
    found = rates.factors(keys(seeds, step, 3), (40, 500))
    assert found.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    # Twenty thousand draws: three standard deviations of their mean are 0.012.
    assert found.mean(dim=(1, 2)).tolist() == pytest.approx([1.0] * 3, abs=0.013)
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])
    smaller = rates.factors(keys(seeds, step, 3), (7, 30))
    assert torch.equal(smaller, found[:, :7, :30])
    for other in (keys(seeds, step, 4), keys(seeds, step + 1, 3)):
        again = rates.factors(other, (40, 500))
        # Independent masks agree on 0.75^2 + 0.25^2 of the elements.
        agree = (again == found).float().mean().item()
        assert agree == pytest.approx(0.625, abs=0.015)
    rows = (found[0] > 0).float()
    assert abs(np.corrcoef(rows[:, :-1].flatten(), rows[:, 1:].flatten())[0, 1]) < 0.03
    assert abs(np.corrcoef(rows[:-1].flatten(), rows[1:].flatten())[0, 1]) < 0.03
