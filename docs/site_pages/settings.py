"""The fields of settings as a table: of pydantic models, and of the constructors of features."""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from site_pages.markdown import code, described, prose, table

HEADER = ("setting", "takes", "default", "meaning")
# Where weights lie is no setting: it is not part of a feature's contract.
# What Python's types are called elsewhere.
WORDS = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "None": "null",
    "Path": "path",
}
NOT_SETTINGS = ("folder",)


def as_markdown(model: type[BaseModel]) -> str:
    """Return a table of a model's fields; fields that are models come after it."""
    rows, inner = [], []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            inner.append(f"Table `{name}`:\n\n{as_markdown(kind)}")
            default = "see below"
        else:
            default = _default(field.get_default(call_default_factory=True))
        rows.append((code(name), _kind(kind), default, prose(field.description or "")))
    return "\n\n".join([table(HEADER, rows), *inner])


def of_constructor(cls: type) -> str:
    """Return a table of what a class takes, by its signature and its docstring."""
    text: dict[str, tuple[str, str]] = {}
    for parameter in described(cls)["Parameters"]:
        names = [name.strip() for name in parameter.name.split(",")]
        kinds = parameter.type.split(", ") if len(names) > 1 else [parameter.type]
        for place, name in enumerate(names):
            kind = kinds[place] if len(kinds) == len(names) else parameter.type
            text[name] = (kind, prose(" ".join(parameter.desc)))
    rows = []
    for name, parameter in inspect.signature(cls).parameters.items():
        if name in NOT_SETTINGS:
            continue
        kind, meaning = text[name]
        for python, word in WORDS.items():
            kind = re.sub(rf"\b{python}\b", word, kind)
        rows.append((code(name), prose(kind), _default(parameter.default), meaning))
    return table(HEADER, rows) if rows else "It has no settings."


def _default(value: Any) -> str:
    if value is PydanticUndefined or value is inspect.Parameter.empty:
        return "must be given"
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return code(json.dumps(value, default=str))


def _kind(kind: Any) -> str:
    """Return what an annotation takes, in words."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _kind(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_kind, arguments))
    if origin is typing.Literal:
        return ", ".join(code(json.dumps(argument)) for argument in arguments)
    if origin is not None and arguments:
        kind = "table" if origin is dict else "list"
        return f"{kind} of {_kind(arguments[-1 if origin is dict else 0])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "a table"
    if kind is type(None):
        return "null"
    name = getattr(kind, "__name__", str(kind))
    return WORDS.get(name, name.lower())
