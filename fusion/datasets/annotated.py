"""Annotation files as labelled utterances: what a person made of ELAN or Praat tiers.

Utterances are the annotations of the tiers called ``text``, ``utterances`` or ``transcript`` (or as
the caller names them), with ``@Ann`` behind the name for each speaker. A label belongs to the
utterance it is under; a label with times of its own belongs to every utterance of which it covers
half or more. So boundaries may be moved, annotations made, deleted, merged and split.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from affect_pipe.fusion.datasets.annotated_values import (
    Labels,
    Put,
    UnusableError,
    writer_of,
)
from affect_pipe.pipeline.annotation.files import read_annotations
from affect_pipe.pipeline.annotation.names import TEXT_TIERS, plain, speaker_of, split_name
from affect_pipe.pipeline.annotation.tiers import (
    Annotation,
    AnnotationError,
    AnnotationFile,
    Tier,
    clock,
)
from affect_pipe.pipeline.given import quoted

# What exports write besides and nobody corrects.
_OTHER = re.compile(r"evidence|modality \w+|face track")
_COVERED = 0.5
_LISTED = 20


@dataclass(frozen=True)
class AnnotatedUtterance:
    """One utterance as a person left it."""

    start_s: float
    end_s: float
    text: str
    speaker: str | None
    labels: Labels


@dataclass(frozen=True)
class AnnotatedVideo:
    """The utterances of one annotation file in order of time.

    Attributes
    ----------
    media : str
        Name of the media file it is about, without folders; empty where it names none.
    warnings : tuple of str
        What was not read.
    """

    path: Path
    media: str
    utterances: tuple[AnnotatedUtterance, ...]
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"AnnotatedVideo({self.path.name!r}, {len(self.utterances)} utterances)"


def read_annotated(path: Path, text_tiers: Sequence[str] = TEXT_TIERS) -> AnnotatedVideo:
    """Read labelled utterances from an ``.eaf`` or ``.TextGrid`` file.

    Parameters
    ----------
    path : Path
    text_tiers : sequence of str
        Names of the tiers whose annotations are the utterances.

    Raises
    ------
    UsageError
        If there is no such file.
    AnnotationError
        If it cannot be read, no tier has such a name, or values mean nothing: each is named with
        its tier and time.
    """
    file = read_annotations(path)
    spoken = _text_tiers(file, text_tiers, path)
    places = [_Place(tier, a, Labels()) for tier in spoken for a in tier.annotations]
    places = [place for place in places if place.annotation.end_s > place.annotation.start_s]
    places.sort(key=lambda place: (place.annotation.start_s, place.annotation.end_s))
    warnings = list(file.warnings)
    bad: list[str] = []
    for tier, put in _label_tiers(file, spoken, warnings):
        _Labelling(tier, put, file, places).all(bad, warnings)
    if bad:
        more = f"; and {len(bad) - _LISTED} more" if len(bad) > _LISTED else ""
        raise AnnotationError(
            f"{path} has values that cannot be used: {'; '.join(bad[:_LISTED])}{more}; "
            "correct them."
        )
    media = file.media[0] if file.media else ""
    found = tuple(place.utterance() for place in places)
    return AnnotatedVideo(path, media, found, tuple(warnings))


@dataclass(eq=False)
class _Place:
    """An utterance whose labels are being collected."""

    tier: Tier
    annotation: Annotation
    labels: Labels
    # By kind of tier, what was put there and from where, to see contradictions.
    given: dict[str, tuple[str, str]] = field(default_factory=dict)

    def utterance(self) -> AnnotatedUtterance:
        tier, annotation = self.tier, self.annotation
        speaker = speaker_of(tier)
        text = " ".join(annotation.value.split())
        return AnnotatedUtterance(annotation.start_s, annotation.end_s, text, speaker, self.labels)


def _text_tiers(file: AnnotationFile, names: Sequence[str], path: Path) -> list[Tier]:
    wanted = {plain(name) for name in names}
    found = [
        tier for tier in file.tiers if {plain(tier.name), plain(split_name(tier.name)[0])} & wanted
    ]
    if not found:
        there = ", ".join(quoted(tier.name, 40) for tier in file.tiers[:_LISTED]) or "none"
        raise AnnotationError(
            f"{path} has no tier of utterances called {' or '.join(names)} (its tiers: {there}): "
            "name it with --tier."
        )
    return found


def _label_tiers(
    file: AnnotationFile, spoken: Sequence[Tier], warnings: list[str]
) -> Iterator[tuple[Tier, Put]]:
    for tier in file.tiers:
        kind = split_name(tier.name)[0]
        put = writer_of(kind)
        if any(tier is one for one in spoken) or _OTHER.fullmatch(plain(kind)):
            continue
        if put is not None:
            yield tier, put
        elif tier.annotations:
            warnings.append(f"the tier {quoted(tier.name)} is no label and is not read.")


@dataclass
class _Labelling:
    """Brings the values of one tier to the utterances, which are in order of their start."""

    tier: Tier
    put: Put
    file: AnnotationFile
    places: Sequence[_Place]

    def __post_init__(self) -> None:
        behind = split_name(self.tier.name)[1]
        same = [p for p in self.places if split_name(p.tier.name)[1] == behind]
        # Its own speaker's, if they are named.
        self._near = same or self.places
        spans = [place.annotation for place in self._near]
        self._starts = [span.start_s for span in spans]
        self._longest_s = max((span.end_s - span.start_s for span in spans), default=0.0)

    def all(self, bad: list[str], warnings: list[str]) -> None:
        by_name = {place.annotation.name: place for place in self.places}
        parents = {a.name: a.parent for tier in self.file.tiers for a in tier.annotations}
        lost = []
        for annotation in self.tier.annotations:
            if not annotation.value:
                continue
            above = _above(annotation, by_name, parents)
            places = [above] if above is not None else self._covered(annotation)
            if not places:
                lost.append(annotation)
            for place in places:
                self._label(place, annotation, bad)
        if lost:
            first = self._told(lost[0])
            more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
            warnings.append(f"{first}{more} covers half of no utterance; left out.")

    def _covered(self, annotation: Annotation) -> list[_Place]:
        """Return the utterances of which an annotation covers half or more."""
        first = bisect_left(self._starts, annotation.start_s - self._longest_s)
        last = bisect_right(self._starts, annotation.end_s)
        found = []
        for place in self._near[first:last]:
            other = place.annotation
            common_s = min(annotation.end_s, other.end_s) - max(annotation.start_s, other.start_s)
            # Times in files are whole milliseconds: half of one must not depend on rounding.
            if common_s >= _COVERED * (other.end_s - other.start_s) - 1e-6 and common_s > 0:
                found.append(place)
        return found

    def _label(self, place: _Place, annotation: Annotation, bad: list[str]) -> None:
        kind = plain(split_name(self.tier.name)[0])
        value = annotation.value
        before = place.given.setdefault(kind, (value, self._told(annotation)))
        if before[0] != value:
            when = clock(place.annotation.start_s, place.annotation.end_s)
            bad.append(
                f"the utterance at {when} has two values, {before[1]} and {self._told(annotation)}"
            )
            return
        try:
            self.put(place.labels, value)
        except UnusableError as error:
            bad.append(f"{self._told(annotation)}: expected {error}")

    def _told(self, annotation: Annotation) -> str:
        when = clock(annotation.start_s, annotation.end_s)
        return f"tier {quoted(self.tier.name, 60)}, {when}, {quoted(annotation.value, 60)}"


def _above(
    annotation: Annotation, by_name: Mapping[str, _Place], parents: Mapping[str, str | None]
) -> _Place | None:
    """Return the utterance an annotation is under, however many tiers are between."""
    name = annotation.parent
    # A file may lie about what is under what, in a circle too.
    for _ in range(len(parents)):
        if name is None:
            return None
        if name in by_name:
            return by_name[name]
        name = parents.get(name)
    return None
