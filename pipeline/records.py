"""The frozen records that stages exchange.

Seconds are floats named ``*_s`` on the presentation clock of the media file; intervals are
half-open ``[start_s, end_s)``. Arrays are float32 and read-only. ``repr`` shows shapes, not values.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Modality = Literal["text", "acoustic", "visual"]
MODALITIES: tuple[Modality, ...] = ("text", "acoustic", "visual")
FloatArray = npt.NDArray[np.float32]


def _check_interval(what: str, start_s: float, end_s: float) -> None:
    if not (math.isfinite(start_s) and math.isfinite(end_s) and 0.0 <= start_s <= end_s):
        raise ValueError(
            f"{what} needs finite 0 <= start_s <= end_s, got start_s={start_s}, end_s={end_s}"
        )


def _as_json(settings: Mapping[str, Any]) -> Any:
    """Return settings as they come back from a file: tuples as lists."""
    return json.loads(json.dumps(settings))


@dataclass(frozen=True)
class AudioInfo:
    """The audio stream a media file offers (the first one)."""

    codec: str
    sample_rate_hz: int
    n_channels: int


@dataclass(frozen=True)
class VideoInfo:
    """The video stream a media file offers (the first one that is not a cover picture).

    ``width_px`` and ``height_px`` are as displayed, after the rotation metadata is applied.
    """

    codec: str
    width_px: int
    height_px: int
    average_rate_hz: float
    rotation_deg: int = 0


@dataclass(frozen=True)
class Media:
    """One probed media file.

    Attributes
    ----------
    path : Path
        The file that was named.
    digest : str
        blake2b hex digest of the file's bytes: the identity every cache key builds on.
    container : str
        Short name of the container format, as FFmpeg names it.
    duration_s : float
        End of the longest stream, in seconds.
    audio, video : optional
        None when the file has no such stream.
    """

    path: Path
    digest: str
    container: str
    duration_s: float
    audio: AudioInfo | None
    video: VideoInfo | None

    def __post_init__(self) -> None:
        _check_interval(f"Media({self.path})", 0.0, self.duration_s)


@dataclass(frozen=True)
class Audio:
    """Decoded speech-band audio of one media file.

    Attributes
    ----------
    samples : float32 [n_samples]
        Mono, nominally in [-1, 1]; may be a read-only memory map.
    sample_rate_hz : int
        16000 everywhere in this package.
    start_s : float
        Presentation time of sample 0.
    """

    samples: FloatArray
    sample_rate_hz: int = 16000
    start_s: float = 0.0

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise ValueError(
                f"Audio needs float32 [n_samples], got {self.samples.dtype} {self.samples.shape}"
            )

    def __repr__(self) -> str:
        return f"Audio(samples={self.samples.shape}, {self.sample_rate_hz} Hz)"

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate_hz


@dataclass(frozen=True)
class Interval:
    """A half-open span of time ``[start_s, end_s)``."""

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        _check_interval("Interval", self.start_s, self.end_s)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Word:
    """One spoken word with its time; ``confidence`` in [0, 1], None where the source has none."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None

    def __post_init__(self) -> None:
        _check_interval(f"Word({self.text!r})", self.start_s, self.end_s)


@dataclass(frozen=True)
class Segment:
    """A stretch of speech as its source cut it (a subtitle cue, a recogniser's segment).

    ``words`` are always filled: a source without word times has them spread over the segment in
    proportion to their length, and says so in ``Transcript.word_times``.

    Attributes
    ----------
    quality : mapping of str to float
        What the recogniser tells of it, where it tells anything: ``no_speech_probability`` in
        [0, 1], ``mean_log_probability`` of its tokens (natural logarithm, at most 0),
        ``compression_ratio`` of its text (much over 2: it repeats itself).
    doubt : str, optional
        Why its words are taken for made up and count as not heard; None where they are believed.
    """

    start_s: float
    end_s: float
    text: str
    words: tuple[Word, ...]
    speaker: str | None = None
    quality: Mapping[str, float] = field(default_factory=dict)
    doubt: str | None = None

    def __post_init__(self) -> None:
        _check_interval(f"Segment({self.text[:30]!r})", self.start_s, self.end_s)
        if not all(math.isfinite(value) for value in self.quality.values()):
            raise ValueError(f"Segment({self.text[:30]!r}) has quality {dict(self.quality)}")


@dataclass(frozen=True)
class SpeakerTurn:
    """Time ``[start_s, end_s)`` in which one speaker, by name, speaks."""

    start_s: float
    end_s: float
    speaker: str

    def __post_init__(self) -> None:
        _check_interval(f"SpeakerTurn({self.speaker!r})", self.start_s, self.end_s)


@dataclass(frozen=True)
class Diarisation:
    """Who speaks when.

    Attributes
    ----------
    turns : tuple of SpeakerTurn
        In order of their start; they may overlap.
    name : str
        Of the file.
    other : str
        What the file calls the recording, where neither that nor the file's own name is the
        media's; else empty.
    """

    turns: tuple[SpeakerTurn, ...]
    name: str
    other: str = ""

    def speaker_during(self, start_s: float, end_s: float) -> str | None:
        """Return who speaks most of ``[start_s, end_s)``; None where nobody does."""
        spoken_s: dict[str, float] = {}
        for turn in self.turns:
            common_s = min(turn.end_s, end_s) - max(turn.start_s, start_s)
            if common_s > 0:
                spoken_s[turn.speaker] = spoken_s.get(turn.speaker, 0.0) + common_s
        return max(spoken_s, key=lambda speaker: spoken_s[speaker], default=None)


@dataclass(frozen=True)
class Transcript:
    """What was said, as one source of words tells it.

    Attributes
    ----------
    source : str
        Which recogniser or file format gave the words: ``srt``, ``whisper``, ``moonshine``...
    model : str
        The model or file name behind it.
    word_times : {"measured", "aligned", "spread"}
        From the source itself, force-aligned to the audio, or spread evenly over segments.
    guesses : bool
        True where the source mishears so often that its words need their confidence checked.
    diarisation : Diarisation, optional
        Where the speakers come from, if not from the source of the words itself.
    """

    segments: tuple[Segment, ...]
    source: str
    model: str = ""
    language: str | None = None
    word_times: Literal["measured", "aligned", "spread"] = "measured"
    guesses: bool = False
    warnings: tuple[str, ...] = ()
    diarisation: Diarisation | None = None

    @property
    def words(self) -> tuple[Word, ...]:
        """All words that are believed, in order."""
        return tuple(word for segment in self.believed for word in segment.words)

    @property
    def believed(self) -> tuple[Segment, ...]:
        """The segments whose words are not taken for made up."""
        return tuple(segment for segment in self.segments if segment.doubt is None)

    def doubt_during(self, start_s: float, end_s: float) -> str | None:
        """Say why words heard in ``[start_s, end_s)`` are not believed; None where there are none.

        Of several reasons, that of the segment which fills most of the time.
        """
        doubted = [
            (min(segment.end_s, end_s) - max(segment.start_s, start_s), segment.doubt)
            for segment in self.segments
            if segment.doubt is not None
        ]
        length_s, doubt = max(doubted, key=lambda pair: pair[0], default=(0.0, None))
        return doubt if length_s > 0 else None


@dataclass(frozen=True)
class Utterance:
    """A stretch of speech by one speaker that is described and judged as one.

    ``text`` is empty where nothing intelligible was said; ``text_reason`` then says why
    ("no words recognised", "most words are guesses", the doubt of a segment).
    """

    index: int
    start_s: float
    end_s: float
    text: str
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    text_reason: str | None = None

    def __post_init__(self) -> None:
        _check_interval(f"Utterance {self.index}", self.start_s, self.end_s)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class StageSpec:
    """What decides a stage's output besides its inputs: who computes it, how, with which weights.

    Attributes
    ----------
    stage : str
        ``speech``, ``voice-activity``, ``face-tracks``...
    extractor, version : str
        Name in the registry and the version of its code and back end.
    settings : mapping
        JSON-able settings.
    model_id : str
        The weights used, by name; empty when there are none.
    weights_digest : str
        Digest of those weights.
    backend : str
        The library behind it with its version (``silero-vad 6.2.3``).
    """

    stage: str
    extractor: str
    version: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    model_id: str = ""
    weights_digest: str = ""
    backend: str = ""


@dataclass(frozen=True)
class FeatureSpec:
    """The contract of one feature set: what a checkpoint was trained on and what must be computed.

    Attributes
    ----------
    name : str
        Name of the feature set in the registry: ``minilm``, ``egemaps``, ``facemesh``...
    modality : {"text", "acoustic", "visual"}
    dim : int
        Width of the utterance vector.
    columns : tuple of str
        ``dim`` column names.
    version : str
        Version of the extractor's arithmetic; a change of it changes the numbers.
    settings : mapping
        JSON-able settings of the extractor.
    model_id : str
        The weights behind the feature, by name; empty when there are none.
    weights_digest : str
        Digest of those weights. Not part of `compatible_with`: the same model saved twice may
        differ in bytes; a difference is a warning, not a refusal.
    backend : str
        The library behind it with its version (``opensmile 2.6.0``). Part of cache keys, not of
        `compatible_with`, for the same reason.
    """

    name: str
    modality: Modality
    dim: int
    columns: tuple[str, ...]
    version: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    model_id: str = ""
    weights_digest: str = ""
    backend: str = ""

    def __post_init__(self) -> None:
        if self.modality not in MODALITIES:
            raise ValueError(f"unknown modality {self.modality!r}, known: {', '.join(MODALITIES)}")
        if self.dim <= 0 or len(self.columns) != self.dim:
            raise ValueError(
                f"FeatureSpec {self.name}: dim {self.dim} but {len(self.columns)} column names"
            )

    def __repr__(self) -> str:
        return f"FeatureSpec({self.name} {self.version}, {self.modality}, dim={self.dim})"

    def compatible_with(self, other: FeatureSpec) -> bool:
        """Whether vectors of ``other`` mean the same, column for column, as vectors of this."""
        return (
            self.name == other.name
            and self.modality == other.modality
            and tuple(self.columns) == tuple(other.columns)
            and self.version == other.version
            and _as_json(self.settings) == _as_json(other.settings)
            and self.model_id == other.model_id
        )


@dataclass(frozen=True)
class FeatureBlock:
    """One feature set over the utterances of one video.

    Attributes
    ----------
    values : float32 [n_utterances, dim]
        Finite everywhere; zero in absent rows.
    present : bool [n_utterances]
        Whether the row was measured.
    reasons : tuple of (str or None), length n_utterances
        Why a row is absent; None where it is present.
    quality : mapping of str to float32 [n_utterances]
        Measures of evidence, for example ``face_coverage`` in [0, 1], ``speech_s``, ``snr_db``,
        ``asr_confidence``; NaN where one cannot be measured.
    """

    spec: FeatureSpec
    values: FloatArray
    present: npt.NDArray[np.bool_]
    reasons: tuple[str | None, ...]
    quality: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.reasons)
        if self.values.shape != (n, self.spec.dim) or self.values.dtype != np.float32:
            raise ValueError(
                f"{self.spec.name}: values must be float32 [{n}, {self.spec.dim}], "
                f"got {self.values.dtype} {list(self.values.shape)}"
            )
        if self.present.shape != (n,) or self.present.dtype != np.bool_:
            raise ValueError(
                f"{self.spec.name}: present must be bool [{n}], "
                f"got {self.present.dtype} {list(self.present.shape)}"
            )
        if not np.isfinite(self.values).all():
            raise ValueError(f"{self.spec.name}: values must be finite")
        if self.values[~self.present].any():
            raise ValueError(f"{self.spec.name}: absent rows must be zero")
        if any(
            (reason is None) != bool(p)
            for reason, p in zip(self.reasons, self.present, strict=True)
        ):
            raise ValueError(f"{self.spec.name}: exactly the absent rows need a reason")
        for name, column in self.quality.items():
            if column.shape != (n,):
                raise ValueError(
                    f"{self.spec.name}: quality {name} has shape {column.shape}, not ({n},)"
                )

    def __repr__(self) -> str:
        n_present = int(self.present.sum())
        return f"FeatureBlock({self.spec.name}, {self.values.shape}, {n_present} present)"


@dataclass(frozen=True)
class VideoFeatures:
    """All feature blocks of one video, keyed by modality, over the same utterances."""

    utterances: tuple[Utterance, ...]
    blocks: Mapping[Modality, FeatureBlock]

    def __post_init__(self) -> None:
        for modality, block in self.blocks.items():
            if block.spec.modality != modality:
                raise ValueError(
                    f"block {block.spec.name} is {block.spec.modality}, filed as {modality}"
                )
            if len(block.reasons) != len(self.utterances):
                raise ValueError(
                    f"{block.spec.name}: {len(block.reasons)} rows "
                    f"for {len(self.utterances)} utterances"
                )


@dataclass(frozen=True)
class EmotionPrediction:
    """One emotion of one utterance: probability in [0, 1], decision, intensity in [0, 3].

    None where the model does not predict it.
    """

    probability: float | None
    present: bool | None
    intensity: float | None


@dataclass(frozen=True)
class ClassPrediction:
    """One class of several: its name, and the probability of each class, summing to 1."""

    label: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True)
class Evidence:
    """Whether a prediction may stand on what its utterance offers, and why it may not."""

    sufficient: bool
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.sufficient == bool(self.reasons):
            raise ValueError("Evidence needs reasons exactly where it is not sufficient")


@dataclass(frozen=True)
class UtterancePrediction:
    """What the fusion model says of one utterance.

    Attributes
    ----------
    sentiment_label : str or None
        ``negative``, ``neutral`` or ``positive``, or a class of the model's own scheme; None where
        the model predicts no class.
    sentiment_probabilities : mapping of label to probability, summing to 1; empty without classes.
    sentiment_intensity : float or None
        In [-3, 3], the papers' scale; None where the model predicts none.
    emotions : mapping of emotion name to EmotionPrediction; empty where the model predicts none.
    arousal, valence : ClassPrediction, optional
        None where the model predicts none.
    evidence : Evidence, optional
        None where the model asks for none: every prediction stands.
    """

    sentiment_label: str | None
    sentiment_probabilities: Mapping[str, float]
    sentiment_intensity: float | None
    emotions: Mapping[str, EmotionPrediction]
    arousal: ClassPrediction | None = None
    valence: ClassPrediction | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True)
class ModelOutputs:
    """What a model says of every utterance that it can judge: names of the classes of each part.

    Attributes
    ----------
    sentiment, emotions, arousal, valence : tuple of str or None
        None where the model does not predict that part; sentiment without classes, intensity
        alone, is an empty tuple.
    evidence : bool
        Whether it says on how much its judgement stands.
    """

    sentiment: tuple[str, ...] | None
    emotions: tuple[str, ...] | None
    arousal: tuple[str, ...] | None = None
    valence: tuple[str, ...] | None = None
    evidence: bool = False


USUAL_OUTPUTS = ModelOutputs(
    sentiment=("negative", "neutral", "positive"),
    emotions=("anger", "disgust", "fear", "happy", "sad", "surprise", "no-emotion"),
)


@dataclass(frozen=True)
class ModelInfo:
    """Which checkpoint predicted: name, digest of its files, backbone, licence, outputs."""

    name: str
    digest: str
    backbone: str
    licence: str
    outputs: ModelOutputs = USUAL_OUTPUTS


@dataclass(frozen=True)
class Prediction:
    """The fusion model's output for one video.

    Attributes
    ----------
    utterances : tuple of (UtterancePrediction or None)
        None where no modality was present: there is nothing to judge by.
    attention : mapping of pair name to float32 [n_utterances, n_utterances]
        The backbone's attention maps by the modalities of both sides and the map's name in its
        paper: N1 and N2 of CIM (``"text-visual/N1"``: text attends to visual, N2 the other way
        about), N of CIA, layers and self-attention of the MuSe hybrids. Row i says which
        utterances i attended to. Rows and columns of utterances without the map's modalities are
        zero.
    """

    utterances: tuple[UtterancePrediction | None, ...]
    attention: Mapping[str, FloatArray] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Prediction({len(self.utterances)} utterances, attention={sorted(self.attention)})"


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


@dataclass(frozen=True)
class VideoResult:
    """Everything one run found in one video.

    ``contributions`` is None where it was not asked for; otherwise it has an item an utterance,
    None for one that was not judged.
    """

    media: Media
    transcript: Transcript
    features: VideoFeatures
    prediction: Prediction
    model: ModelInfo
    warnings: tuple[str, ...] = ()
    timings_s: Mapping[str, float] = field(default_factory=dict)
    contributions: tuple[Contributions | None, ...] | None = None
