"""The grid of a table: which cells there are to run, and what cannot run because data is absent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from affect_pipe.fusion.reproduce.sources import SOURCES
from affect_pipe.fusion.reproduce.tables import Combination, Entry, Setup, Table, letters
from affect_pipe.pipeline.errors import UsageError


@dataclass(frozen=True)
class Cell:
    """One setup with one seed."""

    setup: Setup
    seed: int


@dataclass(frozen=True)
class Plan:
    """What a table takes.

    Attributes
    ----------
    table : Table
    entries : tuple of Entry
        Of the table, those that were asked for and whose dataset is there.
    seeds : tuple of int
    absent : dict of source name to str
        A sentence for each dataset that is not there.
    """

    table: Table
    entries: tuple[Entry, ...]
    seeds: tuple[int, ...]
    absent: dict[str, str]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, each once, those of one dataset together, seed by seed."""
        setups: dict[str, Setup] = {}
        for entry in self.entries:
            setups.setdefault(entry.setup.model_dump_json(), entry.setup)
        sources = list(dict.fromkeys(setup.source for setup in setups.values()))
        return tuple(
            Cell(setup, seed)
            for source in sources
            for seed in self.seeds
            for setup in setups.values()
            if setup.source == source
        )


def make_plan(
    table: Table,
    data: Path,
    *,
    n_seeds: int,
    models: Sequence[str] | None = None,
    combinations: Sequence[Combination] | None = None,
) -> Plan:
    """Decide what to run.

    Parameters
    ----------
    table : Table
    data : Path
        Folder of datasets.
    n_seeds : int
        Seeds 1 to n.
    models : sequence of str, optional
        Only these; the table's own choice by default.
    combinations : sequence of Combination, optional
        Only these modalities; all of the table's by default.

    Raises
    ------
    UsageError
        If nothing is left to run: no dataset is there, or the table has no such model or
        combination.
    """
    if not data.is_dir():
        raise UsageError(f"there is no folder {data}: give the folder of datasets with --data.")
    entries = _chosen(table, models, combinations)
    sources = dict.fromkeys(entry.setup.source for entry in entries)
    absent = {
        name: sentence for name in sources if (sentence := SOURCES[name].absent(data)) is not None
    }
    present = tuple(entry for entry in entries if entry.setup.source not in absent)
    if not present:
        # One sentence; the same file may be missing for several sources.
        raise UsageError(next(iter(absent.values())) + ".")
    return Plan(table, present, tuple(range(1, n_seeds + 1)), absent)


def _chosen(
    table: Table, models: Sequence[str] | None, combinations: Sequence[Combination] | None
) -> tuple[Entry, ...]:
    known = tuple(dict.fromkeys(entry.setup.model for entry in table.entries))
    wanted = tuple(models or table.default_models or known)
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"table {table.name} has no model {name!r}: it has {', '.join(known)}."
            )
    here = tuple(dict.fromkeys(entry.setup.modalities for entry in table.entries))
    for combination in combinations or ():
        if combination not in here:
            raise UsageError(
                f"table {table.name} has no column {letters(combination)}: it has "
                f"{', '.join(map(letters, here))}."
            )
    return tuple(
        entry
        for entry in table.entries
        if entry.setup.model in wanted
        and (not combinations or entry.setup.modalities in combinations)
    )


def parse_combination(text: str) -> Combination:
    """Read ``T+A+V``.

    Raises
    ------
    UsageError
        If a letter is none of T, A, V, or comes twice.
    """
    from affect_pipe.fusion.reproduce.tables import COMBINATIONS

    wanted = sorted(part.strip().upper() for part in text.split("+"))
    for combination in COMBINATIONS:
        if sorted(letters(combination).split("+")) == wanted:
            return combination
    raise UsageError(f"{text!r} is no combination of modalities: write T, A, V, T+A or T+A+V.")
