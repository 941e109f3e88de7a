"""Results built from records: a talk with everything, with gaps, and with nobody speaking."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from affect_pipe.pipeline.records import (
    AudioInfo,
    ClassPrediction,
    EmotionPrediction,
    Evidence,
    FeatureBlock,
    FeatureSpec,
    Media,
    ModelInfo,
    ModelOutputs,
    Prediction,
    Transcript,
    Utterance,
    UtterancePrediction,
    VideoFeatures,
    VideoInfo,
    VideoResult,
)

EMOTIONS = ("anger", "disgust", "fear", "happy", "sad", "surprise", "no-emotion")


def block(
    name: str, modality: str, reasons: list[str | None], **quality: list[float]
) -> FeatureBlock:
    present = np.array([reason is None for reason in reasons], np.bool_)
    return FeatureBlock(
        FeatureSpec(name, modality, 2, ("a", "b"), "1", {"layer": -1}, "m", "ff"),  # type: ignore[arg-type]
        np.where(present[:, None], np.ones((len(reasons), 2), np.float32), np.float32(0)),
        present,
        tuple(reasons),
        {key: np.array(column, np.float32) for key, column in quality.items()},
    )


def judgement(intensity: float, *present: str) -> UtterancePrediction:
    label = "positive" if intensity > 0 else "negative"
    probabilities = {"negative": 0.25, "neutral": 0.125, "positive": 0.625}
    emotions = {
        name: EmotionPrediction(0.9 if name in present else 0.1, name in present, i * 0.5)
        for i, name in enumerate(EMOTIONS)
    }
    return UtterancePrediction(label, probabilities, intensity, emotions)


@pytest.fixture
def result() -> VideoResult:
    """Three utterances: everything present; no face; nothing at all."""
    utterances = (
        Utterance(0, 0.5, 2.0, "I am glad, so glad, to see each and every one of you again!"),
        Utterance(1, 61.25, 64.0004, "Oh no.", speaker="Ann"),
        Utterance(2, 3700.0, 3702.0, "", text_reason="no words recognised"),
    )
    blocks = {
        "text": block("minilm", "text", [None, None, "no words recognised"]),
        "acoustic": block(
            "egemaps", "acoustic", [None, None, "silent"], snr_db=[20, 3.14159, np.nan]
        ),
        "visual": block(
            "facemesh", "visual", [None, "no face", "no face"], face_coverage=[1, 0, 0]
        ),
    }
    return VideoResult(
        media=Media(
            Path("/home/someone/films/a talk.mp4"),
            "0123456789abcdef0123456789abcdef",
            "mp4",
            3703.12345,
            AudioInfo("aac", 44100, 2),
            VideoInfo("h264", 1280, 720, 29.97002997, 90),
        ),
        transcript=Transcript((), "srt", "/home/someone/films/a talk.srt", "en", "spread"),
        features=VideoFeatures(utterances, blocks),  # type: ignore[arg-type]
        prediction=Prediction(
            (judgement(1.23456, "happy", "surprise"), judgement(-0.00001, "no-emotion"), None),
            {"text-visual/N1": np.array([[1 / 3, 2 / 3, 0], [1, 0, 0], [0, 0, 0]], np.float32)},
        ),
        model=ModelInfo("starter", "ab" * 16, "cim", "CC-BY-NC-SA-4.0"),
        warnings=("no face in 2 of 3 utterances",),
        timings_s={"decode": 1.23456, "fusion": 0.1},
    )


@pytest.fixture
def empty(result: VideoResult) -> VideoResult:
    """A video in which nobody speaks."""
    blocks = {"text": block("minilm", "text", [])}
    return replace(
        result,
        media=replace(result.media, audio=None, video=None),
        features=VideoFeatures((), blocks),  # type: ignore[arg-type]
        prediction=Prediction(()),
        warnings=(),
        timings_s={},
    )


LEVELS = ("very low", "low", "medium", "high", "very high")
SEVEN = (
    "strong negative",
    "moderate negative",
    "weak negative",
    "neutral",
    "weak positive",
    "moderate positive",
    "strong positive",
)


def predicted_by(
    result: VideoResult, outputs: ModelOutputs, first: UtterancePrediction
) -> VideoResult:
    """The talk as another model judges it: the same of the first two utterances."""
    return replace(
        result,
        model=replace(result.model, outputs=outputs),
        prediction=replace(result.prediction, utterances=(first, first, None)),
    )


@pytest.fixture
def levels(result: VideoResult) -> VideoResult:
    """Arousal and valence alone, with evidence to speak of."""
    judged = UtterancePrediction(
        None,
        {},
        None,
        {},
        ClassPrediction("high", dict(zip(LEVELS, (0, 0, 0.25, 0.75, 0), strict=True))),
        ClassPrediction("very low", dict(zip(LEVELS, (1, 0, 0, 0, 0), strict=True))),
        Evidence(False, ("no words", "=1 of 2 modalities are usable")),
    )
    found = predicted_by(result, ModelOutputs(None, None, LEVELS, LEVELS, True), judged)
    first, second, third = found.prediction.utterances
    assert second is not None
    enough = replace(second, evidence=Evidence(True))
    return replace(found, prediction=replace(found.prediction, utterances=(first, enough, third)))


@pytest.fixture
def seven(result: VideoResult) -> VideoResult:
    """Seven sentiment classes and intensities of emotions, without the rest."""
    judged = UtterancePrediction(
        "moderate negative",
        dict(zip(SEVEN, (0.125, 0.5, 0.375, 0, 0, 0, 0), strict=True)),
        None,
        {"sad": EmotionPrediction(None, None, 1.25), "fear": EmotionPrediction(None, None, 0.2)},
    )
    return predicted_by(result, ModelOutputs(SEVEN, ("fear", "sad")), judged)
