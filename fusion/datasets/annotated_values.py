"""What people type into tiers: classes, presence, intensities, in whatever case and spacing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from affect_pipe.fusion.config import EMOTION_CLASSES, LEVELS, NO_EMOTION, SENTIMENT_LABELS
from affect_pipe.fusion.datasets.label_models import EMOTION_NAMES
from affect_pipe.fusion.encoding import MAX_INTENSITY
from affect_pipe.pipeline.annotation.names import plain

_YES = frozenset({"present", "yes", "y", "true", "x", "+"})
_NO = frozenset({"absent", "no", "n", "false", "-"})
_SHORT = {"pos": "positive", "neg": "negative", "neu": "neutral"}
_CLASSES = {label: label for labels in SENTIMENT_LABELS.values() for label in labels} | _SHORT
_LEVELS = {level: level for level in LEVELS}
# A sign, digits, and a decimal point or comma.
_NUMBER = re.compile(r"[+\-\u2212]?(?:\d+(?:[.,]\d*)?|[.,]\d+)")
_PRESENCE = re.compile(r"(?:present\s+)?(\S+)")
INTENSITY = " intensity"


class UnusableError(ValueError):
    """A value that means nothing on its tier; the message says what was expected."""


@dataclass
class Labels:
    """What one utterance is labelled with; None and missing keys are unknown.

    Attributes
    ----------
    sentiment : float or None
        Intensity in [-3, 3].
    sentiment_class : str or None
        A class of `affect_pipe.fusion.config.SENTIMENT_LABELS`.
    present : mapping of emotion class to bool
    degrees : mapping of emotion class to float
        Intensity in [0, 3].
    arousal, valence : float or str or None
        A rating in [-1, 1] or one of `LEVELS`.
    """

    sentiment: float | None = None
    sentiment_class: str | None = None
    present: dict[str, bool] = field(default_factory=dict)
    degrees: dict[str, float] = field(default_factory=dict)
    arousal: float | str | None = None
    valence: float | str | None = None

    @property
    def any(self) -> bool:
        """Whether anything is known."""
        single = (self.sentiment, self.sentiment_class, self.arousal, self.valence)
        known = any(value is not None for value in single)
        return known or bool(self.present) or bool(self.degrees)


Put = Callable[[Labels, str], None]


def writer_of(kind: str) -> Put | None:
    """Return what puts the values of a kind of tier into labels; None for tiers of other things.

    Parameters
    ----------
    kind : str
        Name of the tier, without what stands behind an ``@``.
    """
    name = plain(kind)
    if name in ("sentiment", "sentiment class"):
        return _sentiment
    if name in ("sentiment intensity", "sentiment degree"):
        return _sentiment_intensity
    if name in ("emotion", "emotions"):
        return _emotions
    if name in ("arousal", "valence", "arousal class", "valence class"):
        return _scale(name.partition(" ")[0])
    emotion, of_degree = _emotion_of(name)
    if emotion is None:
        return None
    return _degree(emotion) if of_degree else _presence(emotion)


def _emotion_of(name: str) -> tuple[str | None, bool]:
    for ending in (INTENSITY, " degree"):
        if name.endswith(ending):
            return _EMOTIONS.get(name.removesuffix(ending)), True
    return _EMOTIONS.get(name), False


_EMOTIONS: Mapping[str, str] = {
    **{plain(name): emotion for name, emotion in EMOTION_NAMES.items()},
}


def _sentiment(labels: Labels, value: str) -> None:
    number = _number(value)
    if number is not None:
        _sentiment_intensity(labels, value)
        return
    name = _by_name(value, _CLASSES)
    if name is None:
        raise UnusableError("negative, neutral, positive, or a number from -3 to 3")
    labels.sentiment_class = name


def _sentiment_intensity(labels: Labels, value: str) -> None:
    labels.sentiment = _between(value, -MAX_INTENSITY, MAX_INTENSITY, "a number from -3 to 3")


def _emotions(labels: Labels, value: str) -> None:
    """Read a list of the emotions that are present; the others are not."""
    named: set[str] = set()
    for part in re.split(r"[,;/+&]", value):
        found = _EMOTIONS.get(plain(part))
        if found is None:
            raise UnusableError(f"one or more of {', '.join(EMOTION_CLASSES)}, with commas")
        named.add(found)
    labels.present |= {emotion: emotion in named for emotion in EMOTION_CLASSES}


def _presence(emotion: str) -> Put:
    def put(labels: Labels, value: str) -> None:
        name = value.strip().casefold()
        if name in _YES or name in _NO:
            labels.present[emotion] = name in _YES
            return
        # "present 2.1", or the degree alone.
        found = _PRESENCE.fullmatch(name)
        wanted = "present, absent, or a number from 0 to 3"
        degree = _between(found[1] if found else name, 0, MAX_INTENSITY, wanted)
        labels.present[emotion] = degree > 0
        if degree not in (0, 1) and emotion != NO_EMOTION:
            labels.degrees[emotion] = degree

    return put


def _degree(emotion: str) -> Put:
    def put(labels: Labels, value: str) -> None:
        labels.degrees[emotion] = _between(value, 0, MAX_INTENSITY, "a number from 0 to 3")

    return put


def _scale(name: str) -> Put:
    def put(labels: Labels, value: str) -> None:
        level = _by_name(value, _LEVELS)
        wanted = f"one of {', '.join(LEVELS)}, or a rating from -1 to 1"
        setattr(labels, name, level if level is not None else _between(value, -1, 1, wanted))

    return put


def _by_name(value: str, names: Mapping[str, str]) -> str | None:
    known = {plain(name): label for name, label in names.items()}
    return known.get(plain(value.strip(" .!?,;:")))


def _number(value: str) -> float | None:
    text = value.strip()
    if not _NUMBER.fullmatch(text):
        return None
    return float(text.replace("\u2212", "-").replace(",", "."))


def _between(value: str, low: float, high: float, wanted: str) -> float:
    number = _number(value)
    if number is None or not low <= number <= high:
        raise UnusableError(wanted)
    return number
