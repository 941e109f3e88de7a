from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from affect_pipe.fusion.config import EvidenceSettings
from affect_pipe.fusion.evidence import judge
from affect_pipe.pipeline.records import MODALITIES, FeatureBlock, FeatureSpec

QUALITY = {"text": "asr_confidence", "acoustic": "speech_s", "visual": "face_coverage"}


def blocks(text=1.0, acoustic=5.0, visual=1.0):
    """One utterance; a quality of None is an absent modality, NaN one that cannot be measured."""
    found = {}
    for modality, quality in zip(MODALITIES, (text, acoustic, visual), strict=True):
        present = np.array([quality is not None])
        found[modality] = FeatureBlock(
            FeatureSpec(f"made-{modality}", modality, 1, ("a",), "1"),
            np.where(present[:, None], np.float32(1), np.float32(0)),
            present,
            (None if quality is not None else "not there",),
            {QUALITY[modality]: np.array([0 if quality is None else quality], np.float32)},
        )
    return found


def reasons(settings, values=None, **qualities):
    found = judge(settings, blocks(**qualities), 0, values or {})
    assert found.sufficient == (not found.reasons)
    return list(found.reasons)


def test_nothing_asked_nothing_lacking():
    assert reasons(EvidenceSettings(), text=None, acoustic=None, visual=0.0) == []


@pytest.mark.parametrize(
    ("modality", "limit", "low", "words"),
    [
        ("text", {"min_text_confidence": 0.5}, 0.25, "confidence 0.25, under 0.50"),
        ("acoustic", {"min_speech_s": 1.0}, 0.25, "0.25 s of speech, under 1.00 s"),
        ("visual", {"min_face_coverage": 0.5}, 0.25, "0.25 of the frames, under 0.50"),
    ],
)
def test_a_weak_modality_is_not_usable(modality, limit, low, words):
    needed = EvidenceSettings(modalities=(modality,), **limit)
    (reason,) = reasons(needed, **{modality: low})
    assert words in reason
    assert reasons(needed, **{modality: float("nan")}) == []
    at_the_limit = next(iter(limit.values()))
    assert reasons(needed, **{modality: at_the_limit}) == []
    (reason,) = reasons(needed, **{modality: None})
    assert reason.startswith("no ")
    # Weak, but nobody needs it.
    assert reasons(EvidenceSettings(**limit), **{modality: low}) == []


def test_a_number_of_modalities():
    two = EvidenceSettings(min_modalities=2, min_face_coverage=0.5)
    assert reasons(two, visual=None) == []
    assert reasons(two, visual=0.1, text=None) == [
        "no words",
        "the face shows in 0.10 of the frames, under 0.50",
        "1 of 2 modalities are usable",
    ]
    # Not told twice.
    both = EvidenceSettings(modalities=("text",), min_modalities=3)
    assert reasons(both, text=None) == ["no words", "2 of 3 modalities are usable"]


def test_a_face_that_may_be_somebody_elses_is_not_usable():
    found = blocks()
    visual = found["visual"]
    sure = {**visual.quality, "speaker_confidence": np.array([0.25], np.float32)}
    found["visual"] = replace(visual, quality=sure)
    needed = EvidenceSettings(
        modalities=("visual",), min_face_coverage=0.5, min_speaker_confidence=0.5
    )
    (reason,) = judge(needed, found, 0, {}).reasons
    assert reason == "the face is the speaker's with confidence 0.25, under 0.50"
    # A feature that does not say whose face it is passes.
    assert reasons(needed) == []
    assert "0.10 of the frames" in reasons(needed, visual=0.1)[0]


def test_a_modality_the_model_does_not_read_is_not_there():
    found = judge(EvidenceSettings(modalities=("visual",)), {}, 0, {})
    assert found.reasons == ("no face",)


def test_a_low_probability():
    limit = EvidenceSettings(min_probability={"sentiment_class": 0.5})
    values = {"sentiment_class": np.float32([0.25, 0.45, 0.3])}
    assert reasons(limit, values) == [
        "sentiment_class: the most probable class has 0.45, under 0.50"
    ]
    assert reasons(limit, {"sentiment_class": np.float32([0.5, 0.5, 0])}) == []
