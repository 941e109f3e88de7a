"""The recipes of the shipped checkpoints: which extractors describe their corpora."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from affect_pipe.extractors import registry
from affect_pipe.extractors.corpora import describe_recordings
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted

if TYPE_CHECKING:
    from affect_pipe.fusion.recipes.starter_features import StarterEncoders

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
