"""From the name of a table to its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from affect_pipe.fusion.reproduce.cells import CellResult, Device
from affect_pipe.fusion.reproduce.plan import Plan, make_plan
from affect_pipe.fusion.reproduce.progress import Listener
from affect_pipe.fusion.reproduce.report import Report, write_report
from affect_pipe.fusion.reproduce.run import run_grid, usable_cores
from affect_pipe.fusion.reproduce.scoring import Load, compare, score
from affect_pipe.fusion.reproduce.source import EncodeTexts
from affect_pipe.fusion.reproduce.tables import Combination, Setup, load_table
from affect_pipe.fusion.reproduce.utterances import has_both, stl_against_mtl
from affect_pipe.pipeline.atomic import atomic_write
from affect_pipe.pipeline.errors import ResultError, UsageError

MAX_SEEDS = 1000


def reproduce(
    name: str,
    data: Path,
    out: Path,
    encode: EncodeTexts,
    *,
    n_seeds: int = 5,
    device: Device = "cpu",
    workers: int | None = None,
    models: Sequence[str] | None = None,
    combinations: Sequence[Combination] | None = None,
    listener: Listener | None = None,
) -> Report:
    """Run a table of a paper and write ``<table>.json`` and ``<table>.md``.

    Where it has single-task and multitask rows, ``<table>-utterances.csv`` too.

    Parameters
    ----------
    name : str
        A key of `affect_pipe.fusion.reproduce.tables.TABLES`.
    data : Path
        Folder of datasets.
    out : Path
        Finished cells are kept there too, and not run again.
    encode : callable
        Sentences to vectors, for the dataset whose texts are encoded anew.
    workers : int, optional
        Processes of one thread each; one a usable core by default, one on a GPU.
    models, combinations : sequences, optional
        See `make_plan`.

    Raises
    ------
    UsageError
        If the table, a model or the dataset is unknown or absent.
    ResultError
        If the folder cannot be written to.
    """
    if not 0 < n_seeds <= MAX_SEEDS:
        raise UsageError(f"{n_seeds} seeds were asked for: give 1 to {MAX_SEEDS}.")
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} worker processes were asked for: give one or more.")
    plan = make_plan(
        load_table(name), data, n_seeds=n_seeds, models=models, combinations=combinations
    )
    if workers is None:
        workers = 1 if device == "cuda" else usable_cores()
    grid = run_grid(plan, data, out, encode, device=device, workers=workers, listener=listener)
    kept: dict[str, dict[int, CellResult]] = {}

    def load(setup: Setup) -> dict[int, CellResult]:
        # Numbers of one setup come one after another in a table: keep the last one only.
        key = setup.model_dump_json()
        if key not in kept:
            kept.clear()
            kept[key] = grid.load(setup)
        return kept[key]

    found = [score(entry, load) for entry in plan.entries]
    scores = tuple(one for one in found if one is not None)
    report = Report(plan, scores, compare(plan.table.claims, scores), grid.failures)
    try:
        write_report(report, out)
        _write_utterances(plan, out, load)
    except OSError as error:
        raise ResultError(
            f"the results cannot be written to {out} ({error.strerror}): choose another --out."
        ) from error
    return report


def _write_utterances(plan: Plan, out: Path, load: Load) -> None:
    if not has_both(plan.entries):
        return
    table = stl_against_mtl(plan.entries, load, plan.seeds[0])
    if table is not None:
        atomic_write(out / f"{plan.table.name}-utterances.csv", [table.as_csv().encode()])
