"""ELAN's annotation format, EAF 2.3 to 3.0.

What ELAN lets people do is understood: annotations under others take their time from them,
boundaries without a time of their own are spread evenly between those that have one. The XML is a
stranger's: a document type, and with it every entity, is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from affect_pipe.pipeline.annotation.tiers import (
    MAX_ANNOTATIONS,
    MAX_SECONDS,
    Annotation,
    AnnotationError,
    AnnotationFile,
    Tier,
)
from affect_pipe.pipeline.given import quoted

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


@dataclass(frozen=True)
class _Raw:
    """An annotation as it is written: between two time slots, or under another annotation."""

    name: str
    value: str
    slots: tuple[str, str] | None
    parent: str | None


@dataclass(frozen=True)
class _RawTier:
    name: str
    participant: str | None
    parent: str | None
    annotations: tuple[_Raw, ...]


def read_eaf(data: bytes | str, path: Path) -> AnnotationFile:
    """Read an EAF document.

    Parameters
    ----------
    data : bytes or str
        The file's content; of text, the encoding that it declares is not looked at.
    path : Path
        Its name, for messages.

    Raises
    ------
    AnnotationError
        If it is no EAF document, is damaged, or has a document type.
    """
    root = _root(data, path)
    slots = _slots(root, path)
    tiers = [_raw_tier(element, path) for element in root.iterfind("TIER")]
    if sum(len(tier.annotations) for tier in tiers) > MAX_ANNOTATIONS:
        raise AnnotationError(f"{path} holds more than {MAX_ANNOTATIONS} annotations: which is it?")
    counts = Counter(tier.name for tier in tiers)
    twice = next((name for name, n in counts.items() if n > 1), None)
    if twice is not None:
        raise AnnotationError(f"{path} has two tiers called {quoted(twice)}: rename one in ELAN.")
    times = _times(tiers, slots, path)
    lost = sum(raw.name not in times for tier in tiers for raw in tier.annotations)
    warnings = (f"{lost} annotations have no time and are left out.",) if lost else ()
    return AnnotationFile(
        tuple(_tier(tier, times) for tier in tiers),
        tuple(_media(root)),
        warnings,
    )


def _root(data: bytes | str, path: Path) -> Element:
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise AnnotationError(
            f"{path} declares a document type or entities, which no ELAN file does: it is refused."
        ) from error
    # An unknown encoding is a LookupError; an encoding that is none of the text's, a ValueError.
    except (ParseError, ValueError, LookupError) as error:
        raise AnnotationError(
            f"{path} is no XML ({str(error)[:80]}): open it in ELAN and save it again."
        ) from error
    if root.tag != "ANNOTATION_DOCUMENT":
        raise AnnotationError(
            f"{path} is XML but no ELAN file: it begins with {quoted(root.tag, 40)}, not "
            "ANNOTATION_DOCUMENT."
        )
    header = root.find("HEADER")
    units = "milliseconds" if header is None else header.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        raise AnnotationError(
            f"{path} counts time in {quoted(units, 40)}: save it in milliseconds from a newer ELAN."
        )
    return root


def _slots(root: Element, path: Path) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for slot in root.iterfind("TIME_ORDER/TIME_SLOT"):
        value = slot.get("TIME_VALUE")
        found[slot.get("TIME_SLOT_ID", "")] = None if value is None else _seconds(value, path)
    return found


def _seconds(value: str, path: Path) -> float:
    try:
        # Some tools write fractions of a millisecond.
        seconds = float(value) / 1000
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_SECONDS:
        raise AnnotationError(
            f"{path} has a time of {quoted(value, 40)} ms: expected a number from 0."
        )
    return seconds


def _raw_tier(element: Element, path: Path) -> _RawTier:
    name = element.get("TIER_ID", "")
    found = []
    for place in element.iterfind("ANNOTATION"):
        for inner in place:
            value = (inner.findtext("ANNOTATION_VALUE") or "").strip()
            first, last = inner.get("TIME_SLOT_REF1"), inner.get("TIME_SLOT_REF2")
            parent = inner.get("ANNOTATION_REF")
            slots = (first, last) if first is not None and last is not None else None
            if slots is None and parent is None:
                raise AnnotationError(
                    f"{path}: an annotation of the tier {quoted(name)} ({quoted(value, 40)}) has "
                    "neither times nor an annotation it is under: save it again from ELAN."
                )
            found.append(_Raw(inner.get("ANNOTATION_ID", ""), value, slots, parent))
    participant = (element.get("PARTICIPANT") or "").strip() or None
    return _RawTier(name, participant, element.get("PARENT_REF"), tuple(found))


def _times(
    tiers: list[_RawTier], slots: Mapping[str, float | None], path: Path
) -> dict[str, tuple[float, float]]:
    """Return the times of annotations by name; those that have none are left out."""
    found: dict[str, tuple[float, float]] = {}
    for tier in tiers:
        for name, span in _aligned(tier, slots, path):
            found[name] = span
    # A tier under another may come before it: as often as tiers can be under one another.
    waiting = [tier for tier in tiers if any(raw.slots is None for raw in tier.annotations)]
    for _ in range(len(waiting)):
        before = len(found)
        for tier in waiting:
            _take_times(tier, found)
        if len(found) == before:
            break
    return found


def _aligned(
    tier: _RawTier, slots: Mapping[str, float | None], path: Path
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield the times of annotations between slots; runs without times share theirs evenly."""
    run: list[str] = []
    run_start: float | None = None
    for raw in tier.annotations:
        if raw.slots is None:
            continue
        for slot in raw.slots:
            if slot not in slots:
                raise AnnotationError(
                    f"{path}: the tier {quoted(tier.name)} refers to a time {quoted(slot, 40)} "
                    "that is not in the file: save it again from ELAN."
                )
        start_s, end_s = slots[raw.slots[0]], slots[raw.slots[1]]
        if start_s is not None:
            run, run_start = [], start_s
        run.append(raw.name)
        if end_s is not None and run_start is not None:
            if end_s < run_start:
                raise AnnotationError(
                    f"{path}: {quoted(raw.value, 40)} in the tier {quoted(tier.name)} ends at "
                    f"{end_s:g} s, before it begins at {run_start:g} s: correct it in ELAN."
                )
            step_s = (end_s - run_start) / len(run)
            for place, name in enumerate(run):
                last = place + 1 == len(run)
                right_s = end_s if last else run_start + (place + 1) * step_s
                yield name, (run_start + place * step_s, right_s)
            run, run_start = [], end_s


def _take_times(tier: _RawTier, found: dict[str, tuple[float, float]]) -> None:
    """Give annotations under others the times of those; several under one share it evenly."""
    under: dict[str, list[str]] = {}
    for raw in tier.annotations:
        if raw.slots is None and raw.parent in found and raw.name not in found:
            under.setdefault(raw.parent, []).append(raw.name)
    for parent, names in under.items():
        start_s, end_s = found[parent]
        step_s = (end_s - start_s) / len(names)
        for place, name in enumerate(names):
            right_s = end_s if place + 1 == len(names) else start_s + (place + 1) * step_s
            found[name] = (start_s + place * step_s, right_s)


def _tier(tier: _RawTier, times: Mapping[str, tuple[float, float]]) -> Tier:
    annotations = [
        Annotation(*times[raw.name], raw.value, raw.name, raw.parent)
        for raw in tier.annotations
        if raw.name in times
    ]
    annotations.sort(key=lambda a: (a.start_s, a.end_s))
    return Tier(tier.name, tuple(annotations), tier.participant, tier.parent)


def _media(root: Element) -> Iterator[str]:
    for element in root.iterfind("HEADER/MEDIA_DESCRIPTOR"):
        url = element.get("RELATIVE_MEDIA_URL") or element.get("MEDIA_URL") or ""
        try:
            name = PurePosixPath(unquote(urlsplit(url).path).replace("\\", "/")).name
        except ValueError:
            continue
        if name:
            yield name
