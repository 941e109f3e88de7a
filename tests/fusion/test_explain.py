"""Contributions of modalities: answers known on paper, planted models, exact masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from affect_pipe.fusion import checkpoint
from affect_pipe.fusion.checkpoint import CheckpointConfig, FeatureSpecSettings
from affect_pipe.fusion.config import STEP_TASK_NAMES, TASK_NAMES, TaskSettings
from affect_pipe.fusion.explain import contributions
from affect_pipe.fusion.inference import predict_values
from affect_pipe.fusion.models.fusion import FusionModel
from affect_pipe.fusion.predict import CheckpointPredictor
from affect_pipe.fusion.tasks import paper_thresholds
from affect_pipe.fusion.training import seeded
from affect_pipe.pipeline.records import (
    MODALITIES,
    EmotionPrediction,
    FeatureBlock,
    FeatureSpec,
    Prediction,
    Utterance,
    UtterancePrediction,
    VideoFeatures,
)
from affect_pipe.pipeline.results.attention_files import panel_rows, write_heatmaps

DIMS = {"text": 6, "acoustic": 5, "visual": 4}
# Two predictions of the same network, as probabilities in single precision.
ATOL = 1e-5


def spec_of(modality, dim):
    columns = tuple(f"c{i}" for i in range(dim))
    return FeatureSpec(f"made-{modality}", modality, dim, columns, "1")


def video_of(values, present=None):
    """A video of given vectors ``{modality: [U, d]}``; absent rows are zero, as in a run."""
    n = len(next(iter(values.values())))
    blocks = {}
    for modality, rows in values.items():
        here = np.ones(n, bool) if present is None else present[:, MODALITIES.index(modality)]
        rows = np.where(here[:, None], rows, 0).astype(np.float32)
        reasons = tuple(None if p else "not there" for p in here)
        blocks[modality] = FeatureBlock(spec_of(modality, rows.shape[1]), rows, here, reasons)
    return VideoFeatures(tuple(Utterance(i, i, i + 1.0, "") for i in range(n)), blocks)


class Formula:
    """A predictor whose intensity is a formula of one number a modality, 0 where absent."""

    def __init__(self, formula):
        self.formula = formula
        self.asked = []

    def predict(self, features):
        self.asked.append(set(features.blocks))
        blocks = features.blocks
        rows = []
        for index in range(len(features.utterances)):
            if not any(block.present[index] for block in blocks.values()):
                rows.append(None)
                continue
            given = [float(blocks[m].values[index, 0]) if m in blocks else 0.0 for m in MODALITIES]
            intensity = self.formula(*given)
            p = 0.5 + intensity / 8
            probabilities = {"negative": 1 - p, "positive": p}
            label = max(probabilities, key=probabilities.get)
            emotions = {"happy": EmotionPrediction(p, p > 0.5, None)}
            rows.append(UtterancePrediction(label, probabilities, intensity, emotions))
        return Prediction(tuple(rows))


def one_number_each(*rows):
    return {
        modality: np.array(column, np.float32)[:, None]
        for modality, column in zip(MODALITIES, zip(*rows, strict=True), strict=True)
    }


def intensities(found):
    return [None if c is None else c.intensity for c in found.values()]


def test_of_a_sum_each_modality_contributes_its_term():
    predictor = Formula(lambda t, a, v: 2 * t - a + 0.5 * v)
    first, second = contributions(predictor, video_of(one_number_each((1, 0.5, -1), (-0.25, 1, 0))))
    assert intensities(first) == [2.0, -0.5, -0.5]
    assert intensities(second) == [-0.5, -1.0, 0.0]
    # 1.0 in all, p = 0.625 of "positive": without text -1.0, p = 0.375, and the label turns.
    assert first["text"].sentiment == pytest.approx(0.25)
    assert first["text"].emotions == pytest.approx({"happy": 0.25})
    assert first["text"].emotion_intensities == {}
    assert first["text"].without.sentiment_label == "negative"
    assert first["acoustic"].without.sentiment_label == "positive"
    # -1.5 in all: the chosen class is the negative one, and text speaks for it.
    assert second["text"].sentiment == pytest.approx(0.5 / 8)
    assert first["text"].arousal is first["text"].valence is None


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (lambda t, a, v: max(t, a), [0.0, 0.0, 0.0]),  # either will do: neither is missed
        (lambda t, a, v: t * a, [1.0, 1.0, 0.0]),  # together only: each is the whole
    ],
    ids=["redundant", "joint"],
)
def test_they_need_not_add_up(formula, expected):
    (found,) = contributions(Formula(formula), video_of(one_number_each((1, 1, 1))))
    assert intensities(found) == expected


def test_what_is_not_there_has_no_contribution():
    present = np.array([[True, False, False], [True, True, False], [False, False, False]])
    video = video_of(one_number_each((1, 1, 1), (0.5, 0.25, 1), (1, 1, 1)), present)
    predictor = Formula(lambda t, a, v: t + a + v)
    first, second, third = contributions(predictor, video)
    assert third is None
    assert list(first) == list(second) == ["text", "acoustic"]
    assert intensities(first) == [None, 0.0]  # text was all there was; no voice, no change
    assert intensities(second) == [0.5, 0.25]
    everything = {"text", "acoustic", "visual"}
    assert predictor.asked == [everything, everything - {"text"}, everything - {"acoustic"}]


def test_a_known_prediction_is_not_made_again():
    video = video_of(one_number_each((1, 0.5, -1)))
    predictor = Formula(lambda t, a, v: t)
    known = predictor.predict(video)
    predictor.asked.clear()
    found = contributions(predictor, video, known)
    assert len(predictor.asked) == 3
    assert found == contributions(predictor, video)


def test_no_utterances():
    video = video_of({"text": np.zeros((0, 1), np.float32)})
    assert contributions(Formula(lambda t, a, v: t), video) == ()


def predictor_of(folder, net, norm, dims=None, backbone="cim", settings=None, tasks=TASK_NAMES):
    config = CheckpointConfig(
        schema=checkpoint.SCHEMA,
        name="tiny",
        backbone=backbone,
        backbone_settings=settings or {"gru_width": 5, "dense_width": 4},
        tasks=tuple(TaskSettings(name=name) for name in tasks),
        features=tuple(FeatureSpecSettings.of(spec_of(m, d)) for m, d in (dims or DIMS).items()),
        normalisation=dict(norm.settings),
        thresholds=paper_thresholds(),
        licence="Apache-2.0",
    )
    checkpoint.save(folder, config, net, norm, "")
    return CheckpointPredictor(folder)


def test_a_model_deaf_to_a_modality_gives_it_exactly_nothing(tmp_path, model, normaliser, dialogue):
    net = model()
    with torch.no_grad():
        for weights in net.backbone.encoders["text"].parameters():
            weights.zero_()
    one = dialogue(6, seed=4, present=0.7)
    found = contributions(
        predictor_of(tmp_path / "deaf", net, normaliser()), video_of(one.features, one.present)
    )
    judged = [c for c in found if c is not None]
    assert judged
    only_text = one.present[:, 0] & ~one.present[:, 1:].any(axis=1)
    for contribution, nothing_else in zip(found, only_text, strict=True):
        if contribution is None or nothing_else:
            continue
        text = contribution["text"]
        assert text.sentiment == text.intensity == 0
        assert set(text.emotions.values()) == set(text.emotion_intensities.values()) == {0}
    assert max(abs(c["acoustic"].intensity) for c in judged if c["acoustic"]) > 1e-3


@pytest.mark.parametrize("backbone", ["cim", "cia", "muse-transformer", "ef-lstm"])
def test_without_means_masked_in_every_utterance(
    tmp_path, model, normaliser, dialogue, tiny, backbone
):
    net, norm = model(backbone=backbone), normaliser("shrink")
    one = dialogue(7, seed=2, present=0.6)
    predictor = predictor_of(tmp_path / "c", net, norm, backbone=backbone, settings=tiny[backbone])
    found = contributions(predictor, video_of(one.features, one.present))
    for place, modality in enumerate(MODALITIES):
        left = one.present.copy()
        left[:, place] = False
        full, without = predict_values(net, [one, replace(one, present=left)], norm)
        for row, contribution in enumerate(found):
            if not left[row].any():
                assert contribution is None or contribution[modality] is None
                continue
            said = contribution[modality]
            chosen = full["sentiment_class"][row].argmax()
            change = {name: full[name][row] - without[name][row] for name in full}
            assert said.sentiment == pytest.approx(change["sentiment_class"][chosen], abs=ATOL)
            assert said.intensity == pytest.approx(
                3 * change["sentiment_intensity"][0], abs=3 * ATOL
            )
            assert list(said.emotions.values()) == pytest.approx(
                change["emotion_class"].tolist(), abs=ATOL
            )
            assert list(said.emotion_intensities.values()) == pytest.approx(
                [*(3 * change["emotion_intensity"]).tolist(), 0.0], abs=3 * ATOL
            )


def test_context_reaches_an_utterance_without_the_modality(tmp_path, model, normaliser, dialogue):
    present = np.ones((4, 3), bool)
    present[1, 2] = False
    one = dialogue(4, seed=5)
    found = contributions(
        predictor_of(tmp_path / "c", model(), normaliser()), video_of(one.features, present)
    )
    assert found[1]["visual"].intensity != 0


@pytest.mark.parametrize(
    ("backbone", "panels"),
    [
        ("cim", [2, 2, 2]),
        ("cia", [1, 1, 1]),
        ("muse-transformer", [2]),
        ("muse-attention-bilstm", [1]),
        ("muse-multitask", [1, 2]),
    ],
)
def test_maps_of_every_kind_of_backbone_can_be_drawn(
    tmp_path, model, normaliser, dialogue, tiny, backbone, panels
):
    predictor = predictor_of(
        tmp_path / "c",
        model(backbone=backbone),
        normaliser(),
        backbone=backbone,
        settings=tiny[backbone],
    )
    one = dialogue(5, seed=2, present=0.6)
    maps = predictor.predict(video_of(one.features, one.present)).attention
    assert [len(row) for row in panel_rows(list(maps))] == panels
    write_heatmaps(maps, tmp_path / "maps.png")
    assert (tmp_path / "maps.png").read_bytes().startswith(b"\x89PNG")


def test_arousal_and_valence(tmp_path, normaliser, dialogue):
    tasks = [TaskSettings(name=name) for name in STEP_TASK_NAMES]
    with seeded(1):
        net = FusionModel("cim", {"gru_width": 5, "dense_width": 4}, DIMS, tasks).eval()
    predictor = predictor_of(tmp_path / "c", net, normaliser(), tasks=STEP_TASK_NAMES)
    video = video_of(dialogue(3, seed=2).features)
    (first, *_), said = contributions(predictor, video), predictor.predict(video).utterances[0]
    text = first["text"]
    for full, left, change in (
        (said.arousal, text.without.arousal, text.arousal),
        (said.valence, text.without.valence, text.valence),
    ):
        assert change == full.probabilities[full.label] - left.probabilities[full.label]
    assert text.sentiment is text.intensity is None
    assert text.emotions == text.emotion_intensities == {}


def test_a_model_of_one_modality_cannot_do_without(tmp_path, model, normaliser, dialogue):
    dims = {"text": 6}
    predictor = predictor_of(tmp_path / "c", model(dims=dims), normaliser("z", dims), dims)
    video = video_of({"text": dialogue(3, seed=6).features["text"]})
    assert contributions(predictor, video) == ({"text": None},) * 3
