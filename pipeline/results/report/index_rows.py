"""What an index says of one video: counts and a curve, small enough that 1,000 fit on a page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from affect_pipe.pipeline.preflight import SUFFIX
from affect_pipe.pipeline.records import MODALITIES, Modality
from affect_pipe.pipeline.results.json_result import NOT_USED
from affect_pipe.pipeline.results.result_parts import (
    ClassPart,
    EmotionPart,
    ModelPart,
    ResultParts,
    UtterancePart,
)

CURVE_POINTS = 60
"""Points of a sparkline at most: it is about twice as many pixels wide."""
BIN_WIDTH = 0.5
INTENSITY_BINS = tuple(-3 + BIN_WIDTH * step for step in range(12))
"""Lower edges of the bins of sentiment intensity; the last also holds 3 itself."""
_DIGITS = 3
# Half way to 1, "weakly present", on the scale of CMU-MOSEI.
_FELT = 0.5

Point = tuple[float, float | None]


@dataclass(frozen=True)
class IndexRow:
    """One video of an index.

    Attributes
    ----------
    key : str
        Path of its result below the folder, without the suffix, with forward slashes.
    file : str
        Name of the video, without folders.
    digest : str
        Of the bytes of its result.
    duration_s : float
        Length of the video.
    n_utterances, n_judged : int
        All, and those with a prediction.
    model : ModelPart
    words_from : str
        Recogniser, or format of the transcript.
    speakers : tuple of str
        In order of appearance.
    sentiments, emotions, arousal, valence : mapping of str to int, or None
        Utterances by class, classes in the model's order; an emotion counts where it is present,
        so an utterance may count several times. None where the model does not predict that part.
    intensity_mean : float or None
        Mean sentiment intensity of the utterances, in [-3, 3].
    intensities : tuple of int
        Utterances by bin of `INTENSITY_BINS`.
    curve : tuple of (float, float or None)
        Time as a fraction of the video, and sentiment intensity in [-3, 3]; None breaks the curve.
    missing : mapping of Modality to int
        Utterances without words, voice, face, where the model would use them.
    n_insufficient : int
        Utterances with too little evidence, or nothing to judge by.
    warnings : tuple of str
    words : str
        All that was said.
    """

    key: str
    file: str
    digest: str
    duration_s: float
    n_utterances: int
    n_judged: int
    model: ModelPart
    words_from: str
    speakers: tuple[str, ...]
    sentiments: Mapping[str, int] | None
    emotions: Mapping[str, int] | None
    arousal: Mapping[str, int] | None
    valence: Mapping[str, int] | None
    intensity_mean: float | None
    intensities: tuple[int, ...]
    curve: tuple[Point, ...]
    missing: Mapping[Modality, int]
    n_insufficient: int
    warnings: tuple[str, ...]
    words: str

    @property
    def folder(self) -> str:
        """Folder of its result below the indexed one; empty for that one itself."""
        parent = str(PurePosixPath(self.key).parent)
        return "" if parent == "." else parent


def index_row(result: ResultParts, key: str, digest: str) -> IndexRow:
    """Summarise a result.

    Parameters
    ----------
    result : ResultParts
    key : str
        As `IndexRow.key`.
    digest : str
        Of the result's bytes.
    """
    said = result.utterances
    felt = [u.sentiment.intensity for u in said if u.sentiment is not None]
    intensities = [value for value in felt if value is not None]
    return IndexRow(
        key=key,
        file=result.media.file,
        digest=digest,
        duration_s=result.media.duration_s,
        n_utterances=len(said),
        n_judged=sum(map(_is_judged, said)),
        model=result.model,
        words_from=result.asr.source,
        speakers=tuple(dict.fromkeys(u.speaker for u in said if u.speaker is not None)),
        sentiments=_sentiments(said),
        emotions=_emotions(said),
        arousal=_classes([u.arousal for u in said]),
        valence=_classes([u.valence for u in said]),
        intensity_mean=round(math.fsum(intensities) / len(intensities), _DIGITS) + 0.0
        if intensities
        else None,
        intensities=_binned(intensities),
        curve=_curve(said, result.media.duration_s),
        missing={m: sum(_lacks(u, m) for u in said) for m in MODALITIES},
        n_insufficient=sum(_is_insufficient(u) for u in said),
        warnings=result.warnings,
        words=" ".join(u.text for u in said if u.text),
    )


def key_of(path: PurePosixPath) -> str:
    """Return the key of a result's path below the folder."""
    return str(path).removesuffix(SUFFIX)


def _is_judged(utterance: UtterancePart) -> bool:
    parts = (utterance.sentiment, utterance.emotions, utterance.arousal, utterance.valence)
    return any(part is not None for part in parts)


def _is_insufficient(utterance: UtterancePart) -> bool:
    evidence = utterance.evidence
    return not _is_judged(utterance) or (evidence is not None and not evidence.sufficient)


def _lacks(utterance: UtterancePart, modality: Modality) -> bool:
    """Whether a modality that the model uses is missing."""
    part = utterance.modalities.get(modality)
    return part is not None and not part.present and part.reason != NOT_USED


def _sentiments(said: Sequence[UtterancePart]) -> Mapping[str, int] | None:
    found = [u.sentiment for u in said if u.sentiment is not None]
    labels = _in_order(part.probabilities or () for part in found)
    chosen = Counter(part.label for part in found if part.label is not None)
    return {label: chosen[label] for label in labels} if labels else None


def _classes(parts: Iterable[ClassPart | None]) -> Mapping[str, int] | None:
    found = [part for part in parts if part is not None]
    chosen = Counter(part.label for part in found)
    return {label: chosen[label] for label in _in_order(p.probabilities for p in found)} or None


def _emotions(said: Sequence[UtterancePart]) -> Mapping[str, int] | None:
    found = [u.emotions for u in said if u.emotions is not None]
    felt = Counter(name for part in found for name, one in part.items() if is_present(one))
    return {name: felt[name] for name in _in_order(found)} or None


def is_present(emotion: EmotionPart) -> bool:
    """Whether an emotion counts: by the model's own decision where it takes one.

    A model of intensity alone, in [0, 3], takes none; 0.5 and more counts, what rounds to the
    scale's first step.
    """
    if emotion.present is None:
        return emotion.intensity is not None and emotion.intensity >= _FELT
    return emotion.present


def _in_order(names: Iterable[Iterable[str]]) -> list[str]:
    """Return all names, each once, as they first come."""
    return list(dict.fromkeys(name for some in names for name in some))


def _binned(intensities: Sequence[float]) -> tuple[int, ...]:
    last = len(INTENSITY_BINS) - 1
    found = Counter(min(int((value + 3) / BIN_WIDTH), last) for value in intensities)
    return tuple(found[number] for number in range(last + 1))


def _curve(said: Sequence[UtterancePart], duration_s: float) -> tuple[Point, ...]:
    """Return sentiment intensity over time, thinned to the mean of each stretch of a long video."""
    end_s = max([duration_s, *(u.end_s for u in said)])
    if end_s <= 0 or not any(u.sentiment and u.sentiment.intensity is not None for u in said):
        return ()
    points = [
        ((u.start_s + u.end_s) / 2 / end_s, u.sentiment.intensity if u.sentiment else None)
        for u in said
    ]
    if len(points) > CURVE_POINTS:
        points = _thinned(points)
    return tuple((round(at, _DIGITS), value if value is None else round(value, 2) + 0.0)
                 for at, value in points)  # fmt: skip


def _thinned(points: Sequence[Point]) -> list[Point]:
    stretches: dict[int, list[Point]] = {}
    for point in points:
        stretches.setdefault(min(int(point[0] * CURVE_POINTS), CURVE_POINTS - 1), []).append(point)
    thin: list[Point] = []
    for number in sorted(stretches):
        values = [value for _, value in stretches[number] if value is not None]
        mean = math.fsum(values) / len(values) if values else None
        thin.append(((number + 0.5) / CURVE_POINTS, mean))
    return thin
