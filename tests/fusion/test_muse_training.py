"""Arousal and valence every 250 ms: wide features reduced, trained, saved, loaded, predicted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from affect_pipe.fusion import checkpoint
from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.checkpoint import CheckpointConfig, FeatureSpecSettings
from affect_pipe.fusion.config import (
    LEVELS,
    STEP_TASK_NAMES,
    LossWeightingSettings,
    NormalisationSettings,
    PcaBlock,
    TaskSettings,
)
from affect_pipe.fusion.inference import evaluate, predict_values
from affect_pipe.fusion.models.fusion import FusionModel
from affect_pipe.fusion.normalise import fit_normaliser
from affect_pipe.fusion.predict import CheckpointPredictor
from affect_pipe.fusion.run_folder import RunFolder
from affect_pipe.fusion.training import TrainingSettings, seeded, train
from affect_pipe.pipeline.records import (
    MODALITIES,
    FeatureBlock,
    FeatureSpec,
    Utterance,
    VideoFeatures,
)

DIMS = {"text": 24, "acoustic": 9, "visual": 6}
STEP_S = 0.25
TASKS = tuple(TaskSettings(name=name) for name in STEP_TASK_NAMES)
SMALL = {"hidden_width": 8, "heads": 2, "feed_forward": 12, "layers": 1, "dropout": 0.0}
BACKBONE = {
    "branches": [
        {
            **SMALL,
            "hybrid": "attention-efficientnet-bilstm",
            "modalities": ["acoustic"],
            "blocks": [{"kind": "fused-mbconv", "expansion": 1}],
        },
        {**SMALL, "hybrid": "attention-bilstm"},
    ],
    "shared_widths": [16],
    "dropout": 0.0,
}
# jiang2021, section IV.C: BERT's columns keep 95 % of their variance.
NORMALISATION = {
    "text": NormalisationSettings(pca=(PcaBlock(),)),
    "acoustic": NormalisationSettings(),
    "visual": NormalisationSettings(
        pca=(PcaBlock(columns=4), PcaBlock(explained_variance=None)), pca_order="after"
    ),
}


def segments(n: int, seed: int) -> list[Dialogue]:
    """Segments of steps: the voice says arousal, the words say valence, in two of 24 columns."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(0, 1, (2, DIMS["text"]))
    found = []
    for index in range(n):
        steps = int(rng.integers(6, 15))
        levels = rng.integers(0, 5, (steps, 2))
        sources = np.stack([2.0 * levels[:, 1], rng.normal(0, 1, steps)], axis=1)
        text = sources @ mixing + rng.normal(0, 0.05, (steps, DIMS["text"]))
        acoustic = rng.normal(0, 1, (steps, DIMS["acoustic"]))
        acoustic[:, 0] = levels[:, 0] + rng.normal(0, 0.1, steps)
        features = {
            "text": text.astype(np.float32),
            "acoustic": acoustic.astype(np.float32),
            "visual": rng.normal(0, 1, (steps, DIMS["visual"])).astype(np.float32),
        }
        present = np.ones((steps, 3), bool)
        present[:, MODALITIES.index("visual")] = rng.random(steps) < 0.7
        targets = dict(zip(STEP_TASK_NAMES, levels.T.astype(np.float32), strict=True))
        found.append(Dialogue(f"{index}", "made", features, present, targets))
    return found


def spec(modality: str) -> FeatureSpec:
    columns = tuple(f"c{i}" for i in range(DIMS[modality]))
    return FeatureSpec(f"made-{modality}", modality, DIMS[modality], columns, "1")


def steps_of(segment: Dialogue) -> VideoFeatures:
    """The segment as a run delivers it."""
    blocks = {}
    for index, modality in enumerate(MODALITIES):
        here = segment.present[:, index]
        values = np.where(here[:, None], segment.features[modality], np.float32(0))
        reasons = tuple(None if h else "no face" for h in here)
        blocks[modality] = FeatureBlock(spec(modality), values, here, reasons)
    steps = tuple(Utterance(i, i * STEP_S, (i + 1) * STEP_S, "word") for i in range(len(segment)))
    return VideoFeatures(steps, blocks)


@pytest.fixture(name="run", scope="module")
def _run(tmp_path_factory):
    """Train through the ordinary loop; gives the run folder, model, normaliser and outcome."""
    training, dev = segments(60, 1), segments(12, 2)
    rows = {m: [d.features[m][d.present[:, i]] for d in training] for i, m in enumerate(MODALITIES)}
    norm = fit_normaliser(rows, NORMALISATION)
    settings = TrainingSettings(
        epochs=12,
        batch_size=10,
        learning_rate=0.01,
        device="cpu",
        loss_weighting=LossWeightingSettings(kind="uncertainty"),
    )
    run = RunFolder(tmp_path_factory.mktemp("runs") / "muse", settings.model_dump(mode="json"))
    with seeded(settings.seed):
        net = FusionModel("muse-multitask", BACKBONE, norm.dims, TASKS)

    def validate(model: FusionModel) -> dict[str, float]:
        scores = evaluate(model, dev, norm)
        # The combined score of jiang2021: the mean of both macro F1.
        return {"score": float(np.mean([scores[name]["macro_f1"] for name in STEP_TASK_NAMES]))}

    outcome = train(net, lambda epoch, rng: training, norm, settings, validate, run=run)
    config = CheckpointConfig(
        schema=checkpoint.SCHEMA,
        name="muse",
        backbone="muse-multitask",
        backbone_settings=BACKBONE,
        tasks=TASKS,
        features=tuple(FeatureSpecSettings.of(spec(m)) for m in DIMS),
        normalisation=dict(norm.settings),
        training=settings.model_dump(mode="json"),
    )
    run.save_checkpoint(config, net, norm, "# MuSe\n")
    return run, net, norm, outcome


def test_features_are_reduced_and_both_tasks_learnt(run):
    _, net, norm, outcome = run
    # Two sources and a little noise: one or two components hold 95 % of 24 columns' variance.
    assert norm.dims["text"] <= 2
    assert norm.dims["visual"] == norm.settings["visual"].pca[0].components + 2
    assert net.dims == norm.dims
    scores = evaluate(net, segments(12, 3), norm)
    for name in STEP_TASK_NAMES:
        assert scores[name]["macro_f1"] > 0.6, name  # chance is 0.2
    assert outcome.best_score > 0.6


def test_deltas_are_logged_every_epoch(run):
    folder, *_ = run
    lines = (folder.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    deltas = [json.loads(line)["delta"] for line in lines]
    assert len(deltas) == 12
    assert all(set(found) == set(STEP_TASK_NAMES) for found in deltas)
    for name in STEP_TASK_NAMES:
        assert len({found[name] for found in deltas}) == 12


def test_the_checkpoint_predicts_what_the_trained_model_does(run):
    folder, net, norm, _ = run
    loaded = checkpoint.load(folder.checkpoint_path)
    unseen = segments(5, 4)
    before = predict_values(net, unseen, norm)
    after = predict_values(loaded.model, unseen, loaded.normaliser)
    for mine, other in zip(before, after, strict=True):
        for name in STEP_TASK_NAMES:
            np.testing.assert_array_equal(mine[name], other[name])
    predictor = CheckpointPredictor(folder.path)
    for segment, values in zip(unseen, before, strict=True):
        said = predictor.predict(steps_of(segment)).utterances
        assert len(said) == len(segment)
        for row, step in enumerate(said):
            found = dict(zip(STEP_TASK_NAMES, (step.arousal, step.valence), strict=True))
            for name, prediction in found.items():
                assert prediction.label == LEVELS[values[name][row].argmax()]
                assert list(prediction.probabilities.values()) == pytest.approx(
                    values[name][row].tolist(), abs=1e-5
                )
