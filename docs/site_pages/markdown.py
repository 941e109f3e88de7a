"""Pieces of Markdown, made from docstrings and values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from numpydoc.docscrape import ClassDoc


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; cells are Markdown on one line."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    """Return text in the type of code."""
    return f"`{text}`"


def prose(rst: str) -> str:
    """Return a docstring's prose as Markdown: the two differ in how code is marked."""
    return " ".join(rst.split()).replace("``", "`").replace("<", "&lt;")


def literal(text: str) -> str:
    """Return text that is no Markdown, so that it reads as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", text)


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and values as a list."""
    return "\n".join(f"- {name}: {value}" for name, value in pairs)


def paragraphs(lines: Sequence[str]) -> list[str]:
    """Split a docstring's lines into paragraphs, without its tables."""
    whole = "\n".join(lines).split("\n\n")
    return [prose(one) for one in whole if one.strip() and "====" not in one]


def described(cls: type) -> ClassDoc:
    """Return the docstring of a class, parsed."""
    return ClassDoc(cls, config={"show_class_members": False})


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))
