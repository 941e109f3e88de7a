"""The worker's end: a process that opens the work once and then makes one attempt after another."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from affect_pipe.pipeline.batch.cores import Cores, keep_to
from affect_pipe.pipeline.batch.engine import Told, Work
from affect_pipe.pipeline.batch.failures import failure_of
from affect_pipe.pipeline.batch.records import Item
from affect_pipe.pipeline.errors import AffectPipeError, StageError
from affect_pipe.pipeline.events import Event
from affect_pipe.pipeline.placement import Elsewhere

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Message:
    """What a worker tells its engine.

    Attributes
    ----------
    kind : str
        ``ready`` once, ``told`` of a running attempt, ``done`` or ``failed`` at its end, or
        ``elsewhere`` with a kind of stages where another worker has to go on; ``closed`` with an
        error where the work could not be opened.
    content : object
    """

    kind: str
    content: Any = None


def serve(line: Connection, lifeline: Connection, work: Work[Any], cores: Cores) -> None:
    """Take one item after another until the engine hangs up.

    Parameters
    ----------
    line : Connection
        Items come in, `Message` go out.
    lifeline : Connection
        Nothing comes through it; it closes when the engine's process ends, however it ends.
    work : Work
    cores : frozenset of int
        To compute on: known before any library counts them for its threads.
    """
    _stand_alone()
    keep_to(cores)
    threading.Thread(target=_die_with, args=(lifeline,), daemon=True).start()
    with contextlib.suppress(EOFError, ConnectionError):
        try:
            opened = work.open()
            attempt = opened.__enter__()
        except Exception as error:
            line.send(Message("closed", _told_as(error)))
            return
        with contextlib.ExitStack() as stack:
            stack.push(opened)
            line.send(Message("ready"))
            while True:
                line.send(_attempt(line, attempt, line.recv()))


def _attempt(line: Connection, attempt: Any, item: Item) -> Message:
    lock = threading.Lock()
    stages: list[str] = []

    def tell(told: Told) -> None:
        with lock:
            if isinstance(told, Event) and told.state == "failed":
                stages.append(told.stage)
            line.send(Message("told", told))

    try:
        return Message("done", attempt(item, tell))
    except (EOFError, ConnectionError):
        raise
    except Elsewhere as wanted:
        return Message("elsewhere", wanted.kind)
    except Exception as error:
        # The stage that failed first: others may have been stopped for it.
        return Message("failed", failure_of(error, stages[0] if stages else None))


def _told_as(error: Exception) -> AffectPipeError:
    if isinstance(error, AffectPipeError):
        return error
    return StageError(f"a worker cannot start: unexpected {type(error).__name__}: {error}.")


def _stand_alone() -> None:
    """Lead a group of processes of its own, which ends as one, and leave Ctrl-C to the engine."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setsid"):
        with contextlib.suppress(OSError):
            os.setsid()
    if sys.platform == "linux":
        # Also when this process is stopped or hangs in a library, and no thread of it can run.
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _die_with(lifeline: Connection) -> None:
    """End this process and its children when the engine's process is no more."""
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv_bytes()
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)
