from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import TASK_NAMES
from affect_pipe.fusion.inference import batches, evaluate, predict_values
from affect_pipe.fusion.training import (
    TrainingSettings,
    learning_rate,
    seeded,
    shuffled_batches,
    train,
)

# Batches of other shapes add in another order.
TOLERANCE = 1e-5


def learnable(n, seed):
    """Dialogues whose text says the sentiment and whose face says the emotion."""
    rng = np.random.default_rng(seed)
    dialogues = []
    for index in range(n):
        u = int(rng.integers(1, 6))
        sentiment, emotion = rng.integers(0, 3, u), rng.integers(0, 7, u)
        text = rng.normal(0, 0.3, (u, 6)).astype(np.float32)
        text[np.arange(u), sentiment] += 2
        visual = np.zeros((u, 4), np.float32)
        visual[:, :3] = (emotion[:, None] >> np.arange(3)) & 1
        intensity = np.full((u, 6), np.nan, np.float32)
        intensity[:, 0] = (emotion == 0) * 0.5
        dialogues.append(
            Dialogue(
                f"{index}",
                "made",
                {"text": text, "visual": visual},
                np.tile([True, False, True], (u, 1)),
                {
                    "sentiment_class": sentiment.astype(np.float32),
                    "sentiment_intensity": (sentiment - 1).astype(np.float32),
                    "emotion_class": np.eye(7, dtype=np.float32)[emotion],
                    "emotion_intensity": intensity,
                },
            )
        )
    return dialogues


@pytest.fixture
def fitted(model, normaliser):
    """Train a tiny model, return (model, outcome, the validation dialogues, normaliser)."""
    training, held_out = learnable(60, 1), learnable(20, 2)
    norm = normaliser("none")

    def run(metrics_path=None, score=None, progress=None, **fields):
        net = model(3, gru_width=8, dense_width=8, dropout=0.05, input_dropout=0.05)
        settings = TrainingSettings(
            **{"epochs": 4, "learning_rate": 0.01, "device": "cpu", **fields}
        )

        def validate(net):
            scores = evaluate(net, held_out, norm)
            return {
                "score": scores["sentiment_class"]["accuracy"]
                + scores["emotion_class"]["top_accuracy"]
            }

        outcome = train(
            net,
            lambda epoch, rng: training,
            norm,
            settings,
            score or validate,
            metrics_path=metrics_path,
            progress=progress,
        )
        return net, outcome, held_out, norm

    return run


def test_it_learns_all_four_tasks(fitted):
    later = iter(range(100))  # every epoch better than the last: the last one is kept
    net, outcome, held_out, norm = fitted(
        epochs=16,
        batch_size=8,
        learning_rate=0.03,
        final_learning_rate=1e-3,
        score=lambda net: {"score": next(later)},
    )
    scores = evaluate(net, held_out, norm)
    assert set(scores) == set(TASK_NAMES)
    assert scores["sentiment_class"]["accuracy"] > 0.9
    assert scores["sentiment_intensity"]["pearson"] > 0.9
    assert scores["emotion_class"]["w_acc/w_acc"] > 0.8
    assert outcome.history[-1]["loss"]["total"] < 0.5 * outcome.history[0]["loss"]["total"]
    assert not net.training


def test_same_seed_same_bytes_other_seed_others(fitted):
    first, second, third = (fitted(seed=s, gradient_clip=1.0, epochs=2)[0] for s in (5, 5, 6))
    states = [net.state_dict() for net in (first, second, third)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_training_leaves_the_generators_and_switches_as_they_were(fitted):
    torch.manual_seed(123)
    expected = torch.rand(3)
    torch.manual_seed(123)
    fitted(epochs=1)
    assert torch.equal(torch.rand(3), expected)
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_best_epoch_by_validation_is_kept(fitted):
    seen = []

    def score(net):
        seen.append({name: value.clone() for name, value in net.state_dict().items()})
        return {"score": [0.1, 0.9, 0.9, 0.2][len(seen) - 1]}

    net, outcome, _, _ = fitted(score=score)
    assert (outcome.best_epoch, outcome.best_score) == (2, 0.9)
    assert all(torch.equal(value, seen[1][name]) for name, value in net.state_dict().items())


def test_averaged_weights_are_what_is_validated_and_kept(fitted):
    seen = []

    def score(net):
        seen.append({name: value.clone() for name, value in net.state_dict().items()})
        return {"score": len(seen)}

    averaged, _, _, _ = fitted(score=score, average_decay=0.9, epochs=1)
    plain, _, _, _ = fitted(score=lambda net: {"score": 1.0}, epochs=1)
    assert all(torch.equal(v, seen[-1][name]) for name, v in averaged.state_dict().items())
    assert not torch.equal(
        averaged.state_dict()["heads.sentiment_class.output.weight"],
        plain.state_dict()["heads.sentiment_class.output.weight"],
    )


def test_a_late_average_is_the_mean_of_the_steps_since(fitted):
    # All dialogues in one batch: an epoch is a step.
    def last_weights(epochs, **fields):
        count = iter(range(1, 100))
        net, *_ = fitted(
            score=lambda net: {"score": next(count)}, batch_size=1000, epochs=epochs, **fields
        )
        return net.state_dict()

    averaged = last_weights(4, average_decay=0.999, average_from_epoch=3)
    steps = [last_weights(epochs) for epochs in (2, 3, 4)]
    for name, value in averaged.items():
        mean = torch.stack([step[name] for step in steps]).mean(dim=0)
        torch.testing.assert_close(value, mean, rtol=0, atol=TOLERANCE)


def test_what_validation_draws_does_not_move_training(fitted):
    def noisy(net):
        torch.rand(7)
        return {"score": 0.0}

    quiet, noise = fitted(score=lambda net: {"score": 0.0}), fitted(score=noisy)
    assert [r["loss"] for r in quiet[1].history] == [r["loss"] for r in noise[1].history]


def test_patience_stops_and_metrics_are_written(fitted, tmp_path):
    heard = []
    _, outcome, _, _ = fitted(
        metrics_path=tmp_path / "metrics.jsonl",
        score=lambda net: {"score": 1.0},
        patience=2,
        epochs=9,
        progress=heard.append,
    )
    lines = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]
    assert [json.loads(line) for line in lines] == heard == list(outcome.history)


def test_a_score_that_is_no_number_is_refused(fitted):
    with pytest.raises(ValueError, match="no finite score"):
        fitted(score=lambda net: {"score": float("nan")})


def test_the_hook_gets_each_epoch_and_a_generator_of_its_own(model, normaliser):
    calls = []

    def epoch_dialogues(epoch, rng):
        calls.append((epoch, rng.random()))
        rng.random(epoch)  # however much one epoch draws, the next sees the same
        return learnable(3, epoch)

    for _ in range(2):
        train(
            model(),
            epoch_dialogues,
            normaliser("none"),
            TrainingSettings(epochs=3, device="cpu"),
            lambda net: {"score": 0.0},
        )
    assert [epoch for epoch, _ in calls] == [1, 2, 3, 1, 2, 3]
    assert calls[:3] == calls[3:]
    assert len({draw for _, draw in calls}) == 3


def test_batches_are_of_similar_length_and_cover_everything(dialogue):
    lengths = [1, 9, 1, 4, 1, 5, 1, 30]
    dialogues = [dialogue(n, seed) for seed, n in enumerate(lengths)]
    by_utterances = list(batches(dialogues, size=1, utterances=10))
    assert [[lengths[i] for i in group] for group in by_utterances] == [
        [1, 1, 1, 1],
        [4, 5],
        [9],
        [30],
    ]
    by_size = list(batches(dialogues, size=3))
    assert [len(group) for group in by_size] == [3, 3, 2]
    settings = TrainingSettings(batch_utterances=10)
    shuffled = shuffled_batches(dialogues, settings, np.random.default_rng(0))
    assert sorted(d.id for group in shuffled for d in group) == sorted(d.id for d in dialogues)


def test_predictions_keep_the_order_of_the_dialogues(model, normaliser, dialogue):
    dialogues = [dialogue(n, seed) for seed, n in enumerate([7, 1, 4, 1])]
    net, norm = model(), normaliser()
    together = predict_values(net, dialogues, norm)
    for one, values in zip(dialogues, together, strict=True):
        (alone,) = predict_values(net, [one], norm)
        for name in TASK_NAMES:
            assert len(values[name]) == len(one)
            np.testing.assert_allclose(values[name], alone[name], atol=TOLERANCE)


def test_learning_rate_falls_along_half_a_cosine():
    settings = TrainingSettings(epochs=5, learning_rate=1.0, final_learning_rate=0.2)
    rates = [learning_rate(settings, epoch) for epoch in range(1, 6)]
    assert rates[0] == 1.0
    assert rates[2] == pytest.approx(0.6)
    assert rates[4] == pytest.approx(0.2)
    assert learning_rate(TrainingSettings(), 50) == 1e-3


def test_seeded_makes_equal_weights_and_restores(model):
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    with seeded(9):
        torch.rand(5)
    assert torch.equal(torch.rand(1), expected)
    first, second = model(4).state_dict(), model(4).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
