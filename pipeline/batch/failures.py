"""What an exception in a worker says of the item it worked on."""

from __future__ import annotations

import signal

from affect_pipe.pipeline.batch.records import Failure
from affect_pipe.pipeline.errors import AffectPipeError, CacheError, ResultError, StageError

# Errors of ours that another attempt may not meet: a disk that was full, a process that was killed.
_PASSING = (StageError, CacheError, ResultError)


def failure_of(error: Exception, stage: str | None = None) -> Failure:
    """Return what an attempt's exception means: ``refused``, or ``error`` where it may pass."""
    if isinstance(error, AffectPipeError):
        return Failure("error" if isinstance(error, _PASSING) else "refused", str(error), stage)
    if isinstance(error, MemoryError):
        return Failure("memory", "memory ran out: give it more, or cut the video in parts.", stage)
    reason = f"unexpected {type(error).__name__}: {error}".rstrip(": ")
    return Failure("error", f"{reason} (affect-pipe run --debug shows where).", stage)


def crash_of(exit_code: int | None, stage: str | None = None) -> Failure:
    """Return what the death of a worker means; a negative exit code is a signal's number."""
    during = f" in {stage}" if stage else ""
    if exit_code is not None and exit_code < 0:
        try:
            name = signal.Signals(-exit_code).name
        except ValueError:
            name = f"signal {-exit_code}"
        hint = (
            "as the system does when memory is short"
            if name == "SIGKILL"
            else "a codec or a model crashed: converting the file with ffmpeg may help"
        )
        return Failure("crash", f"its worker was ended{during} by {name} ({hint}).", stage)
    return Failure("crash", f"its worker ended{during} with exit code {exit_code}.", stage)
