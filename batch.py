"""Thousands of videos as one Python call; see docs/batch.md."""

from __future__ import annotations

import os
import secrets
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from affect_pipe.batch_work import AnalyzeWork, Identities, LookWork
from affect_pipe.extractors.speech.own_weights import named_anywhere
from affect_pipe.pipeline.batch.cores import usable_cores
from affect_pipe.pipeline.batch.engine import Engine, Feed, R, RetryPolicy, Stop, Work
from affect_pipe.pipeline.batch.events import Listener, ignore
from affect_pipe.pipeline.batch.find import find_items
from affect_pipe.pipeline.batch.ledger import NAME, History, Ledger, read_ledger
from affect_pipe.pipeline.batch.local import LocalEngine, Patience
from affect_pipe.pipeline.batch.lock import only_one
from affect_pipe.pipeline.batch.names import unwritable
from affect_pipe.pipeline.batch.records import Failure, Item, Plan, Request, Summary
from affect_pipe.pipeline.batch.remote_media import WithRemoteMedia
from affect_pipe.pipeline.batch.remote_store import is_url, place_of, store_at
from affect_pipe.pipeline.batch.runner import make_plan, run_plan
from affect_pipe.pipeline.batch.store import LocalStore, Store
from affect_pipe.pipeline.cache import resolve_root
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.preflight import EXPLANATION_SUFFIXES, SUFFIXES, check_output
from affect_pipe.pipeline.settings import RunSettings

Tell = Callable[[str], None]
# A look decodes a frame of each stream, or reads a file that is known; a slow disk takes a while.
_LOOK_S = 3600.0
_LOOK_RETRIES = 1


def _ignore(line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is run; none of it decides what a result is.

    Attributes
    ----------
    workers : int or None
        Processes at most; None is one a core.
    memory_bytes : int or None
        For all of them together; None is four fifths of what is free.
    timeout_s, stage_timeout_s : float or None
        Longest a video, or one stage of it, may take. None: no bound on the whole; a stage may
        take ten minutes and thirty times the length of the media.
    retries : int
        Attempts after the first, where another attempt may help.
    threads : int
        Of each library that computes, in each worker. Results may differ in their last digit
        between different numbers.
    """

    workers: int | None = None
    memory_bytes: int | None = None
    timeout_s: float | None = None
    stage_timeout_s: float | None = None
    retries: int = 2
    threads: int = 1

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"--workers {self.workers}: give a number from 1, or auto.")
        if self.memory_bytes is not None and self.memory_bytes < 1:
            raise UsageError("--memory 0: give a size above 0, as 8GB.")
        if self.retries < 0:
            raise UsageError(f"--retries {self.retries}: give a number from 0.")
        if self.threads < 1:
            raise UsageError(f"--threads {self.threads}: give a number from 1.")
        for name, value in (("timeout", self.timeout_s), ("stage-timeout", self.stage_timeout_s)):
            if value is not None and not 0 < value < float("inf"):
                raise UsageError(f"--{name} {value:g}: give seconds above 0.")

    def engine(self, feed: Feed | None = None) -> LocalEngine:
        """Return the engine of this machine."""
        return LocalEngine(
            self.workers or usable_cores(),
            self.memory_bytes,
            Patience(self.timeout_s, self.stage_timeout_s),
            RetryPolicy(self.retries),
            self.threads,
            feed,
        )

    def look_engine(self) -> LocalEngine:
        """Return the engine that looks at videos."""
        patience = Patience(_LOOK_S, _LOOK_S)
        workers = self.workers or usable_cores()
        return LocalEngine(
            workers, self.memory_bytes, patience, RetryPolicy(_LOOK_RETRIES), lenient=True
        )


@dataclass(frozen=True)
class Copies:
    """Where videos that are URLs are copied to, on each machine.

    Attributes
    ----------
    folder : Path or None
        None is one in the folder for temporary files.
    size_bytes : int
        What all copies may take there.
    """

    folder: Path | None = None
    size_bytes: int = 20 << 30

    def fetching(self, work: Work[R]) -> Work[R]:
        """Return work that takes videos by URL, too."""
        folder = self.folder or Path(tempfile.gettempdir(), "affect-pipe-copies")
        return WithRemoteMedia(work, folder.absolute(), self.size_bytes)


@dataclass(frozen=True)
class Batch:
    """A batch that is asked for.

    Parameters
    ----------
    given : sequence of str or Path
        Folders, patterns, lists and media files; see `pipeline.batch.find.find_items`.
    out : Path
        Result folder; it has the ledger, ``batch.jsonl``.
    settings : RunSettings
    explain : bool
    options : BatchOptions
    retry : bool
        Whether videos that failed for good are due again.
    engine : Engine, optional
        Another than that of this machine.
    store : Store, optional
        Where results go, if not to ``out``.
    copies : Copies
        Where videos that are URLs are copied to.
    run_id : str
        16 hex characters that name the run in the ledger.
    """

    given: Sequence[str | Path]
    out: Path
    settings: RunSettings = field(default_factory=RunSettings)
    explain: bool = False
    options: BatchOptions = field(default_factory=BatchOptions)
    retry: bool = False
    engine: Engine | None = None
    store: Store | None = None
    copies: Copies = Copies()
    run_id: str = field(default_factory=lambda: secrets.token_hex(8))

    def items(self, tell: Tell = _ignore) -> tuple[Item, ...]:
        """Find the videos.

        Raises
        ------
        UsageError
            If there are none, or one transcript is named for several.
        """
        items = find_items([str(one) for one in self.given], tell)
        for name in ("transcript", "diarisation"):
            if getattr(self.settings, name) is not None and len(items) > 1:
                raise UsageError(
                    f"--{name} belongs to one video: put files beside the videos, or name them in "
                    f"the column {name!r} of a CSV list."
                )
        return items

    def history(self) -> History:
        """Return what the ledger says so far."""
        return read_ledger(self.out / NAME)

    def plan(self, items: Sequence[Item], history: History, stop: Stop) -> Plan:
        """Look at every video and say what there is to do; nothing is written.

        Raises
        ------
        AffectPipeError
            If the settings or the checkpoint are at fault.
        """
        identities = self._identities()
        identities.opened()  # What is wrong with the checkpoint is told before any look.
        return make_plan(
            items,
            history,
            lambda known: self.copies.fetching(LookWork(identities, known)),
            # The nodes of a cluster may see files that this machine does not.
            self.engine or self.options.look_engine(),
            self._store(),
            stop,
            retry=self.retry,
            limits=(self.engine or self.options.engine()).limits(),
            refused=self._unwritable(items),
        )

    def run(self, stop: Stop, listener: Listener = ignore, tell: Tell = _ignore) -> Summary:
        """Plan, then do what is due.

        Raises
        ------
        AffectPipeError
            If nothing can be done at all; one video's failure is in the summary instead.
        """
        items = self.items(tell)
        check_output(self.out)
        with only_one(self.out):
            history = self.history()
            plan = self.plan(items, history, stop)
            if stop.is_set():
                return Summary(plan, abandoned=items)
            engine = self.engine or self.options.engine()
            work = self.copies.fetching(AnalyzeWork(self._identities(), self._store()))
            with Ledger(self.out / NAME, self.run_id) as ledger:
                return run_plan(
                    plan, self._request(), history, work, engine, ledger, listener, stop
                )

    def run_fed(self, feed: Feed, stop: Stop, listener: Listener = ignore) -> Summary:
        """Do what a feed gives, as it comes, until it closes; nothing is looked for beside it.

        Raises
        ------
        AffectPipeError
            As `run`.
        """
        check_output(self.out)
        with only_one(self.out):
            engine, history = self.options.engine(feed), self.history()
            work = AnalyzeWork(self._identities(), self._store())
            with Ledger(self.out / NAME, self.run_id) as ledger:
                return run_plan(
                    Plan(), self._request(), history, work, engine, ledger, listener, stop
                )

    def check(self) -> None:
        """Find out now whether the settings and the checkpoint can be used.

        Raises
        ------
        AffectPipeError
            If not.
        """
        self._identities().opened()

    def _unwritable(self, items: Sequence[Item]) -> dict[str, Failure]:
        suffixes = (*SUFFIXES, *(EXPLANATION_SUFFIXES if self.explain else ()))
        store = self._store()
        return unwritable(items, suffixes, store.folder if isinstance(store, LocalStore) else None)

    def _store(self) -> Store:
        return self.store or LocalStore(self.out.absolute())

    def _identities(self) -> Identities:
        """Return what decides results, with paths that hold in any process."""
        settings = RunSettings.model_validate(_anywhere(self.settings))
        return Identities(settings, self.explain)

    def _request(self) -> Request:
        given = tuple(str(one) if is_url(str(one)) else os.path.abspath(one) for one in self.given)
        folder = self.copies.folder
        return Request(
            given,
            _anywhere(self.settings),
            self.explain,
            None if self.store is None else place_of(self.store),
            None if folder is None else str(folder.absolute()),
            self.copies.size_bytes,
        )


def _anywhere(settings: RunSettings) -> dict[str, Any]:
    """Return settings as JSON whose paths hold from any folder."""
    found = settings.model_dump(mode="json")
    root = resolve_root(settings.cache_dir) if settings.cache_dir is not None else None
    found["cache_dir"] = None if root is None else str(root)
    for name in ("transcript", "diarisation"):
        if found[name] is not None:
            found[name] = os.path.abspath(found[name])
    found["asr"] = named_anywhere(settings.asr)
    if os.path.isdir(settings.model):
        found["model"] = os.path.abspath(settings.model)
    return found


def history_of(out: Path) -> History:
    """Return what the ledger of a result folder says.

    Raises
    ------
    UsageError
        If the folder has no ledger.
    """
    history = read_ledger(out / NAME)
    if history.planned is None:
        raise UsageError(f"{out} has no {NAME} with a plan: name the --out folder of a batch.")
    return history


def again(out: Path) -> Batch:
    """Return the batch that a result folder tells of, as it was asked for last.

    Raises
    ------
    UsageError
        If the folder has no ledger, or the place of its results cannot be opened.
    """
    planned = history_of(out).planned
    assert planned is not None
    with suppress(ValueError):
        settings = RunSettings.model_validate(dict(planned.settings))
        return Batch(
            planned.given,
            out,
            settings,
            planned.explain,
            store=None if planned.store is None else store_at(planned.store),
            copies=Copies(
                None if planned.copies is None else Path(planned.copies),
                Copies.size_bytes if planned.copies_bytes is None else planned.copies_bytes,
            ),
        )
    raise UsageError(
        f"the settings in {out / NAME} are not those of this version: run the batch anew."
    )


def batch(
    videos: str | Path | Sequence[str | Path],
    out: str | Path,
    settings: RunSettings | None = None,
    *,
    explain: bool = False,
    options: BatchOptions | None = None,
    engine: Engine | None = None,
    store: Store | None = None,
    copies: Copies | None = None,
    retry: bool = False,
    listener: Listener = ignore,
    tell: Tell = _ignore,
    stop: Stop | None = None,
) -> Summary:
    """Analyse any number of videos; what is done already is not done again.

    Parameters
    ----------
    videos : str, Path, or sequence of them
        Folders, patterns, ``.txt`` and ``.csv`` lists, media files.
    out : str or Path
        Gets ``<video>.affect.json`` and ``.csv`` as the videos lie below their folder, the dataset
        ``utterances/`` and the ledger ``batch.jsonl``.
    settings : RunSettings, optional
    explain : bool
        As in `analyze`.
    options : BatchOptions, optional
        Workers, memory, time, retries.
    engine : Engine, optional
        Another than that of this machine.
    store : Store, optional
        Where results go instead of ``out``, which always has the ledger: see
        `affect_pipe.pipeline.batch.remote_store.store_at`.
    copies : Copies, optional
        Where videos that are URLs are copied to.
    retry : bool
        Whether videos that failed for good are due again.
    listener : callable (event), optional
        Hears of every event (`affect_pipe.pipeline.batch.events`), in the calling thread, after it
        is in the ledger.
    tell : callable (line), optional
        Hears what is left out of folders.
    stop : threading.Event, optional
        Set it to abandon what runs; a later call goes on.

    Returns
    -------
    Summary
        What is done, and what failed and why.

    Raises
    ------
    AffectPipeError
        If nothing can be done at all; one video's failure never raises.
    """
    given = [videos] if isinstance(videos, str | Path) else list(videos)
    asked = Batch(
        given,
        Path(out),
        settings or RunSettings(),
        explain,
        options or BatchOptions(),
        retry,
        engine,
        store,
        copies or Copies(),
    )
    return asked.run(stop or threading.Event(), listener, tell)
