"""What ``affect-pipe models list`` and ``info`` print."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from affect_pipe.commands.models_needed import named, needed
from affect_pipe.extractors.weights.catalogue import CATALOGUE
from affect_pipe.extractors.weights.fetch import origin
from affect_pipe.extractors.weights.needs import Weights
from affect_pipe.extractors.weights.own import everything, in_store
from affect_pipe.extractors.weights.record import read_record
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.fusion.checkpoint import read_config, resolve, shipped
from affect_pipe.pipeline.errors import AffectPipeError, MissingWeightsError
from affect_pipe.pipeline.results.terminal_text import printable
from affect_pipe.pipeline.sizes import format_size

if TYPE_CHECKING:
    from rich.table import Table

_NOT_PUBLISHED = "not published"
# Of what is written to a file or a pipe.
_WIDTH = 120


def as_json(store: WeightsStore) -> None:
    """Print everything as JSON."""
    _print_json(
        {
            "store": str(store.root),
            "checkpoints": [_checkpoint(name) for name in shipped()],
            "weights": [_described(store, weights) for weights in everything(store)],
        }
    )


def show(store: WeightsStore) -> None:
    """Print everything as two tables."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    console.print(_checkpoint_table())
    console.print(_weights_table(store))
    print(f"store: {store.root}")
    print("fetch with `affect-pipe models pull NAME`; without a network: docs/models.md")


def show_one(store: WeightsStore, name: str, *, json_text: bool) -> None:
    """Print all that is known of a checkpoint or a set of weights.

    Raises
    ------
    MissingWeightsError
        If nobody publishes weights of that name, nor are there any on this machine.
    """
    facts = _checkpoint(name) if name in shipped() else _described(store, _known(store, name))
    if json_text:
        _print_json(facts)
        return
    for key, value in facts.items():
        if key not in ("files", "size_of_large_files" if facts.get("size") else ""):
            print(f"{key.replace('_', ' ')}: {_fact(key, value)}")
    for file in facts.get("files", ()):
        print(f"  {printable(_file_line(file))}")


def _known(store: WeightsStore, name: str) -> Weights:
    weights = named(store, name)
    known = weights.name in CATALOGUE or weights.hub is not None
    if not known and not in_store(store, weights):
        raise MissingWeightsError(store.how_to_get(weights))
    return weights


def _fact(key: str, value: Any) -> str:
    if value in (None, "", []):
        return {"licence": _NOT_PUBLISHED, "size": _NOT_PUBLISHED, "here": "no"}.get(key, "-")
    if key.startswith("size"):
        return format_size(value)
    return printable(", ".join(value) if isinstance(value, list) else str(value))


def _checkpoint(name: str) -> dict[str, Any]:
    folder = resolve(name)
    config = read_config(folder)
    try:
        weights = [row.name for row in needed((), [name])]
    # A feature whose library is not installed cannot say what it loads.
    except AffectPipeError as error:
        weights = [f"unknown ({error})"]
    return {
        "name": name,
        "backbone": config.backbone,
        "features": [spec.name for spec in config.feature_specs()],
        "weights": weights,
        "licence": config.licence,
        "here": str(folder),
    }


def _described(store: WeightsStore, weights: Weights) -> dict[str, Any]:
    folder = store.look(weights)
    record = read_record(folder) if folder is not None else None
    kept = {file.name: file for file in record.files} if record is not None else {}
    listed = {file.name: file for file in weights.files}
    files = []
    for name in sorted({*kept, *listed}):
        published, there = listed.get(name), kept.get(name)
        files.append(
            {
                "name": name,
                "size": (published.size if published else None) or (there.size if there else None),
                "sha256": published.sha256 if published else None,
                "url": published.url if published else None,
            }
        )
    return {
        "name": weights.name,
        "about": weights.about,
        "used_by": list(weights.used_by),
        "licence": weights.licence or (record.licence if record else ""),
        "page": weights.page,
        "from": (record.origin if record else "") or origin(weights),
        "size": weights.size or (record.size if record else None),
        # Of configurations and vocabularies the size is often not published.
        "size_of_large_files": weights.known_size or None,
        "here": None if folder is None else str(folder),
        "files": files,
    }


def _file_line(file: dict[str, Any]) -> str:
    size = _NOT_PUBLISHED if file["size"] is None else format_size(file["size"])
    return f"{file['name']}: {size}, SHA-256 {file['sha256'] or _NOT_PUBLISHED}"


def _checkpoint_table() -> Table:
    table = _table("checkpoint", "model", "features", "licence")
    for name in shipped():
        facts = _checkpoint(name)
        table.add_row(name, facts["backbone"], ", ".join(facts["features"]), facts["licence"])
    return table


def _weights_table(store: WeightsStore) -> Table:
    table = _table("weights", "for", "licence", "size", "here")
    for weights in everything(store):
        facts = _described(store, weights)
        known = facts["size"] or facts["size_of_large_files"]
        table.add_row(
            printable(weights.name),
            ", ".join(weights.used_by),
            printable(facts["licence"]) or _NOT_PUBLISHED,
            _NOT_PUBLISHED if known is None else format_size(known),
            "yes" if facts["here"] else "no",
        )
    return table


def _table(first: str, *others: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, overflow="fold")
    return table


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
