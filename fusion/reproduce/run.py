"""Running a grid: cells in worker processes, each finished one kept, with the time left.

A cell is small and its recurrences do not parallelise, so a core is best used by a process of its
own with one thread. The result of a cell depends on its setup, seed and data alone, not on which
worker ran it or on what ran before; a grid that was stopped goes on where it was.
"""

from __future__ import annotations

import importlib
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, as_completed
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from affect_pipe.fusion.reproduce.cells import (
    CLASSICAL,
    CellResult,
    Device,
    cell_key,
    load_cell,
    run_cell,
    save_cell,
)
from affect_pipe.fusion.reproduce.plan import Cell, Plan
from affect_pipe.fusion.reproduce.progress import Listener, Progress
from affect_pipe.fusion.reproduce.source import EncodeTexts, Request, Splits
from affect_pipe.fusion.reproduce.sources import SOURCES, request_of
from affect_pipe.fusion.reproduce.tables import Setup, letters
from affect_pipe.pipeline.errors import AffectPipeError, ResultError

CELLS_FOLDER = "cells"
# How often the parent looks for epochs that workers have finished.
POLL_S = 0.5


@dataclass(frozen=True)
class GridResult:
    """Where the results of a grid are, and what failed.

    Attributes
    ----------
    paths : mapping of Cell to (Path, key)
        Finished cells.
    failures : mapping of Cell to str
    """

    paths: Mapping[tuple[str, int], tuple[Path, str]]
    failures: Mapping[str, str]

    def load(self, setup: Setup) -> dict[int, CellResult]:
        """Return a setup's results by seed."""
        name = setup.model_dump_json()
        found: dict[int, CellResult] = {}
        for (other, seed), (path, key) in self.paths.items():
            if other == name:
                result = load_cell(path, key)
                if result is not None:
                    found[seed] = result
        return found


def run_grid(
    plan: Plan,
    data: Path,
    out: Path,
    encode: EncodeTexts,
    *,
    device: Device = "cpu",
    workers: int = 1,
    listener: Listener | None = None,
) -> GridResult:
    """Run what is not there yet.

    Parameters
    ----------
    plan : Plan
    data : Path
        Folder of datasets.
    out : Path
        Finished cells are kept in its subfolder ``cells``.
    encode : callable
        For datasets whose texts are encoded anew.
    workers : int
        Processes; one trains in this process.

    Raises
    ------
    ResultError
        If the folder cannot be written to.
    """
    folder = out / CELLS_FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(
            f"the folder {folder} cannot be made ({error.strerror}): choose another --out."
        ) from error
    reader = _Reader(data, encode)
    paths: dict[tuple[str, int], tuple[Path, str]] = {}
    due: list[_Job] = []
    for cell in plan.cells:
        request = request_of(cell.setup, cell.seed)
        key = cell_key(cell.setup, cell.seed, reader.digest(request), device)
        path = folder / f"{key}.npz"
        paths[cell.setup.model_dump_json(), cell.seed] = (path, key)
        if any(job.key == key for job in due):
            continue
        if load_cell(path, key) is None:
            due.append(_Job(cell, request, key, path, device))
    progress = Progress(len(paths), len(paths) - len(due), workers, listener)
    for job in due:
        progress.expect(job.group, job.epochs)
    progress.tell()
    failures: dict[str, str] = {}
    if device == "cuda":
        due = _run_stacked(due, reader, progress)
    if due:
        if workers == 1:
            _run_here(due, reader, progress, failures)
        else:
            _run_in_processes(due, reader, progress, failures, workers)
    kept = {name: place for name, place in paths.items() if place[0].is_file()}
    return GridResult(kept, failures)


@dataclass(frozen=True)
class _Job:
    cell: Cell
    request: Request
    key: str
    path: Path
    device: Device

    @property
    def epochs(self) -> int:
        """How many ticks it will give."""
        classical = self.cell.setup.model in CLASSICAL or self.cell.setup.protocol == "none"
        return 1 if classical else self.cell.setup.epochs

    @property
    def group(self) -> str:
        """Jobs that take the same time an epoch."""
        setup = self.cell.setup
        return f"{setup.source}/{setup.model}/{letters(setup.modalities)}"

    @property
    def label(self) -> str:
        setup = self.cell.setup
        return f"{setup.row}, {letters(setup.modalities)}, seed {self.cell.seed}"


class _Reader:
    """Reads datasets once: a grid comes back to the same few again and again."""

    def __init__(self, data: Path, encode: EncodeTexts) -> None:
        self._data, self._encode = data, encode
        self._digests: dict[Request, str] = {}
        self._last: tuple[Request, Splits] | None = None

    def splits(self, request: Request) -> Splits:
        if self._last is None or self._last[0] != request:
            read = SOURCES[request.source].read
            assert read is not None  # the plan has left out what cannot be read
            self._last = (request, read(self._data, request, self._encode))
        return self._last[1]

    def digest(self, request: Request) -> str:
        if request not in self._digests:
            self._digests[request] = self.splits(request).digest()
        return self._digests[request]


def _run_stacked(due: list[_Job], reader: _Reader, progress: Progress) -> list[_Job]:
    """Train together what can be; returns the jobs that cannot."""
    from affect_pipe.fusion.reproduce.stacked import run_stack, stacks

    by_request: dict[Request, list[_Job]] = {}
    for job in due:
        by_request.setdefault(job.request, []).append(job)
    done: set[str] = set()
    for request, jobs in by_request.items():
        for places in stacks([(job.cell.setup, job.cell.seed) for job in jobs]):
            chosen = [jobs[place] for place in places]

            def tell(seconds: float, chosen: list[_Job] = chosen) -> None:
                for job in chosen:
                    progress.tick(job.group, seconds / len(chosen))

            cells = [(job.cell.setup, job.cell.seed) for job in chosen]
            results = run_stack(cells, reader.splits(request), chosen[0].device, _stopwatch(tell))
            for job, result in zip(chosen, results, strict=True):
                _save(job, result)
                done.add(job.key)
                progress.finished(job.group, job.label)
    return [job for job in due if job.key not in done]


def _run_here(
    due: list[_Job], reader: _Reader, progress: Progress, failures: dict[str, str]
) -> None:
    for job in due:
        try:
            _work(job, reader.splits(job.request), _stopwatch(partial(progress.tick, job.group)))
        except (AffectPipeError, ValueError, RuntimeError) as error:
            failures[job.label] = str(error)
        progress.finished(job.group, job.label)


def _run_in_processes(
    due: list[_Job], reader: _Reader, progress: Progress, failures: dict[str, str], workers: int
) -> None:
    with _pool(workers) as (executor, ticks):
        futures: dict[Future[None], _Job] = {
            executor.submit(_work_in_process, job, reader.splits(job.request)): job for job in due
        }
        waiting = set(futures)
        while waiting:
            try:
                for future in as_completed(waiting, timeout=POLL_S):
                    waiting.discard(future)
                    error = future.exception()
                    if error is not None:
                        failures[futures[future].label] = str(error) or type(error).__name__
                    progress.finished(futures[future].group, futures[future].label)
                    break
            except FutureTimeoutError:
                pass
            while not ticks.empty():
                progress.tick(*ticks.get())


@contextmanager
def _pool(workers: int) -> Iterator[tuple[Any, Any]]:
    """Give processes of one thread each, ended whatever happens, and the queue of their ticks."""
    from loky import ProcessPoolExecutor
    from loky.backend import get_context

    ticks = get_context("loky").SimpleQueue()
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    executor = ProcessPoolExecutor(
        max_workers=workers, initializer=_start_worker, initargs=(ticks,), env=threads
    )
    try:
        with warnings.catch_warnings():
            # A worker that has grown is started anew between cells: nothing a user must know.
            warnings.filterwarnings("ignore", "A worker", UserWarning)
            yield executor, ticks
    finally:
        executor.shutdown(wait=True, kill_workers=True)


class _Worker:
    """What a worker process is born with: a queue can be inherited but not sent."""

    ticks: ClassVar[Any] = None


def _start_worker(ticks: Any) -> None:
    _Worker.ticks = ticks
    # A terminal's Ctrl-C reaches every process; the parent decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # loky takes growth after the first cell for a leak; a first cell without torch and Fabric
    # would make every later one look like one.
    importlib.import_module("affect_pipe.fusion.training")


def _stopwatch(tell: Callable[[float], None]) -> Callable[[], None]:
    """Return a function that tells the seconds since it was last called."""
    last = time.perf_counter()

    def tick() -> None:
        nonlocal last
        now = time.perf_counter()
        tell(now - last)
        last = now

    return tick


def _work_in_process(job: _Job, splits: Splits) -> None:
    ticks = _Worker.ticks
    _work(job, splits, _stopwatch(lambda seconds: ticks.put((job.group, seconds))))


def _work(job: _Job, splits: Splits, tick: Callable[[], None]) -> None:
    _save(job, run_cell(job.cell.setup, job.cell.seed, splits, job.device, tick))


def _save(job: _Job, result: CellResult) -> None:
    try:
        save_cell(job.path, job.key, result)
    except OSError as error:
        raise ResultError(
            f"{job.path} cannot be written ({error.strerror}): make room or choose another --out."
        ) from error


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
