"""What each modality adds to a prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from affect_pipe.pipeline.records.modalities import Modality
from affect_pipe.pipeline.records.predictions import UtterancePrediction


@dataclass(frozen=True)
class Contribution:
    """What one modality, over the whole video, adds to the prediction of one utterance.

    Every number is the prediction with all modalities minus the prediction without this one:
    positive where the modality raises it. See `affect_pipe.fusion.explain` for what that means.

    Attributes
    ----------
    without : UtterancePrediction
        The prediction without the modality.
    sentiment : float or None
        Of the probability, in [-1, 1], of the class that is chosen with all modalities.
    intensity : float or None
        Of the sentiment's intensity, in [-6, 6].
    emotions : mapping of emotion name to float
        Of each emotion's probability, in [-1, 1].
    emotion_intensities : mapping of emotion name to float
        Of each emotion's intensity, in [-3, 3].
    arousal, valence : float or None
        Of the probability of the level that is chosen with all modalities.

    What the model does not predict is None, or not in the mapping.
    """

    without: UtterancePrediction
    sentiment: float | None = None
    intensity: float | None = None
    emotions: Mapping[str, float] = field(default_factory=dict)
    emotion_intensities: Mapping[str, float] = field(default_factory=dict)
    arousal: float | None = None
    valence: float | None = None


# None: without the modality there is nothing left to judge the utterance by.
Contributions = Mapping[Modality, Contribution | None]
