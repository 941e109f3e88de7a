"""ELAN annotation files: EAF 3.0 (Max Planck Institute for Psycholinguistics).

One tier of text a speaker; every prediction, the evidence, the modalities and the face are tiers
under it, associated one to one, so that a boundary that is moved in ELAN moves them all. Classes
come from controlled vocabularies. The same result gives the same bytes: the date is always the
same, for nothing in a result says when.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import PurePath
from urllib.parse import quote
from xml.etree import ElementTree

from affect_pipe.pipeline.results.exports.tiers import (
    TEXT,
    Kind,
    Lane,
    kinds,
    lanes,
    one_line,
    storable,
    vocabularies,
)
from affect_pipe.pipeline.results.result_file import Result

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_DATE = "1970-01-01T00:00:00Z"
# By name, not by the system's table, which differs from machine to machine.
_MIME_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg",
    ".wav": "audio/x-wav",
}
_UNKNOWN_TYPE = "unknown"
# ELAN's own name and address for "no language in particular".
_NO_LANGUAGE = ("und", "http://cdb.iso.org/lg/CDB-00130975-001", "undetermined (und)")
_CONSTRAINTS = {
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, no time gaps "
    "allowed within this interval",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation. Annotations refering to "
    "the same parent are ordered",
    "Symbolic_Association": "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps "
    "are allowed",
}
_UTTERANCE_TYPE, _ASSOCIATED_TYPE = "utterance", "value"


def eaf_bytes(result: Result, media: PurePath | None = None) -> bytes:
    """Return a result as an EAF 3.0 document.

    Parameters
    ----------
    result : Result
    media : PurePath, optional
        Where the media file is, relative to the folder of the EAF; by default beside it.
    """
    builder = _Builder(result)
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "affect-pipe",
            "DATE": _DATE,
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    tiers = [tier for lane in lanes(result) for tier in builder.tiers_of(lane)]
    root.append(_header(result, media or PurePath(result.media), builder.last_id))
    root.append(builder.time_order())
    root.extend(tiers)
    root.extend(_types(builder.closed))
    code, address, label = _NO_LANGUAGE
    _add(root, "LANGUAGE", LANG_ID=code, LANG_DEF=address, LANG_LABEL=label)
    for stereotype, description in _CONSTRAINTS.items():
        _add(root, "CONSTRAINT", STEREOTYPE=stereotype, DESCRIPTION=description)
    root.extend(_vocabularies(builder.closed))
    ElementTree.indent(root, space="    ")
    found: bytes = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return found + b"\n"


@dataclass
class _Builder:
    """Numbers annotations and time slots as they are made."""

    result: Result
    kinds: Sequence[Kind] = field(init=False)
    closed: Mapping[str, tuple[str, ...]] = field(init=False)
    last_id: int = 0
    # Time of every slot, and the attribute of an annotation that is to hold its name.
    slots: list[tuple[int, int, ElementTree.Element, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kinds = kinds(self.result)
        self.closed = vocabularies(self.result)

    def tiers_of(self, lane: Lane) -> Iterator[ElementTree.Element]:
        parent = lane.tier(TEXT)
        text = _tier(parent, lane, _UTTERANCE_TYPE)
        names = []
        for stretch in lane.stretches:
            annotation = self._annotation(text, "ALIGNABLE_ANNOTATION", stretch.utterance.text)
            names.append(annotation.attrib["ANNOTATION_ID"])
            self.slots.append((stretch.start_ms, len(self.slots), annotation, "TIME_SLOT_REF1"))
            self.slots.append((stretch.end_ms, len(self.slots), annotation, "TIME_SLOT_REF2"))
        yield text
        for kind in self.kinds:
            tier = _tier(lane.tier(kind.name), lane, kind.vocabulary or _ASSOCIATED_TYPE)
            tier.set("PARENT_REF", parent)
            for name, stretch in zip(names, lane.stretches, strict=True):
                value = kind.value(stretch.utterance)
                if value is not None:
                    self._associated(tier, name, value, kind.vocabulary)
            yield tier

    def _associated(
        self, tier: ElementTree.Element, parent: str, value: str, vocabulary: str
    ) -> None:
        annotation = self._annotation(tier, "REF_ANNOTATION", value)
        annotation.set("ANNOTATION_REF", parent)
        if value in self.closed.get(vocabulary, ()):
            annotation.set("CVE_REF", _entry(vocabulary, self.closed[vocabulary].index(value)))

    def _annotation(self, tier: ElementTree.Element, tag: str, value: str) -> ElementTree.Element:
        self.last_id += 1
        found = _add(_add(tier, "ANNOTATION"), tag, ANNOTATION_ID=f"a{self.last_id}")
        _add(found, "ANNOTATION_VALUE").text = storable(value)
        return found

    def time_order(self) -> ElementTree.Element:
        """Return the slots in order of time, and tell the annotations their names."""
        order = ElementTree.Element("TIME_ORDER")
        numbers = count(1)
        for time_ms, _, annotation, attribute in sorted(self.slots, key=lambda slot: slot[:2]):
            name = f"ts{next(numbers)}"
            _add(order, "TIME_SLOT", TIME_SLOT_ID=name, TIME_VALUE=str(time_ms))
            annotation.set(attribute, name)
        return order


def _add(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, attributes)


def _header(result: Result, media: PurePath, last_id: int) -> ElementTree.Element:
    header = ElementTree.Element("HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    relative = quote(media.as_posix().encode("utf-8", "surrogateescape"))
    _add(
        header,
        "MEDIA_DESCRIPTOR",
        # Only the name: a file that is passed on tells nothing of its maker's folders.
        MEDIA_URL=f"file:///{quote(media.name.encode('utf-8', 'surrogateescape'))}",
        RELATIVE_MEDIA_URL=relative if relative.startswith(".") else f"./{relative}",
        MIME_TYPE=_MIME_TYPES.get(media.suffix.lower(), _UNKNOWN_TYPE),
    )
    name = f"{result.media_digest} {result.model_digest}"
    urn = f"urn:nl-mpi-tools-elan-eaf:{uuid.uuid5(uuid.NAMESPACE_OID, name)}"
    for key, value in (
        ("URN", urn),
        ("lastUsedAnnotationId", str(last_id)),
        ("affect-pipe model", one_line(result.model)),
        ("affect-pipe media digest", one_line(result.media_digest)),
    ):
        _add(header, "PROPERTY", NAME=key).text = value
    return header


def _tier(name: str, lane: Lane, kind: str) -> ElementTree.Element:
    attributes = {"TIER_ID": name, "LINGUISTIC_TYPE_REF": kind}
    if lane.speaker:
        attributes["PARTICIPANT"] = one_line(lane.speaker)
    return ElementTree.Element("TIER", attributes)


def _types(closed: Mapping[str, tuple[str, ...]]) -> Iterator[ElementTree.Element]:
    common = {"GRAPHIC_REFERENCES": "false"}
    yield ElementTree.Element(
        "LINGUISTIC_TYPE",
        {**common, "LINGUISTIC_TYPE_ID": _UTTERANCE_TYPE, "TIME_ALIGNABLE": "true"},
    )
    associated = {**common, "TIME_ALIGNABLE": "false", "CONSTRAINTS": "Symbolic_Association"}
    yield ElementTree.Element(
        "LINGUISTIC_TYPE", {**associated, "LINGUISTIC_TYPE_ID": _ASSOCIATED_TYPE}
    )
    for name in closed:
        attributes = {"LINGUISTIC_TYPE_ID": name, "CONTROLLED_VOCABULARY_REF": name}
        yield ElementTree.Element("LINGUISTIC_TYPE", {**associated, **attributes})


def _vocabularies(closed: Mapping[str, tuple[str, ...]]) -> Iterator[ElementTree.Element]:
    language = _NO_LANGUAGE[0]
    for name, values in closed.items():
        vocabulary = ElementTree.Element("CONTROLLED_VOCABULARY", {"CV_ID": name})
        _add(vocabulary, "DESCRIPTION", LANG_REF=language).text = f"affect-pipe: {name}"
        for index, value in enumerate(values):
            entry = _add(vocabulary, "CV_ENTRY_ML", CVE_ID=_entry(name, index))
            _add(entry, "CVE_VALUE", LANG_REF=language).text = storable(value)
        yield vocabulary


def _entry(vocabulary: str, index: int) -> str:
    # Unique in the whole file: annotations name entries without their vocabulary.
    return f"cve_{vocabulary}_{index}"
