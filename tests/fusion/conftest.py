"""Small dialogues and models that the fusion tests share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import TASK_NAMES, NormalisationSettings, TaskSettings
from affect_pipe.fusion.models.fusion import FusionModel
from affect_pipe.fusion.normalise import Normaliser, fit_normaliser
from affect_pipe.fusion.training import seeded
from affect_pipe.pipeline.records import FloatArray, Modality

DIMS: dict[Modality, int] = {"text": 6, "acoustic": 5, "visual": 4}
TINY_MFN = {"lstm_width": 4, "memory_width": 5, "network_width": 6}
TINY_MUSE = {
    "hidden_width": 4,
    "heads": 2,
    "feed_forward": 5,
    "layers": 2,
    "blocks": [
        {"kind": "fused-mbconv", "expansion": 1},
        {"kind": "fused-mbconv", "expansion": 2, "kernel": 5},
        {"kind": "mbconv", "expansion": 3},
    ],
}
TINY: dict[str, dict[str, object]] = {
    "cim": {"gru_width": 5, "dense_width": 4},
    "cia": {"width": 4, "encoder_width": 5},
    "muse-transformer": TINY_MUSE,
    "muse-attention-bilstm": TINY_MUSE,
    "muse-transformer-bilstm": TINY_MUSE,
    "muse-efficientnet-bilstm": TINY_MUSE,
    "muse-attention-efficientnet-bilstm": TINY_MUSE,
    "muse-transformer-efficientnet-bilstm": TINY_MUSE,
    "muse-multitask": {
        "branches": [
            {**TINY_MUSE, "hybrid": "attention-efficientnet-bilstm", "modalities": ["acoustic"]},
            {**TINY_MUSE, "hybrid": "transformer"},
        ],
        "shared_widths": [7, 6],
    },
    "mlp": {"widths": [5, 4]},
    "df-dnn": {"hidden_width": 5, "score_width": 2, "fusion_width": 4},
    "ef-lstm": {"lstm_width": 5},
    "bc-lstm": {"lstm_width": 5, "dense_width": 9},
    "mmmu-ba": {"gru_width": 5, "dense_width": 4},
    "tfn": {"text_width": 8, "acoustic_width": 7, "visual_width": 6, "inference_width": 9},
    "mfn": TINY_MFN,
    "graph-mfn": {**TINY_MFN, "vertex_width": 3},
    "marn": {"lsthm_width": 4, "attentions": 2, "reduced_width": 3, "code_width": 5},
    "mv-lstm": {"view_width": 6},
    "mfm": {**TINY_MFN, "latent_width": 3, "factor_width": 4},
}
ALL_TASKS = tuple(TaskSettings(name=name) for name in TASK_NAMES)


def make_dialogue(
    n_utterances: int,
    seed: int,
    present: float = 0.6,
    **fields: object,
) -> Dialogue:
    """A dialogue of random vectors; absent rows hold random values too, that nobody may read."""
    rng = np.random.default_rng([seed, n_utterances])
    features: dict[Modality, FloatArray] = {
        modality: rng.normal(3.0, 2.0, (n_utterances, dim)).astype(np.float32)
        for modality, dim in DIMS.items()
    }
    here = rng.random((n_utterances, 3)) < present
    values: dict[str, object] = {"id": f"d{seed}", "corpus": "made", "features": features}
    return Dialogue(**{**values, "present": here, **fields})  # type: ignore[arg-type]


def make_normaliser(kind: str = "z", dims: Mapping[Modality, int] | None = None) -> Normaliser:
    """A normaliser fitted on a made corpus."""
    dims = DIMS if dims is None else dims
    corpus = make_dialogue(50, seed=99, present=1.0)
    settings = {modality: NormalisationSettings(kind=kind) for modality in dims}
    return fit_normaliser({m: [corpus.features[m]] for m in dims}, settings)


def make_model(
    seed: int = 3,
    dims: Mapping[Modality, int] | None = None,
    backbone: str = "cim",
    **settings: object,
) -> FusionModel:
    """A tiny model with every task, in eval mode."""
    with seeded(seed):
        model = FusionModel(
            backbone, {**TINY[backbone], **settings}, DIMS if dims is None else dims, ALL_TASKS
        )
    model.eval()
    return model


@pytest.fixture(name="dialogue")
def _dialogue() -> Callable[..., Dialogue]:
    return make_dialogue


@pytest.fixture(name="normaliser")
def _normaliser() -> Callable[..., Normaliser]:
    return make_normaliser


@pytest.fixture(name="tiny")
def _tiny() -> Mapping[str, Mapping[str, object]]:
    """Settings that make each backbone small."""
    return TINY


@pytest.fixture(name="model")
def _model() -> Callable[..., FusionModel]:
    return make_model
