"""Annotated utterances as the label file that training reads: the own layout of `label_rows`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from affect_pipe.fusion.config import EMOTION_CLASSES, LEVELS, NO_EMOTION, SENTIMENTS
from affect_pipe.fusion.datasets.annotated import AnnotatedUtterance, AnnotatedVideo
from affect_pipe.fusion.datasets.annotated_values import Labels
from affect_pipe.pipeline.results.csv_result import neutralise

_PLACE = ("video", "start_s", "end_s", "segment", "text", "speaker")
_LABELS = (
    *("sentiment", "sentiment_class", *EMOTION_CLASSES),
    *("arousal", "valence", "arousal_class", "valence_class"),
)
#: What an emotion counts as that is present while nobody says how much: the least degree.
LEAST_DEGREE = 1.0
# A degree that is given for an emotion that is present makes it so, however small.
_SMALLEST = 0.01


def label_file(videos: Mapping[str, AnnotatedVideo]) -> tuple[bytes, tuple[str, ...]]:
    """Make a label file of annotated videos.

    Emotions are degrees in [0, 3] where any file has degrees: 0 for one that is absent, whatever
    its degree; `LEAST_DEGREE` for one that is present without any. Otherwise they are 0 and 1.

    Parameters
    ----------
    videos : mapping of video name to AnnotatedVideo
        Names as training looks for them in its folder.

    Returns
    -------
    data : bytes
        CSV in UTF-8; columns of labels that no utterance has are left out.
    warnings : tuple of str
    """
    degrees = _degrees(videos)
    rows = [
        {**_place(name, number, utterance), **_labels(utterance.labels, degrees)}
        for name, video in videos.items()
        for number, utterance in enumerate(video.utterances)
    ]
    used = [name for name in _LABELS if any(row[name] for row in rows)]
    spoken = [name for name in _PLACE if name != "speaker" or any(row[name] for row in rows)]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*spoken, *used], extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "replace"), _warnings(videos)


def _degrees(videos: Mapping[str, AnnotatedVideo]) -> bool:
    return any(u.labels.degrees for video in videos.values() for u in video.utterances)


def _place(video: str, number: int, utterance: AnnotatedUtterance) -> dict[str, str]:
    return {
        "video": video,
        "start_s": f"{utterance.start_s:.3f}",
        "end_s": f"{utterance.end_s:.3f}",
        "segment": str(number),
        "text": neutralise(utterance.text),
        "speaker": neutralise(utterance.speaker or ""),
    }


def _labels(labels: Labels, degrees: bool) -> dict[str, str]:
    found = dict.fromkeys(_LABELS, "")
    found["sentiment"] = _cell(labels.sentiment)
    # Of finer schemes, what the words end with; "non-negative" may be either of two.
    coarse = (labels.sentiment_class or "").rpartition(" ")[2]
    found["sentiment_class"] = coarse if coarse in SENTIMENTS else ""
    for emotion in EMOTION_CLASSES:
        found[emotion] = _cell(_emotion(labels, emotion, degrees))
    for name in ("arousal", "valence"):
        value: float | str | None = getattr(labels, name)
        if isinstance(value, str):
            found[f"{name}_class"] = str(LEVELS.index(value))
        else:
            found[name] = _cell(value)
    return found


def _emotion(labels: Labels, emotion: str, degrees: bool) -> float | None:
    present, degree = labels.present.get(emotion), labels.degrees.get(emotion)
    if present is None and degree is None:
        return None
    if present is False:
        return 0.0
    if not degrees or emotion == NO_EMOTION:
        return float(present is True or bool(degree))
    if present and not degree:
        return LEAST_DEGREE if degree is None else _SMALLEST
    return degree


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _warnings(videos: Mapping[str, AnnotatedVideo]) -> tuple[str, ...]:
    found = [
        f"{video.path.name}: {warning}" for video in videos.values() for warning in video.warnings
    ]
    if _degrees(videos):
        for video in videos.values():
            n = sum(
                1
                for utterance in video.utterances
                for emotion, present in utterance.labels.present.items()
                if present and emotion != NO_EMOTION and emotion not in utterance.labels.degrees
            )
            if n:
                found.append(
                    f"{video.path.name}: {n} emotions are present without an intensity: written as "
                    f"{LEAST_DEGREE:g}, weak."
                )
    return tuple(found)
