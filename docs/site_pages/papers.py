"""The page of tables of papers, made from what ``affect-pipe reproduce`` knows of them."""

from __future__ import annotations

import re

from affect_pipe.fusion.reproduce.sources import SOURCES
from affect_pipe.fusion.reproduce.tables import TABLES, Table, letters, load_table
from site_pages.markdown import code, facts, prose, table

DEFAULT_SEEDS = 5


def as_markdown(guide: str) -> str:
    """Return a section for each table.

    Parameters
    ----------
    guide : str
        docs/reproduce.md, whose table of states says what was measured and what not.

    Raises
    ------
    LookupError
        If it says nothing of a table.
    """
    tables = {name: load_table(name) for name in TABLES}
    rows = [
        (f"[{code(name)}](#{name})", one.title, _datasets(one), _state(name, guide))
        for name, one in tables.items()
    ]
    overview = table(("table", "what", "dataset", "measured here"), rows)
    return "\n\n".join([overview, *(_section(one, guide) for one in tables.values())])


def _section(one: Table, guide: str) -> str:
    setups = {entry.setup.model_dump_json() for entry in one.entries}
    default = {
        entry.setup.model_dump_json()
        for entry in one.entries
        if not one.default_models or entry.setup.model in one.default_models
    }
    printed = sum(entry.paper is not None for entry in one.entries)
    measures = dict.fromkeys(f"{entry.task}: {entry.metric}" for entry in one.entries)
    told = [
        ("paper", one.citation),
        ("dataset", _datasets(one)),
        ("measured here", _state(one.name, guide)),
        ("rows", ", ".join(dict.fromkeys(entry.setup.row for entry in one.entries))),
        ("models", _codes(entry.setup.model for entry in one.entries)),
        ("modalities", ", ".join(dict.fromkeys(map(_columns, one.entries)))),
        ("measures", "; ".join(measures)),
        ("the epoch is chosen by", _codes(entry.setup.protocol for entry in one.entries)),
        ("numbers", f"{len(one.entries)}, beside {printed} that the paper prints"),
        ("to train", f"{len(default)} models a seed by default, {len(setups)} in all"),
    ]
    parts = [
        f"## {one.name}",
        f"{one.title}.",
        f"```\naffect-pipe reproduce {one.name} --data DIR\n```",
        facts(told),
    ]
    if one.claims:
        claims = "\n".join(f"- {c.better} above {c.worse} ({c.where})" for c in one.claims)
        parts.append(f"Differences that are tested:\n\n{claims}")
    if one.notes:
        parts.append("\n".join(f"- {prose(note)}" for note in one.notes))
    return "\n\n".join(parts)


def _columns(entry: object) -> str:
    return letters(entry.setup.modalities)  # type: ignore[attr-defined]


def _codes(names: object) -> str:
    return ", ".join(code(name) for name in dict.fromkeys(names))  # type: ignore[call-overload]


def _datasets(one: Table) -> str:
    sources = dict.fromkeys(entry.setup.source for entry in one.entries)
    told = (SOURCES[name] for name in sources)
    return "; ".join(s.title if s.read is not None else f"{s.title} (no reader)" for s in told)


def _state(name: str, guide: str) -> str:
    """Return what the guide's section on what was reproduced says of a table."""
    section = guide.partition("### What was reproduced, and what not")[2].partition("\n###")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 2 and name in _named(cells[0]):
            return cells[1].replace(", above", ": [the figures](reproduce.md)")
    raise LookupError(f"docs/reproduce.md does not say whether {name} was reproduced")


def _named(cell: str) -> list[str]:
    """Return the tables a cell names: `cim-3`, or a span: `muse-1` to `muse-5`."""
    if ":" in cell:  # a part of a table
        return []
    span = re.fullmatch(r"`([a-z]+)-(\d)` to `\1-(\d)`", cell)
    if span:
        return [f"{span[1]}-{k}" for k in range(int(span[2]), int(span[3]) + 1)]
    return re.findall(r"`([^`]+)`", cell)
