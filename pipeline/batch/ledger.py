"""The ledger of a batch: one JSON line an event, appended and on the disk before anything follows.

It is the truth of what happened. A line that was torn by a kill is passed over: what it told of
is done again, at the cost of what the cache does not hold.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from affect_pipe.pipeline.batch.events import (
    AttemptStarted,
    BatchEvent,
    Ended,
    ItemAbandoned,
    ItemDone,
    ItemFailed,
    Line,
    Planned,
    from_line,
    to_line,
)
from affect_pipe.pipeline.errors import ResultError

NAME = "batch.jsonl"


class Ledger:
    """Appends to a ledger.

    Use in a ``with`` block. One process at a time: see `lock.only_one`.

    Parameters
    ----------
    path : Path
        Made when missing, and only ever appended to.
    run : str
        Names this run in its lines: 16 hex characters.

    Raises
    ------
    ResultError
        If it cannot be written.
    """

    def __init__(self, path: Path, run: str) -> None:
        self.path = path
        self.run = run
        try:
            torn = _is_torn(path)
            self._file = path.open("ab", buffering=0)
            if torn:
                self._append(b"\n")
            _sync_folder(path.parent)
        except OSError as error:
            raise self._broken(error) from error

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    def write(self, event: BatchEvent) -> None:
        """Append an event, if the ledger keeps its kind; on return it is on the disk.

        Raises
        ------
        ResultError
            If it cannot be written: nothing more must be done that nobody would know of.
        """
        if not event.kept:
            return
        try:
            self._append(f"{to_line(event, self.run)}\n".encode("ascii"))
        except OSError as error:
            raise self._broken(error) from error

    def _append(self, data: bytes) -> None:
        before = self._file.seek(0, os.SEEK_END)
        try:
            written = self._file.write(data)
            while written < len(data):  # a disk that fills up takes a part
                data = data[written:]
                written = self._file.write(data)
        except OSError:
            # The part is of no use, and there may be room for a shorter line in its place.
            with suppress(OSError):
                self._file.truncate(before)
            raise
        os.fsync(self._file.fileno())

    def _broken(self, error: OSError) -> ResultError:
        return ResultError(
            f"the ledger {self.path} cannot be written ({error.strerror or error}): make room or "
            "choose another --out; nothing that it tells of is lost."
        )


def _is_torn(path: Path) -> bool:
    """Whether the last line has no end."""
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    """See to it that a power cut does not take the new file's name."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@dataclass
class Account:
    """What a ledger says of one item.

    Attributes
    ----------
    done : ItemDone or None
        The last time it was done.
    failed : ItemFailed or None
        The last failure, where nothing good came after it.
    running : AttemptStarted or None
        The attempt whose end is not told: it runs, or was killed.
    attempts : int
        Failed attempts since it was last done or given up.
    gone : bool
        Whether a later plan did not find the video any more.
    """

    done: ItemDone | None = None
    failed: ItemFailed | None = None
    running: AttemptStarted | None = None
    attempts: int = 0
    gone: bool = False


@dataclass
class History:
    """What a ledger says.

    Attributes
    ----------
    accounts : mapping of target to Account
    planned : Planned or None
        The last run's request and plan.
    ended : Ended or None
        How the last run ended; None where it runs or was killed.
    run : str
        The last run.
    started, last : str
        When the last run was planned, and the time of the last line.
    damaged : int
        Lines that could not be read.
    lines : list of Line
        Of the last run, in order.
    """

    accounts: dict[str, Account] = field(default_factory=dict)
    planned: Planned | None = None
    ended: Ended | None = None
    run: str = ""
    started: str = ""
    last: str = ""
    damaged: int = 0
    lines: list[Line] = field(default_factory=list)


def read_ledger(path: Path) -> History:
    """Read a ledger; one that is not there says nothing.

    Raises
    ------
    ResultError
        If it is there and cannot be read.
    """
    history = History()
    try:
        for line in _lines(path, history):
            _take(line, history)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ResultError(
            f"the ledger {path} cannot be read ({error.strerror or error}): check its permissions."
        ) from error
    return history


def _lines(path: Path, history: History) -> Iterator[Line]:
    with path.open("rb") as file:
        for text in file:
            if not text.strip():
                continue
            try:
                yield from_line(text)
            except (ValueError, RecursionError):
                history.damaged += 1


def _take(line: Line, history: History) -> None:
    event = line.event
    history.last = line.time
    if isinstance(event, Planned):
        history.planned, history.ended, history.run, history.started = (
            event,
            None,
            line.run,
            line.time,
        )
        history.lines.clear()
        # What an earlier run was in the middle of, it is no longer.
        for account in history.accounts.values():
            account.running = None
        for target in event.gone:
            history.accounts.setdefault(target, Account()).gone = True
        for target in event.back:
            history.accounts.setdefault(target, Account()).gone = False
    elif isinstance(event, Ended):
        history.ended = event
    elif isinstance(event, AttemptStarted | ItemDone | ItemFailed | ItemAbandoned):
        _account(event, history.accounts.setdefault(event.target, Account()))
    history.lines.append(line)


def _account(event: BatchEvent, account: Account) -> None:
    account.gone = False
    if isinstance(event, AttemptStarted):
        account.running = event
        return
    account.running = None
    if isinstance(event, ItemDone):
        account.done, account.failed, account.attempts = event, None, 0
    elif isinstance(event, ItemFailed):
        account.failed = event
        account.attempts = 0 if event.final else account.attempts + 1


def final_failures(accounts: Mapping[str, Account]) -> dict[str, ItemFailed]:
    """Return the failures after which no other attempt was made, by target."""
    return {
        target: account.failed
        for target, account in accounts.items()
        if account.failed is not None and account.failed.final
    }
