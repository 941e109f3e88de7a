"""What the starter's probabilities are worth: temperatures, then decision thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from affect_pipe.fusion.batch import Dialogue
from affect_pipe.fusion.config import PAPER_THRESHOLDS
from affect_pipe.fusion.normalise import Normaliser
from affect_pipe.fusion.recipes.starter_data import StarterData
from affect_pipe.fusion.recipes.starter_pairing import SUBSETS, Pairer, only
from affect_pipe.fusion.thresholds import OBJECTIVES, calibrate

if TYPE_CHECKING:
    from affect_pipe.fusion.models.fusion import FusionModel

# Another draw than those that are reported.
PAIRING_SEED = 300


def calibrate_starter(
    model: FusionModel, normaliser: Normaliser, dev: StarterData
) -> tuple[str, dict[str, bytes]]:
    """Find the temperatures of the class tasks on the dev parts, and set them in the model.

    All corpora count together, as for the thresholds. Without dev parts nothing changes.

    Returns
    -------
    str
        A section of the model card; empty without dev parts.
    dict of file name to bytes
        The pictures it shows.
    """
    from affect_pipe.fusion.calibration import calibrate_model, card_section
    from affect_pipe.fusion.inference import fixed_threads

    dialogues = _judged(dev)
    if not dialogues:
        return "", {}
    with fixed_threads(1):
        return card_section(calibrate_model(model, dialogues, normaliser))


def choose_thresholds(
    model: FusionModel, normaliser: Normaliser, dev: StarterData
) -> dict[str, dict[str, float]]:
    """Choose a threshold for each emotion and objective on the dev parts.

    All corpora count together, paired dialogues with every subset of modalities, so that one
    threshold serves whatever a video offers. Without dev parts the papers' thresholds are kept.
    """
    from affect_pipe.fusion.inference import fixed_threads, gather, predict_values
    from affect_pipe.fusion.tasks import paper_thresholds

    dialogues = _judged(dev)
    if not dialogues:
        return paper_thresholds()
    with fixed_threads(1):
        values = predict_values(model, dialogues, normaliser)
    target, estimate = gather("emotion_class", dialogues, values)
    return {
        name: calibrate(target, estimate, objective, PAPER_THRESHOLDS[name])
        for name, objective in OBJECTIVES.items()
    }


def _judged(dev: StarterData) -> list[Dialogue]:
    found: list[Dialogue] = []
    if dev.meld is not None and dev.ravdess is not None and dev.fer2013 is not None:
        pairer = Pairer(dev.meld, dev.ravdess, dev.fer2013)
        paired = pairer.dialogues(pairer.draw(np.random.default_rng(PAIRING_SEED)))
        found += [only(dialogue, subset) for subset in SUBSETS for dialogue in paired]
    elif dev.meld is not None:
        found += dev.meld.dialogues()
    if dev.goemotions is not None:
        found += dev.goemotions.dialogues()
    return found
