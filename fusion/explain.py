"""What each modality contributes to a prediction, by leaving it out.

The contribution of a modality to an utterance is the utterance's prediction from everything minus
its prediction when that modality is absent from the whole video. Masks are exact, so "absent" is a
state the model is defined in (and, with modality dropout, was trained in), not a vector of zeros or
of means passed off as a measurement.

What it is not:

- It is leave-one-out, not a Shapley value: contributions do not add up to the prediction. Two
  modalities that say the same may both contribute nothing, since either does without the other;
  two that only mean something together each contribute the whole.
- The whole video loses the modality, so an utterance without a face can still owe something to the
  faces of its neighbours, which contextual models read. A small number may hide large ones of
  either sign inside the model.
- It explains the model, not the speaker.
"""

from __future__ import annotations

from affect_pipe.pipeline.interfaces import Predictor
from affect_pipe.pipeline.records import (
    MODALITIES,
    ClassPrediction,
    Contribution,
    Contributions,
    Modality,
    Prediction,
    UtterancePrediction,
    VideoFeatures,
)


def contributions(
    predictor: Predictor, features: VideoFeatures, prediction: Prediction | None = None
) -> tuple[Contributions | None, ...]:
    """Leave each modality out in turn and compare.

    Parameters
    ----------
    predictor : Predictor
        Runs once more for each modality that is there.
    features : VideoFeatures
    prediction : Prediction, optional
        What ``predictor`` says of ``features``, where that is known already.

    Returns
    -------
    tuple, one item an utterance
        Contributions by modality; None for an utterance that is not judged. A modality that no
        utterance has contributes nothing and is not listed. One without which nothing remains to
        judge the utterance by has None: its contribution is not defined.

    Raises
    ------
    CheckpointError
        As `Predictor.predict`.
    """
    if prediction is None:
        prediction = predictor.predict(features)
    without = {
        modality: predictor.predict(_without(features, modality)).utterances
        for modality in MODALITIES
        if modality in features.blocks and features.blocks[modality].present.any()
    }
    return tuple(
        None
        if full is None
        else {modality: _difference(full, rows[index]) for modality, rows in without.items()}
        for index, full in enumerate(prediction.utterances)
    )


def _without(features: VideoFeatures, modality: Modality) -> VideoFeatures:
    """Return the features without one modality's block: it counts as absent throughout."""
    blocks = {name: block for name, block in features.blocks.items() if name != modality}
    return VideoFeatures(features.utterances, blocks)


def _difference(full: UtterancePrediction, left: UtterancePrediction | None) -> Contribution | None:
    if left is None:
        return None
    probabilities = {
        name: (e.probability, left.emotions[name].probability) for name, e in full.emotions.items()
    }
    intensities = {
        name: (e.intensity, left.emotions[name].intensity) for name, e in full.emotions.items()
    }
    label = full.sentiment_label
    return Contribution(
        without=left,
        sentiment=None
        if label is None
        else full.sentiment_probabilities[label] - left.sentiment_probabilities[label],
        intensity=_minus(full.sentiment_intensity, left.sentiment_intensity),
        emotions=_known(probabilities),
        emotion_intensities=_known(intensities),
        arousal=_of_level(full.arousal, left.arousal),
        valence=_of_level(full.valence, left.valence),
    )


def _of_level(full: ClassPrediction | None, left: ClassPrediction | None) -> float | None:
    """Compare the probability of the level chosen with everything."""
    if full is None or left is None:
        return None
    return full.probabilities[full.label] - left.probabilities[full.label]


def _known(pairs: dict[str, tuple[float | None, float | None]]) -> dict[str, float]:
    found = {name: _minus(*pair) for name, pair in pairs.items()}
    return {name: value for name, value in found.items() if value is not None}


def _minus(full: float | None, left: float | None) -> float | None:
    return None if full is None or left is None else full - left
