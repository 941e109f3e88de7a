"""What annotation tools see of a result: tiers of one kind each, for every speaker.

A tier is called by its kind, ``sentiment``, or ``sentiment@Ann`` where speakers are named. The
kinds that a person would correct are read back by these names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from affect_pipe.pipeline.records import MODALITIES, Modality
from affect_pipe.pipeline.results.result_file import Result
from affect_pipe.pipeline.results.result_parts import ClassPart, UtterancePart

TEXT = "text"
PRESENT, ABSENT = "present", "absent"
PRESENCE = "presence"
# Tools know whole milliseconds, and nothing that takes no time.
_LEAST_MS = 1


@dataclass(frozen=True)
class Stretch:
    """An utterance with its times in whole milliseconds, at least one long."""

    start_ms: int
    end_ms: int
    utterance: UtterancePart


@dataclass(frozen=True)
class Lane:
    """Utterances of one speaker that do not overlap: most have one lane.

    Attributes
    ----------
    label : str
        What stands behind the ``@`` of its tiers; empty where there is none.
    """

    label: str
    speaker: str | None
    stretches: tuple[Stretch, ...]

    def tier(self, kind: str) -> str:
        """Return the name of its tier of one kind."""
        return f"{kind}@{self.label}" if self.label else kind


@dataclass(frozen=True)
class Kind:
    """One kind of tier under the text.

    Attributes
    ----------
    vocabulary : str
        Name of the closed list its values come from; empty for free values.
    value : callable (UtterancePart) -> str or None
        What stands under an utterance; None for nothing.
    """

    name: str
    value: Callable[[UtterancePart], str | None]
    vocabulary: str = ""


def lanes(result: Result) -> tuple[Lane, ...]:
    """Return the utterances by speaker, in order of first words; one empty lane for nobody."""
    taken: set[str] = set()
    found = [lane for speaker in result.speakers for lane in _lanes_of(result, speaker, taken)]
    return tuple(found) or (Lane("", None, ()),)


def _lanes_of(result: Result, speaker: str | None, taken: set[str]) -> Iterator[Lane]:
    rows: list[list[Stretch]] = []
    for utterance in result.utterances:
        if utterance.speaker != speaker:
            continue
        start_ms = round(utterance.start_s * 1000)
        stretch = Stretch(
            start_ms, max(round(utterance.end_s * 1000), start_ms + _LEAST_MS), utterance
        )
        row = next((row for row in rows if row[-1].end_ms <= start_ms), None)
        if row is None:
            rows.append([stretch])
        else:
            row.append(stretch)
    name = one_line(speaker or "")
    labels = (name if n == 1 else f"{name} ({n})".strip() for n in count(1))
    for row in rows:
        # Names that differ in spaces alone are one on a line; tiers have names of their own.
        label = next(label for label in labels if label not in taken)
        taken.add(label)
        yield Lane(label, speaker, tuple(row))


def vocabularies(result: Result) -> dict[str, tuple[str, ...]]:
    """Return the closed lists by name, of what this model predicts."""
    found: dict[str, tuple[str, ...]] = {}
    predicted = [u.sentiment for u in result.utterances if u.sentiment is not None]
    labels = _distinct(label for one in predicted for label in one.probabilities or ())
    if labels:
        found["sentiment"] = labels
    if any(u.emotions for u in result.utterances):
        found[PRESENCE] = (PRESENT, ABSENT)
    for name in ("arousal", "valence"):
        scales: list[ClassPart | None] = [getattr(u, name) for u in result.utterances]
        labels = _distinct(label for scale in scales if scale for label in scale.probabilities)
        if labels:
            found[name] = labels
    return found


def _distinct(labels: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(labels))


def kinds(result: Result) -> tuple[Kind, ...]:
    """Return the kinds of tiers under the text, of what this model predicts, in order."""
    closed = vocabularies(result)
    found: list[Kind] = []
    if "sentiment" in closed:
        found.append(Kind("sentiment", _sentiment, "sentiment"))
    if any(u.sentiment and u.sentiment.intensity is not None for u in result.utterances):
        found.append(Kind("sentiment intensity", _sentiment_intensity))
    found += _emotion_kinds(result.utterances)
    found += [Kind(n, _level(n), n) for n in ("arousal", "valence") if n in closed]
    if any(u.evidence for u in result.utterances):
        found.append(Kind("evidence", _evidence))
    found += [Kind(f"modality {name}", _modality(name)) for name in MODALITIES]
    if any(u.face for u in result.utterances):
        found.append(Kind("face track", _face))
    return tuple(found)


def _emotion_kinds(utterances: Sequence[UtterancePart]) -> Iterator[Kind]:
    for name in _distinct(name for u in utterances for name in u.emotions or ()):
        predicted = [u.emotions[name] for u in utterances if u.emotions and name in u.emotions]
        if any(emotion.present is not None for emotion in predicted):
            yield Kind(name, _presence(name), PRESENCE)
        # The absence of emotion has no degree: its intensity is always 0.
        if any(emotion.intensity for emotion in predicted):
            yield Kind(f"{name} intensity", _emotion_intensity(name))


def _sentiment(utterance: UtterancePart) -> str | None:
    return utterance.sentiment.label if utterance.sentiment else None


def _sentiment_intensity(utterance: UtterancePart) -> str | None:
    return _number(utterance.sentiment.intensity) if utterance.sentiment else None


def _presence(name: str) -> Callable[[UtterancePart], str | None]:
    def value(utterance: UtterancePart) -> str | None:
        emotion = (utterance.emotions or {}).get(name)
        if emotion is None or emotion.present is None:
            return None
        return PRESENT if emotion.present else ABSENT

    return value


def _emotion_intensity(name: str) -> Callable[[UtterancePart], str | None]:
    def value(utterance: UtterancePart) -> str | None:
        emotion = (utterance.emotions or {}).get(name)
        return None if emotion is None else _number(emotion.intensity)

    return value


def _level(name: str) -> Callable[[UtterancePart], str | None]:
    def value(utterance: UtterancePart) -> str | None:
        scale: ClassPart | None = getattr(utterance, name)
        return None if scale is None else scale.label

    return value


def _evidence(utterance: UtterancePart) -> str | None:
    if utterance.evidence is None:
        return None
    if utterance.evidence.sufficient:
        return "sufficient"
    return f"insufficient: {'; '.join(utterance.evidence.reasons)}"


def _modality(name: Modality) -> Callable[[UtterancePart], str | None]:
    def value(utterance: UtterancePart) -> str | None:
        sense = utterance.modalities.get(name)
        if sense is None:
            return None
        return PRESENT if sense.present else f"{ABSENT}: {sense.reason or 'no reason is given'}"

    return value


def _face(utterance: UtterancePart) -> str | None:
    face = utterance.face
    if face is None:
        return None
    doubt = f"; {face.doubt}" if face.doubt else ""
    return f"{face.track} ({face.chosen_by}, {_number(face.confidence)}{doubt})"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}".rstrip("0").rstrip(".")


def one_line(text: str) -> str:
    """Return a name on one line, without what XML and Praat cannot hold."""
    return " ".join(storable(text).split())


def storable(text: str) -> str:
    """Return text without control characters and halves of surrogate pairs.

    XML 1.0, section 2.2, has no way to write them; line ends and tabs stay.
    """
    return "".join(c if _in_xml(c) else "\N{REPLACEMENT CHARACTER}" for c in text)


def _in_xml(character: str) -> bool:
    code = ord(character)
    if code < 0x20:
        return character in "\t\n\r"
    return not (0xD800 <= code <= 0xDFFF or code in (0xFFFE, 0xFFFF))
