"""A JSON Schema as tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from site_pages.markdown import code, prose, table

Schema = Mapping[str, Any]
HEADER = ("field", "type", "always there", "meaning")


def as_markdown(text: str) -> str:
    """Return a section on a schema and one on each shape it defines.

    Parameters
    ----------
    text : str
        The schema, as JSON.
    """
    schema = json.loads(text)
    parts = [f"## {schema['title']}", f"`$id`: `{schema['$id']}`", *_told(schema)]
    for one in schema.get("oneOf", ()):
        named = one["properties"]["event"]["const"]
        parts += [f"### {named}", *_told(one)]
    for name, one in schema.get("$defs", {}).items():
        parts += [f"### {name}", *_told(one)]
    return "\n\n".join(parts)


def _told(schema: Schema) -> list[str]:
    told = [prose(schema["description"])] if "description" in schema else []
    rows = _rows(schema, "")
    return [*told, table(HEADER, rows) if rows else f"Type: {_type(schema)}."]


def _rows(schema: Schema, above: str) -> list[tuple[str, str, str, str]]:
    rows = []
    for name, field in schema.get("properties", {}).items():
        always = "yes" if name in schema.get("required", ()) else "no"
        text = prose(field.get("description", ""))
        rows.append((code(above + name), _type(field), always, text))
        # An array's entries, or an object within this one.
        items = field.get("items")
        within = (f"{above}{name}[].", items) if isinstance(items, Mapping) else None
        prefix, inner = within or (f"{above}{name}.", field)
        rows += _rows(inner, prefix)
    return rows


def _type(field: Schema) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in field:
        return code(json.dumps(field["const"]))
    if "enum" in field:
        return ", ".join(code(json.dumps(value)) for value in field["enum"])
    for several in ("anyOf", "oneOf"):
        if several in field:
            return " or ".join(map(_type, field[several]))
    kind = field.get("type", "any")
    kinds = [kind] if isinstance(kind, str) else list(kind)
    items, values = field.get("items"), field.get("additionalProperties")
    if "array" in kinds and isinstance(items, Mapping):
        kinds[kinds.index("array")] = f"array of {_type(items)}"
    if "object" in kinds and isinstance(values, Mapping):
        kinds[kinds.index("object")] = f"object of {_type(values)}"
    return " or ".join(kinds) + _bounds(field)


def _bounds(field: Schema) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    return f", from {low}" if low is not None else ""
