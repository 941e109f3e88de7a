"""What holds for every backbone alike: it learns, repeats itself, and survives a checkpoint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from affect_pipe.fusion import checkpoint
from affect_pipe.fusion.checkpoint import CheckpointConfig, FeatureSpecSettings
from affect_pipe.fusion.config import TASK_NAMES, TaskSettings
from affect_pipe.fusion.inference import predict_values
from affect_pipe.fusion.models.backbone import BACKBONES, build_backbone
from affect_pipe.fusion.tasks import paper_thresholds
from affect_pipe.fusion.training import TrainingSettings, train
from affect_pipe.pipeline.errors import CheckpointError
from affect_pipe.pipeline.records import FeatureSpec

DIMS = {"text": 6, "acoustic": 5, "visual": 4}
pytestmark = pytest.mark.parametrize("backbone", sorted(BACKBONES))


@pytest.fixture
def corpus(dialogue):
    """Sentiment intensity follows one text column."""
    made = [dialogue(n, seed, present=0.9) for seed, n in enumerate((3, 6, 5, 8, 2, 7, 4, 6))]
    return [
        replace(
            d,
            targets={
                "sentiment_intensity": np.tanh(d.features["text"][:, 0] - 3).astype(np.float32)
            },
        )
        for d in made
    ]


def trained(backbone, model, normaliser, corpus, epochs):
    known = type(model(5, DIMS, backbone).backbone).Settings.model_fields
    # A handful of units, half of them dropped, learn nothing.
    net = model(5, DIMS, backbone, **{n: 0.0 for n in ("input_dropout", "dropout") if n in known})
    settings = TrainingSettings(epochs=epochs, learning_rate=0.01, batch_size=4)
    outcome = train(
        net,
        lambda _epoch, _rng: corpus,
        normaliser(),
        settings,
        lambda _model: {"score": 1.0},
    )
    return net, outcome


def test_training_lowers_the_loss(backbone, model, normaliser, corpus):
    _, outcome = trained(backbone, model, normaliser, corpus, epochs=12)
    losses = [record["loss"]["sentiment_intensity"] for record in outcome.history]
    assert losses[-1] < 0.8 * losses[0]


def test_the_same_seed_gives_the_same_weights(backbone, model, normaliser, corpus):
    first, _ = trained(backbone, model, normaliser, corpus, epochs=1)
    second, _ = trained(backbone, model, normaliser, corpus, epochs=1)
    for name, values in first.state_dict().items():
        assert torch.equal(values, second.state_dict()[name]), name


def test_a_checkpoint_gives_the_same_predictions(
    backbone, model, normaliser, dialogue, tiny, tmp_path
):
    norm, net = normaliser(), model(5, DIMS, backbone)
    specs = [
        FeatureSpec(
            name=f"made-{m}",
            modality=m,
            dim=dim,
            columns=tuple(f"c{i}" for i in range(dim)),
            version="1",
            settings={},
            model_id="made",
            weights_digest="abc",
        )
        for m, dim in DIMS.items()
    ]
    config = CheckpointConfig(
        schema=checkpoint.SCHEMA,
        name="tiny",
        backbone=backbone,
        backbone_settings=dict(tiny[backbone]),
        tasks=tuple(TaskSettings(name=name) for name in TASK_NAMES),
        features=tuple(map(FeatureSpecSettings.of, specs)),
        normalisation=dict(norm.settings),
        thresholds=paper_thresholds(),
        training_data=("made up",),
        licence="Apache-2.0",
        seed=3,
    )
    checkpoint.save(tmp_path / "tiny", config, net, norm, "# Tiny\n")
    loaded = checkpoint.load(tmp_path / "tiny")
    dialogues = [dialogue(5, seed=1), dialogue(2, seed=2)]
    expected = predict_values(net, dialogues, norm)
    found = predict_values(loaded.model, dialogues, loaded.normaliser)
    for one, other in zip(expected, found, strict=True):
        for name in TASK_NAMES:
            np.testing.assert_array_equal(one[name], other[name])


def test_settings_of_another_backbone_are_refused(backbone):
    with pytest.raises(CheckpointError, match="do not fit at 'no_such_setting'"):
        build_backbone(backbone, {"no_such_setting": 1}, DIMS)
