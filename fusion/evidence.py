"""Whether an utterance offers enough for its prediction to stand.

A pure function of what was measured and of the calibrated probabilities; the limits live in the
checkpoint. `affect_pipe.fusion.selection` chooses the limit of a probability on validation data.
"""

from __future__ import annotations

from collections.abc import Mapping

from affect_pipe.fusion.config import EvidenceSettings, TaskName
from affect_pipe.pipeline.records import (
    MODALITIES,
    Evidence,
    FeatureBlock,
    FloatArray,
    Modality,
)

_SENSES: dict[Modality, str] = {"text": "words", "acoustic": "voice", "visual": "face"}
# The quality measures of a modality that limits are for, and how a reader is told of them.
_QUALITIES: dict[Modality, dict[str, str]] = {
    "text": {"asr_confidence": "the words were heard with confidence {:.2f}, under {:.2f}"},
    "acoustic": {"speech_s": "{:.2f} s of speech, under {:.2f} s"},
    "visual": {
        "face_coverage": "the face shows in {:.2f} of the frames, under {:.2f}",
        "speaker_confidence": "the face is the speaker's with confidence {:.2f}, under {:.2f}",
    },
}


def judge(
    settings: EvidenceSettings,
    blocks: Mapping[Modality, FeatureBlock],
    row: int,
    values: Mapping[TaskName, FloatArray],
) -> Evidence:
    """Say whether the prediction of one utterance may stand, and if not, all the reasons.

    Parameters
    ----------
    settings : EvidenceSettings
    blocks : mapping of modality to FeatureBlock
    row : int
        The utterance.
    values : mapping of task name to float32 [width]
        Its calibrated probabilities.
    """
    problems = {modality: _problem(settings, modality, blocks, row) for modality in MODALITIES}
    usable = [modality for modality in MODALITIES if problems[modality] is None]
    needed = [m for m in MODALITIES if m in settings.modalities and m not in usable]
    reasons = [str(problems[modality]) for modality in needed]
    if len(usable) < settings.min_modalities:
        # The weak ones say more than their number.
        reasons += [
            str(problems[modality])
            for modality in MODALITIES
            if modality in blocks and modality not in usable and modality not in needed
        ]
        reasons.append(f"{len(usable)} of {settings.min_modalities} modalities are usable")
    for task, limit in settings.min_probability.items():
        best = float(values[task].max())
        if best < limit:
            reasons.append(f"{task}: the most probable class has {best:.2f}, under {limit:.2f}")
    return Evidence(not reasons, tuple(reasons))


def _problem(
    settings: EvidenceSettings,
    modality: Modality,
    blocks: Mapping[Modality, FeatureBlock],
    row: int,
) -> str | None:
    """Why a modality is not usable in an utterance; None where it is."""
    block = blocks.get(modality)
    if block is None or not block.present[row]:
        return f"no {_SENSES[modality]}"
    limits = {
        "asr_confidence": settings.min_text_confidence,
        "speech_s": settings.min_speech_s,
        "face_coverage": settings.min_face_coverage,
        "speaker_confidence": settings.min_speaker_confidence,
    }
    for name, sentence in _QUALITIES[modality].items():
        limit = limits[name]
        if limit is None or name not in block.quality:
            continue
        found = float(block.quality[name][row])
        # Unknown is not low: a typed transcript has no confidence.
        if found < limit:
            return sentence.format(found, limit)
    return None
