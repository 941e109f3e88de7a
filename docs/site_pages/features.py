"""The page of feature extractors, made from the registry."""

from __future__ import annotations

import importlib

from affect_pipe.extractors.notes import NOTES
from affect_pipe.extractors.registry import FEATURES
from affect_pipe.pipeline.interfaces import FrameLevel
from site_pages import columns, settings
from site_pages.markdown import code, described, facts, paragraphs, prose, table

# More names than this in a row are told by the first, the last and their number.
FEW = 3


def as_markdown() -> str:
    """Return a section for each extractor, by modality and in the registry's order."""
    order = ("text", "acoustic", "visual")
    names = sorted(FEATURES, key=lambda name: order.index(NOTES[name].modality))
    return "\n\n".join([_overview(names), *map(_section, names)])


def _overview(names: list[str]) -> str:
    rows = [
        (f"[{code(name)}](#{name})", note.modality, str(note.dim), _class(name).version)
        for name in names
        for note in (NOTES[name],)
    ]
    return table(("feature", "modality", "columns by default", "version"), rows)


def _section(name: str) -> str:
    cls, note = _class(name), NOTES[name]
    doc = described(cls)
    told = [
        ("modality", note.modality),
        ("columns of an utterance, by default", str(note.dim)),
        ("frame level", "yes" if issubclass(cls, FrameLevel) else "no"),
        ("version", cls.version),
        ("licence", note.licence),
        ("needs", note.needs),
    ]
    parts = [
        f"## {name}",
        prose(" ".join(doc["Summary"])),
        *paragraphs(doc["Extended Summary"]),
        *paragraphs(doc["Notes"]),
        facts(told),
        settings.of_constructor(cls),
        *map(_group, columns.groups_of(name)),
    ]
    return "\n\n".join(parts)


def _group(group: columns.Group) -> str:
    rows = [(_names(row.names), row.unit or "none", row.text) for row in group.rows]
    return f"{group.title}:\n\n{table(('column', 'unit', 'what it is'), rows)}"


def _names(names: tuple[str, ...]) -> str:
    if len(names) <= FEW:
        return ", ".join(map(code, names))
    return f"{code(names[0])} to {code(names[-1])} ({len(names)})"


def _class(name: str) -> type:
    module, _, attribute = FEATURES[name].partition(":")
    found: type = getattr(importlib.import_module(module), attribute)
    return found
