"""Temperatures and calibration errors against planted truths, brute force and torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax, softmax

from affect_pipe.fusion import checkpoint
from affect_pipe.fusion.calibration import (
    calibrate_model,
    card_section,
    fit_temperature,
    judged,
    predict_logits,
    settings_of,
)
from affect_pipe.fusion.config import EMOTION_CLASSES
from affect_pipe.fusion.inference import predict_values
from affect_pipe.fusion.reliability import expected_calibration_error, reliability
from affect_pipe.fusion.thresholds import OBJECTIVES, calibrate

NAN = float("nan")
# Tens of thousands of labels pin a temperature down to about this.
SAMPLING = 0.05


def softmax_data(temperature, n=20_000, k=5, seed=0):
    """Labels drawn from softmax(logits / temperature): that temperature calibrates exactly."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (n, k))
    odds = softmax(logits / temperature, axis=1).cumsum(axis=1)
    return logits, (rng.random((n, 1)) > odds).sum(axis=1, keepdims=True).astype(np.float32)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_a_planted_temperature_is_found_for_a_softmax(temperature):
    logits, target = softmax_data(temperature)
    found = fit_temperature("sentiment_class", logits, target)
    assert found == pytest.approx(temperature, rel=SAMPLING)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_a_planted_temperature_is_found_for_sigmoids(temperature):
    rng = np.random.default_rng(1)
    logits = rng.normal(-1, 3, (5000, 7))
    target = (rng.random(logits.shape) < expit(logits / temperature)).astype(np.float32)
    target[rng.random(logits.shape) < 0.3] = NAN
    found = fit_temperature("emotion_class", logits, target)
    assert found == pytest.approx(temperature, rel=SAMPLING)


def test_no_temperature_is_better_by_brute_force():
    logits, target = softmax_data(2.0, n=300)
    target[::5] = NAN
    found = fit_temperature("valence_class", logits, target)
    known = ~np.isnan(target[:, 0])
    rows, labels = logits[known], target[known, 0].astype(int)

    def loss(temperature):
        return -log_softmax(rows / temperature, axis=1)[np.arange(len(rows)), labels].mean()

    assert loss(found) <= min(loss(t) for t in np.geomspace(0.05, 20, 500)) + 1e-9


def test_extremes_stay_within_bounds_and_nothing_known_is_one():
    logits = np.float32([[0.5, -0.5], [-0.5, 0.5]])
    right, wrong = np.float32([[0], [1]]), np.float32([[1], [0]])
    assert fit_temperature("sentiment_class", logits, right) == pytest.approx(0.05, rel=1e-2)
    assert fit_temperature("sentiment_class", logits, wrong) == pytest.approx(20, rel=1e-2)
    for task, width in (("sentiment_class", 1), ("emotion_class", 2)):
        assert fit_temperature(task, logits, np.full((2, width), NAN)) == 1.0
    with pytest.raises(ValueError, match="no probability to calibrate"):
        fit_temperature("sentiment_intensity", logits, right)


def test_a_calibration_error_by_hand():
    confidence = np.array([0.95, 0.85, 0.9, 0.3, 0.1])
    correct = np.array([True, False, True, False, True])
    # five bins: (0.8, 1] has 3, mean 0.9, right 2/3; (0.2, 0.4] has 1; [0, 0.2] has 1
    expected = (3 * abs(2 / 3 - 0.9) + abs(0 - 0.3) + abs(1 - 0.1)) / 5
    assert expected_calibration_error(confidence, correct, 5) == pytest.approx(expected)
    found = reliability(confidence, correct, 5)
    assert found.counts.tolist() == [1, 1, 0, 0, 3]
    assert np.isnan(found.accuracy[2:4]).all()


@pytest.mark.parametrize("n_bins", [1, 10, 15])
def test_the_calibration_error_is_torchmetrics(n_bins):
    torchmetrics = pytest.importorskip("torchmetrics.functional.classification")
    logits, target = softmax_data(2.0, n=3000)
    probabilities = softmax(logits, axis=1)
    confidence, correct = judged("arousal_class", probabilities, target)
    expected = torchmetrics.multiclass_calibration_error(
        torch.from_numpy(probabilities),
        torch.from_numpy(target[:, 0]).long(),
        num_classes=5,
        n_bins=n_bins,
    )
    assert expected_calibration_error(confidence, correct, n_bins) == pytest.approx(
        expected.item(), abs=1e-6
    )


def test_the_calibration_error_against_a_plain_loop():
    rng = np.random.default_rng(3)
    confidence = np.round(rng.random(500), 2)  # edges of bins among them
    correct = rng.random(500) < 0.5
    total = 0.0
    for low in range(10):
        inside = (confidence > low / 10) & (confidence <= (low + 1) / 10)
        if low == 0:
            inside |= confidence == 0
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    # Both put an edge into the lower bin, but for the rounding of edges themselves.
    assert expected_calibration_error(confidence, correct, 10) == pytest.approx(total, abs=0.02)


def test_confidence_at_the_ends_and_nonsense():
    found = reliability(np.array([0.0, 1.0]), np.array([False, True]), 4)
    assert found.counts.tolist() == [1, 0, 0, 1]
    assert found.error == 0
    assert np.isnan(expected_calibration_error(np.empty(0), np.empty(0)))
    for confidence, correct, n_bins in (([0.5], [], 3), ([0.5], [True], 0), ([1.5], [True], 3)):
        with pytest.raises(ValueError, match="Reliability needs"):
            reliability(np.array(confidence), np.array(correct, bool), n_bins)
    with pytest.raises(ValueError, match="Reliability needs"):
        reliability(np.array([NAN]), np.array([True]))


@pytest.fixture
def calibrated(model, normaliser, dialogue):
    """A model that is far too sure of itself, calibrated on labels that its own logits decide."""
    net, norm = model(), normaliser()
    with torch.no_grad():
        for name in ("sentiment_class", "emotion_class"):
            net.heads[name].output.weight.mul_(30)
    rng = np.random.default_rng(5)
    dialogues = []
    for seed in range(60):
        plain = dialogue(10, seed=seed, present=0.9)
        (logits,) = predict_logits(net, [plain], norm)
        odds = softmax(logits["sentiment_class"] / 4, axis=1).cumsum(axis=1)
        there = rng.random((10, 7)) < expit(logits["emotion_class"] / 4)
        dialogues.append(
            dialogue(
                10,
                seed=seed,
                present=0.9,
                targets={
                    "sentiment_class": (rng.random((10, 1)) > odds).sum(axis=1),
                    "emotion_class": there.astype(np.float32),
                },
            )
        )
    return net, norm, dialogues, calibrate_model(net, dialogues, norm)


def test_a_model_is_calibrated_in_place(calibrated):
    net, norm, dialogues, found = calibrated
    assert set(found) == {"sentiment_class", "emotion_class"}
    for name, calibration in found.items():
        assert calibration.temperature == pytest.approx(4, rel=0.25)
        assert calibration.after.error < calibration.before.error / 2
        assert net.tasks[name].settings.temperature == calibration.temperature
    values = predict_values(net, dialogues[:1], norm)[0]
    logits = predict_logits(net, dialogues[:1], norm)[0]
    expected = softmax(logits["sentiment_class"] / found["sentiment_class"].temperature, axis=1)
    np.testing.assert_allclose(values["sentiment_class"], expected, atol=1e-6)
    # Once more finds nothing left to do: the temperature starts from the logits again.
    again = calibrate_model(net, dialogues, norm)
    assert again["emotion_class"].temperature == found["emotion_class"].temperature
    assert again["emotion_class"].before.error == again["emotion_class"].after.error


def test_thresholds_see_calibrated_probabilities(calibrated):
    net, norm, dialogues, _ = calibrated
    estimate = np.concatenate([v["emotion_class"] for v in predict_values(net, dialogues, norm)])
    logits = np.concatenate([v["emotion_class"] for v in predict_logits(net, dialogues, norm)])
    target = np.concatenate([d.targets["emotion_class"] for d in dialogues])
    thresholds = calibrate(target, estimate, OBJECTIVES["f1"], 0.4)
    for index, emotion in enumerate(EMOTION_CLASSES):
        temperature = net.tasks["emotion_class"].settings.temperature
        expected = expit(logits[:, index] / temperature) > thresholds[emotion]
        np.testing.assert_array_equal(estimate[:, index] > thresholds[emotion], expected)


def test_temperatures_survive_a_checkpoint(calibrated):
    net, *_ = calibrated
    text = [task.model_dump_json() for task in settings_of(net)]
    back = [checkpoint.TaskSettings.model_validate_json(line) for line in text]
    assert tuple(back) == settings_of(net)
    assert [task.name for task in back if task.temperature != 1] == [
        "sentiment_class",
        "emotion_class",
    ]


def test_the_card_shows_what_calibration_did(calibrated):
    pytest.importorskip("matplotlib")
    *_, found = calibrated
    section, pictures = card_section(found)
    assert set(pictures) == {f"reliability-{name}.png" for name in found}
    for name, picture in pictures.items():
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert f"]({name})" in section
    assert f"| sentiment_class | {found['sentiment_class'].temperature:.3f} |" in section
