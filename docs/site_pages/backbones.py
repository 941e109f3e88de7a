"""The page of fusion models, made from the table of backbones."""

from __future__ import annotations

import importlib

from affect_pipe.fusion.models.backbone import BACKBONES
from site_pages import settings
from site_pages.markdown import described, paragraphs, prose


def as_markdown() -> str:
    """Return a section for each backbone: what it is, and what it can be set to."""
    return "\n\n".join(_section(name, path) for name, path in BACKBONES.items())


def _section(name: str, path: str) -> str:
    module, _, attribute = path.partition(":")
    cls = getattr(importlib.import_module(module), attribute)
    doc = described(cls)
    parts = [
        f"## {name}",
        prose(" ".join(doc["Summary"])),
        *paragraphs(doc["Extended Summary"]),
        *paragraphs(doc["Notes"]),
        settings.as_markdown(cls.Settings),
    ]
    return "\n\n".join(parts)
