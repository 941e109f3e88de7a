"""The recipes of the shipped checkpoints: what describes their corpora, training, measuring."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from affect_pipe.extractors import registry
from affect_pipe.extractors.corpora import describe_recordings
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.fusion.device_check import check_device
from affect_pipe.fusion.recipes.starter_store import corpora_folder
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted

if TYPE_CHECKING:
    from affect_pipe.fusion.recipes.starter_features import StarterEncoders
    from affect_pipe.fusion.recipes.starter_report import StarterReport

STARTER = "starter"
# The acoustic extractor of each recipe, with its settings; words and faces are the same in all.
VOICES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    STARTER: ("egemaps", {}),
    "starter-covarep": (
        "covarep",
        {"functionals": ["mean", "std"], "speech_level_db": -26.0},
    ),
}
STARTER_SEED = 0
Tell = Callable[[str], None]


def _ignore(line: str) -> None:
    """Tell nobody."""


def check_recipe(recipe: str) -> None:
    """Refuse a recipe that is unknown.

    Raises
    ------
    UsageError
    """
    if recipe not in VOICES:
        raise UsageError(f"unknown recipe {quoted(recipe)}: known recipes are {', '.join(VOICES)}.")


def encoders(recipe: str = STARTER) -> StarterEncoders:
    """Compose what describes a recipe's corpora: the very extractors a run uses.

    Raises
    ------
    UsageError
        If the recipe is unknown.
    """
    from affect_pipe.extractors.text.minilm import MiniLM
    from affect_pipe.extractors.visual.facemesh import FaceMesh
    from affect_pipe.fusion.recipes.starter_features import StarterEncoders

    check_recipe(recipe)
    # A photograph shows no motion: only means over frames carry over from it to video.
    # Means need few frames: 6 a second of video cost little more than decoding.
    text, face = MiniLM(), FaceMesh(functionals=("mean",), rate_hz=6.0)
    voice = registry.build(*VOICES[recipe])
    return StarterEncoders(
        text_spec=text.spec(),
        acoustic_spec=voice.spec(),
        visual_spec=face.spec(),
        encode_texts=text.encode,
        describe_voices=partial(describe_recordings, extractor=voice, detector=SileroVAD()),
        describe_faces=partial(face.still_features, n_workers=os.cpu_count() or 1),
        mirror_faces=face.mirrored,
    )


def train(
    recipe: str,
    data: str | Path,
    out: str | Path,
    *,
    seed: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    cache_dir: str | None = None,
    tell: Tell = _ignore,
) -> StarterReport:
    """Train a shipped checkpoint again, by the recipe it was made with.

    Parameters
    ----------
    recipe : {"starter", "starter-covarep"}
    data : str or Path
        Folder of corpora; see docs/data.md.
    out : str or Path
        Checkpoint folder to write.
    seed : int, optional
        By default the one that made the shipped checkpoint.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes a GPU if there is one.
    cache_dir : str, optional
        Where the corpora's features are kept, in the subfolder ``corpora``.
    tell : callable
        Hears of progress, line by line.

    Returns
    -------
    StarterReport
        The figures on the dev parts.

    Raises
    ------
    UsageError
        If the recipe or the device is unknown, or a corpus is missing.
    """
    check_recipe(recipe)
    check_device(device)
    from affect_pipe.fusion.recipes import starter

    return starter.build(
        Path(data),
        Path(out),
        encoders(recipe),
        name=recipe,
        work=corpora_folder(cache_dir),
        tell=tell,
        seed=STARTER_SEED if seed is None else seed,
        device=device,
    )


def evaluate(
    recipe: str,
    data: str | Path,
    *,
    split: Literal["dev", "test"] = "dev",
    model: str | Path | None = None,
    cache_dir: str | None = None,
    tell: Tell = _ignore,
) -> StarterReport:
    """Measure a checkpoint on the dev or test parts of the corpora of a recipe.

    ``model`` is the shipped checkpoint of the recipe unless another is named.

    Raises
    ------
    UsageError
        If the recipe is unknown or ``data`` is no folder.
    CheckpointError
        If the checkpoint is unknown or reads other features.
    """
    check_recipe(recipe)
    from affect_pipe.fusion.recipes import starter

    work = corpora_folder(cache_dir)
    return starter.evaluate(
        Path(data), encoders(recipe), model or recipe, split=split, work=work, tell=tell
    )
