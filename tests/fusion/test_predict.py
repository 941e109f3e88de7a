from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from affect_pipe.fusion import checkpoint
from affect_pipe.fusion.checkpoint import CheckpointConfig, FeatureSpecSettings
from affect_pipe.fusion.config import (
    EMOTION_CLASSES,
    LEVELS,
    SENTIMENT_LABELS,
    SENTIMENTS,
    STEP_TASK_NAMES,
    TASK_NAMES,
    EvidenceSettings,
    NormalisationSettings,
    PcaBlock,
    TaskSettings,
)
from affect_pipe.fusion.inference import predict_values
from affect_pipe.fusion.models.fusion import FusionModel
from affect_pipe.fusion.normalise import fit_normaliser
from affect_pipe.fusion.predict import CheckpointPredictor
from affect_pipe.fusion.tasks import paper_thresholds
from affect_pipe.fusion.training import seeded
from affect_pipe.pipeline.errors import CheckpointError
from affect_pipe.pipeline.records import (
    MODALITIES,
    FeatureBlock,
    FeatureSpec,
    Utterance,
    VideoFeatures,
)

DIMS = {"text": 6, "acoustic": 5, "visual": 4}


def spec_of(modality, dim, **fields):
    columns = tuple(f"c{i}" for i in range(dim))
    return FeatureSpec(
        **{
            "name": f"made-{modality}",
            "modality": modality,
            "dim": dim,
            "columns": columns,
            "version": "3",
            "settings": {"range": (1, 2)},
            **fields,
        }
    )


def video_of(dialogue, **spec_fields):
    """The features of a dialogue as a run delivers them: frozen, zero where absent."""
    blocks = {}
    for modality, values in dialogue.features.items():
        present = dialogue.present[:, MODALITIES.index(modality)].copy()
        values = np.where(present[:, None], values, np.float32(0))
        values.flags.writeable = present.flags.writeable = False
        reasons = tuple(None if here else "not there" for here in present)
        spec = spec_of(modality, values.shape[1], **spec_fields)
        blocks[modality] = FeatureBlock(spec, values, present, reasons)
    utterances = tuple(Utterance(i, float(i), i + 1.0, "word") for i in range(len(dialogue)))
    return VideoFeatures(utterances, blocks)


def config_of(norm, dims=None, **fields):
    dims = DIMS if dims is None else dims
    return CheckpointConfig(
        **{
            "schema": checkpoint.SCHEMA,
            "name": "tiny",
            "backbone": "cim",
            "backbone_settings": {"gru_width": 5, "dense_width": 4},
            "tasks": tuple(TaskSettings(name=name) for name in TASK_NAMES),
            "features": tuple(FeatureSpecSettings.of(spec_of(m, d)) for m, d in dims.items()),
            "normalisation": dict(norm.settings),
            "thresholds": paper_thresholds(),
            "licence": "Apache-2.0",
            **fields,
        }
    )


@pytest.fixture
def saved(model, normaliser, tmp_path):
    net, norm = model(), normaliser("shrink")
    checkpoint.save(tmp_path / "tiny", config_of(norm), net, norm, "# Tiny\n")
    return tmp_path / "tiny", net, norm


@pytest.fixture
def predictor(saved):
    return CheckpointPredictor(saved[0])


def test_it_says_what_the_model_says_on_the_papers_scales(saved, predictor, dialogue):
    _, net, norm = saved
    one = dialogue(8, seed=4, present=0.5)
    prediction = predictor.predict(video_of(one))
    (values,) = predict_values(net, [one], norm)
    judged = one.present.any(axis=1)
    assert not judged.all()  # the made dialogue has an utterance with nothing to judge by
    for index, said in enumerate(prediction.utterances):
        assert (said is None) == (not judged[index])
        if said is None:
            continue
        sentiment = values["sentiment_class"][index]
        assert said.sentiment_label == SENTIMENTS[sentiment.argmax()]
        assert list(said.sentiment_probabilities) == list(SENTIMENTS)
        assert sum(said.sentiment_probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert said.sentiment_intensity == pytest.approx(
            3 * values["sentiment_intensity"][index, 0], abs=1e-5
        )
        assert list(said.emotions) == list(EMOTION_CLASSES)
        for place, (name, emotion) in enumerate(said.emotions.items()):
            probability = values["emotion_class"][index, place]
            assert emotion.probability == pytest.approx(probability, abs=1e-5)
            assert emotion.present == (probability > 0.4)
            expected = 0 if name == "no-emotion" else 3 * values["emotion_intensity"][index, place]
            assert emotion.intensity == pytest.approx(expected, abs=1e-5)


def test_attention_is_one_square_map_a_direction(predictor, dialogue):
    one = dialogue(6, seed=4, present=0.5)
    attention = predictor.predict(video_of(one)).attention
    pairs = ("text-visual", "acoustic-visual", "text-acoustic")
    assert set(attention) == {f"{pair}/{n}" for pair in pairs for n in ("N1", "N2")}
    for weights in attention.values():
        assert weights.shape == (6, 6)
        assert weights.dtype == np.float32
    text, visual = one.present[:, 0], one.present[:, 2]
    assert not attention["text-visual/N1"][~text].any()
    assert not attention["text-visual/N1"][:, ~visual].any()


def test_the_same_twice_to_the_last_bit(saved, predictor, dialogue):
    features = video_of(dialogue(9, seed=5))
    first, second = predictor.predict(features), CheckpointPredictor(saved[0]).predict(features)
    assert first.utterances == second.utterances
    for name, weights in first.attention.items():
        np.testing.assert_array_equal(weights, second.attention[name])


def test_no_utterances_no_predictions(predictor, dialogue):
    prediction = predictor.predict(video_of(dialogue(0, seed=1)))
    assert prediction.utterances == ()


def test_a_block_left_out_is_a_modality_absent_throughout(predictor, dialogue):
    one = dialogue(5, seed=6, present=1.0)
    features = video_of(one)
    without = replace(
        features, blocks={m: b for m, b in features.blocks.items() if m != "acoustic"}
    )
    hidden = video_of(one.without(np.array([False, True, False])))
    assert predictor.predict(without).utterances == predictor.predict(hidden).utterances
    assert predictor.predict(without).utterances != predictor.predict(features).utterances


@pytest.mark.parametrize("blocks", [{}, None])
def test_nothing_present_is_none_throughout(predictor, dialogue, blocks):
    features = video_of(dialogue(3, seed=6, present=0.0))
    if blocks is not None:
        features = replace(features, blocks=blocks)
    assert predictor.predict(features).utterances == (None, None, None)


def test_other_features_are_refused_with_both_specs(predictor, dialogue):
    features = video_of(dialogue(3, seed=6), version="4", settings={"range": [1, 3]})
    with pytest.raises(CheckpointError) as caught:
        predictor.predict(features)
    message = str(caught.value)
    assert "FeatureSpec(made-text 3, text, dim=6)" in message
    assert "FeatureSpec(made-text 4, text, dim=6)" in message
    assert "{'range': [1, 2]} against {'range': [1, 3]}" in message
    assert "columns" not in message


def test_other_weights_of_the_same_model_are_accepted(predictor, dialogue):
    features = video_of(dialogue(3, seed=6), weights_digest="other")
    assert len(predictor.predict(features).utterances) == 3
    assert [w.partition(":")[0] for w in predictor.warnings(features)] == [
        f"made-{modality}" for modality in DIMS
    ]
    assert predictor.warnings(video_of(dialogue(3, seed=6))) == ()
    for warning in predictor.warnings(features):
        assert "here other)" in warning
        assert "predictions are meaningless" in warning


def test_a_modality_the_checkpoint_does_not_know_is_refused(model, normaliser, tmp_path, dialogue):
    dims = {"text": 6}
    norm = normaliser("z", dims)
    checkpoint.save(tmp_path / "t", config_of(norm, dims), model(3, dims), norm, "")
    predictor = CheckpointPredictor(tmp_path / "t")
    with pytest.raises(CheckpointError, match="no use for acoustic features"):
        predictor.predict(video_of(dialogue(3, seed=6)))


def partial(tmp_path, normaliser, *tasks, **fields):
    """A checkpoint of some tasks only."""
    norm = normaliser("z")
    with seeded(1):
        net = FusionModel("cim", {"gru_width": 5, "dense_width": 4}, DIMS, tasks)
    folder = tmp_path / "partial"
    checkpoint.save(folder, config_of(norm, tasks=tasks, **fields), net.eval(), norm, "")
    return CheckpointPredictor(folder), net, norm


def test_a_checkpoint_of_seven_classes_alone(tmp_path, normaliser, dialogue):
    task = TaskSettings(name="sentiment_class", classes=7)
    predictor, net, norm = partial(tmp_path, normaliser, task, thresholds={})
    one = dialogue(4, seed=2, present=1.0)
    (expected,) = predict_values(net, [one], norm)
    outputs = predictor.info().outputs
    assert outputs.sentiment == SENTIMENT_LABELS[7]
    assert outputs.emotions is outputs.arousal is outputs.valence is None
    for said, probabilities in zip(
        predictor.predict(video_of(one)).utterances, expected["sentiment_class"], strict=True
    ):
        assert said.sentiment_label == SENTIMENT_LABELS[7][probabilities.argmax()]
        assert list(said.sentiment_probabilities) == list(SENTIMENT_LABELS[7])
        assert list(said.sentiment_probabilities.values()) == pytest.approx(
            probabilities.tolist(), abs=1e-5
        )
        assert said.sentiment_intensity is None
        assert said.emotions == {}
        assert said.arousal is said.valence is said.evidence is None


def test_a_checkpoint_names_its_own_classes(tmp_path, normaliser, dialogue):
    task = TaskSettings(name="sentiment_class", classes=2, labels=("con", "pro"))
    predictor, *_ = partial(tmp_path, normaliser, task, sentiment_labels=("con", "pro"))
    (said,) = predictor.predict(video_of(dialogue(1, seed=2, present=1.0))).utterances
    assert list(said.sentiment_probabilities) == ["con", "pro"]
    assert predictor.info().outputs.sentiment == ("con", "pro")


def test_a_checkpoint_of_arousal_and_valence(tmp_path, normaliser, dialogue):
    tasks = [TaskSettings(name=name) for name in STEP_TASK_NAMES]
    predictor, net, norm = partial(tmp_path, normaliser, *tasks, thresholds={})
    one = dialogue(3, seed=2, present=1.0)
    (expected,) = predict_values(net, [one], norm)
    outputs = predictor.info().outputs
    assert (outputs.arousal, outputs.valence) == (LEVELS, LEVELS)
    assert outputs.sentiment is outputs.emotions is None
    for row, said in enumerate(predictor.predict(video_of(one)).utterances):
        for name, found in (("arousal_class", said.arousal), ("valence_class", said.valence)):
            assert found.label == LEVELS[expected[name][row].argmax()]
            assert list(found.probabilities.values()) == pytest.approx(
                expected[name][row].tolist(), abs=1e-5
            )
        assert said.sentiment_label is said.sentiment_intensity is None
        assert said.emotions == {}


@pytest.mark.parametrize(
    ("name", "emotion"),
    [
        ("emotion_class", {"probability": float, "present": bool, "intensity": type(None)}),
        ("emotion_intensity", {"probability": type(None), "intensity": float}),
        ("sentiment_intensity", None),
    ],
)
def test_a_checkpoint_of_one_task(tmp_path, normaliser, dialogue, name, emotion):
    predictor, *_ = partial(tmp_path, normaliser, TaskSettings(name=name))
    (said,) = predictor.predict(video_of(dialogue(1, seed=2, present=1.0))).utterances
    if emotion is None:
        assert -3 <= said.sentiment_intensity <= 3
        assert (said.sentiment_label, said.sentiment_probabilities) == (None, {})
        assert predictor.info().outputs.sentiment == ()
        return
    assert tuple(said.emotions) == predictor.info().outputs.emotions
    for field, kind in emotion.items():
        assert {type(getattr(e, field)) for e in said.emotions.values()} == {kind}


def test_temperatures_are_those_of_training_and_prediction_alike(tmp_path, normaliser, dialogue):
    plain = [TaskSettings(name=name) for name in ("sentiment_class", "emotion_class")]
    warm = [task.model_copy(update={"temperature": 4.0}) for task in plain]
    one = dialogue(3, seed=2, present=1.0)
    said = {}
    for tasks in (plain, warm):
        predictor, net, norm = partial(tmp_path, normaliser, *tasks)
        (values,) = predict_values(net, [one], norm)
        said[tasks[0].temperature] = values
        for row, found in enumerate(predictor.predict(video_of(one)).utterances):
            assert list(found.sentiment_probabilities.values()) == pytest.approx(
                values["sentiment_class"][row].tolist(), abs=1e-5
            )
            assert [e.probability for e in found.emotions.values()] == pytest.approx(
                values["emotion_class"][row].tolist(), abs=1e-5
            )
    p = said[1.0]["sentiment_class"] ** 0.25
    np.testing.assert_allclose(
        said[4.0]["sentiment_class"], p / p.sum(axis=1, keepdims=True), atol=1e-5
    )
    odds = [v["emotion_class"] / (1 - v["emotion_class"]) for v in (said[1.0], said[4.0])]
    np.testing.assert_allclose(odds[1], odds[0] ** 0.25, rtol=1e-4)


def test_little_evidence_is_told(tmp_path, normaliser, dialogue):
    evidence = EvidenceSettings(
        modalities=("text",),
        min_modalities=2,
        min_face_coverage=0.5,
        min_probability={"sentiment_class": 1.0},
    )
    predictor, *_ = partial(
        tmp_path, normaliser, TaskSettings(name="sentiment_class"), evidence=evidence
    )
    assert predictor.info().outputs.evidence
    present = np.array([[True, True, False], [False, False, True], [False, False, False]])
    features = video_of(replace(dialogue(3, seed=2), present=present))
    first, second, third = predictor.predict(features).utterances
    assert third is None
    assert [reason.partition(":")[0] for reason in first.evidence.reasons] == ["sentiment_class"]
    assert second.evidence.reasons[0] == "no words"
    assert not first.evidence.sufficient
    assert not second.evidence.sufficient


def test_reduced_features_predict_as_in_training(tmp_path, dialogue):
    corpus = dialogue(60, seed=9, present=1.0)
    wanted = {
        "text": NormalisationSettings(pca=(PcaBlock(explained_variance=0.6),)),
        "acoustic": NormalisationSettings(pca=(PcaBlock(columns=3), PcaBlock(columns=2))),
        "visual": NormalisationSettings(pca=(PcaBlock(explained_variance=0.5),), pca_order="after"),
    }
    norm = fit_normaliser({m: [corpus.features[m]] for m in DIMS}, wanted)
    assert norm.input_dims == DIMS
    assert norm.dims["text"] < DIMS["text"]
    tasks = tuple(TaskSettings(name=name) for name in TASK_NAMES)
    with seeded(1):
        net = FusionModel("cim", {"gru_width": 5, "dense_width": 4}, norm.dims, tasks).eval()
    checkpoint.save(tmp_path / "reduced", config_of(norm), net, norm, "")
    loaded = checkpoint.load(tmp_path / "reduced")
    assert loaded.config.model_dims == norm.dims
    one = dialogue(5, seed=2)
    (before,), (after,) = (
        predict_values(net, [one], norm),
        predict_values(loaded.model, [one], loaded.normaliser),
    )
    for name in TASK_NAMES:
        np.testing.assert_array_equal(after[name], before[name])
    said = CheckpointPredictor(tmp_path / "reduced").predict(video_of(one)).utterances
    judged = [u for u in said if u is not None]
    np.testing.assert_allclose(
        [u.sentiment_intensity for u in judged],
        3 * before["sentiment_intensity"][one.present.any(axis=1), 0],
        atol=1e-5,
    )


def test_info_names_the_checkpoint(saved, predictor):
    info = predictor.info()
    assert (info.name, info.backbone, info.licence) == ("tiny", "cim", "Apache-2.0")
    assert info.digest == checkpoint.digest(saved[0])
    assert [spec.name for spec in predictor.feature_specs()] == [f"made-{m}" for m in DIMS]


def test_a_very_long_video(predictor, dialogue):
    prediction = predictor.predict(video_of(dialogue(2000, seed=7)))
    assert len(prediction.utterances) == 2000
    assert prediction.attention["text-visual/N1"].shape == (2000, 2000)


def test_predicting_leaves_the_threads_as_they_were(predictor, dialogue):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        predictor.predict(video_of(dialogue(3, seed=8)))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
