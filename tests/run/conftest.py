"""A few seconds of the sample, and checkpoints that are small and untrained but real."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from affect_pipe.extractors.registry import build
from affect_pipe.fusion import checkpoint
from affect_pipe.fusion.config import (
    EMOTION_CLASSES,
    TASK_NAMES,
    NormalisationSettings,
    TaskSettings,
)
from affect_pipe.fusion.models.fusion import FusionModel
from affect_pipe.fusion.normalise import fit_normaliser
from affect_pipe.fusion.training import seeded

SECONDS = 8
CUES = """1
00:00:00,800 --> 00:00:03,860
On Monday I took my old bicycle to the repair shop.

2
00:00:04,660 --> 00:00:08,000
They fixed it in an hour, and it rides beautifully.
"""
VISUAL = {"functionals": ["mean"]}
BACKBONE = {"gru_width": 4, "dense_width": 4}


@pytest.fixture(scope="session")
def clip(sample: Path, ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first eight seconds of the sample, with its transcript beside it."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    ffmpeg("-i", sample, "-t", SECONDS, "-c:v", "libx264", "-preset", "ultrafast", path)
    path.with_suffix(".srt").write_text(CUES, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def make_checkpoint() -> Callable[..., Path]:
    """Save an untrained checkpoint of the features a run computes; ``change`` edits its specs."""

    def make(
        folder: Path,
        seed: int = 0,
        change=lambda spec: spec,
        tasks=tuple(TaskSettings(name=name) for name in TASK_NAMES),  # noqa: B008
        backbone: str = "cim",
        backbone_settings: Mapping[str, object] = BACKBONE,
        **fields: object,
    ) -> Path:
        built = [build("minilm"), build("egemaps"), build("facemesh", VISUAL)]
        specs = [change(extractor.spec()) for extractor in built]
        normalisation = {spec.modality: NormalisationSettings(kind="z") for spec in specs}
        rng = np.random.default_rng(seed)
        vectors = {s.modality: [rng.normal(size=(9, s.dim)).astype(np.float32)] for s in specs}
        with seeded(seed):
            dims = {s.modality: s.dim for s in specs}
            model = FusionModel(backbone, backbone_settings, dims, tasks)
        config = checkpoint.CheckpointConfig(
            schema="affect-pipe-checkpoint/1",
            name=f"untrained-{seed}",
            backbone=backbone,
            backbone_settings=dict(backbone_settings),
            tasks=tasks,
            features=tuple(checkpoint.FeatureSpecSettings.of(spec) for spec in specs),
            normalisation=normalisation,
            **{"thresholds": {"f1": dict.fromkeys(EMOTION_CLASSES, 0.4)}, **fields},
        )
        checkpoint.save(
            folder, config, model, fit_normaliser(vectors, normalisation), "# untrained"
        )
        return folder

    return make


@pytest.fixture(scope="session")
def untrained(make_checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One such checkpoint."""
    return make_checkpoint(tmp_path_factory.mktemp("model") / "untrained")
