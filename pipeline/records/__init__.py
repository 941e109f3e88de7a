"""The frozen records that stages exchange.

Seconds are floats named ``*_s`` on the presentation clock of the media file; intervals are
half-open ``[start_s, end_s)``. Arrays are float32 and read-only. ``repr`` shows shapes, not values.
"""

from affect_pipe.pipeline.records.arrays import FloatArray
from affect_pipe.pipeline.records.contributions import Contribution, Contributions
from affect_pipe.pipeline.records.features import FeatureBlock, VideoFeatures
from affect_pipe.pipeline.records.intervals import Interval
from affect_pipe.pipeline.records.media import Audio, AudioInfo, Media, VideoInfo
from affect_pipe.pipeline.records.modalities import MODALITIES, Modality
from affect_pipe.pipeline.records.models import USUAL_OUTPUTS, ModelInfo, ModelOutputs
from affect_pipe.pipeline.records.predictions import (
    ClassPrediction,
    EmotionPrediction,
    Evidence,
    Prediction,
    UtterancePrediction,
)
from affect_pipe.pipeline.records.results import VideoResult
from affect_pipe.pipeline.records.speakers import Diarisation, SpeakerTurn
from affect_pipe.pipeline.records.specs import FeatureSpec, StageSpec
from affect_pipe.pipeline.records.transcript import Segment, Transcript, Word
from affect_pipe.pipeline.records.utterances import Utterance

# In the order in which the stages make them, which the documentation keeps.
__all__ = [  # noqa: RUF022
    "MODALITIES",
    "Modality",
    "FloatArray",
    "AudioInfo",
    "VideoInfo",
    "Media",
    "Audio",
    "Interval",
    "Word",
    "Segment",
    "SpeakerTurn",
    "Diarisation",
    "Transcript",
    "Utterance",
    "StageSpec",
    "FeatureSpec",
    "FeatureBlock",
    "VideoFeatures",
    "EmotionPrediction",
    "ClassPrediction",
    "Evidence",
    "UtterancePrediction",
    "ModelOutputs",
    "USUAL_OUTPUTS",
    "ModelInfo",
    "Prediction",
    "Contribution",
    "Contributions",
    "VideoResult",
]
