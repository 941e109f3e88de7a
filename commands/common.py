"""What the verbs share: exit codes, the way errors are told, the machine's settings."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from affect_pipe.pipeline.errors import AffectPipeError
from affect_pipe.pipeline.given import user_path

OK, FAILED, BAD_USE = 0, 1, 2
# Shells give it to what Ctrl-C ended: 128 and the number of the signal.
STOPPED = 130

# A warning that was told in full before is recognised by this much of it.
_REPEATED = 48

# argparse has no public name for it.
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def result_folder(given: str) -> Path:
    """Return the folder of ``--out``; an empty name would mean the current one.

    Raises
    ------
    UsageError
        If it is empty, or no path.
    """
    return user_path(given, "--out")


def share_the_machine() -> None:
    """Leave one core to the frames' branch; must be set before libraries are imported.

    OpenMP threads of the other branch that wait for a core the frames hold would spin.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) - 1)))


def hush_back_ends() -> None:
    """Keep libraries' own start-up chatter off stderr; it must be set before they are imported."""
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def tell(line: str) -> None:
    """Say something on standard error while the work goes on."""
    from affect_pipe.pipeline.results.terminal_text import printable

    with suppress(BrokenPipeError):  # a reader that has left is no reason to stop the work
        print(f"affect-pipe: {printable(line)}", file=sys.stderr, flush=True)


@contextmanager
def told_warnings() -> Iterator[None]:
    """Tell what the package logs as a warning, meanwhile, as every other warning is told."""
    logger, handler = logging.getLogger("affect_pipe"), _Teller(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Teller(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # A full disk behind standard error is no reason to stop.
        with suppress(OSError, ValueError):
            tell(f"warning: {record.getMessage()}")


class WarningTeller:
    """Tells the warnings of one file after another; what was said before is only pointed at.

    Parameters
    ----------
    named : bool
        Whether it must be told which file is meant: among several.
    """

    def __init__(self, *, named: bool) -> None:
        self._named = named
        self._said_of: dict[str, str] = {}

    def __call__(self, name: str, warnings: Sequence[str]) -> None:
        """Tell the warnings of the file ``name``."""
        of = f"{name}: " if self._named else ""
        for warning in warnings:
            first = self._said_of.setdefault(warning, name)
            short = warning if len(warning) <= _REPEATED else f"{warning[:_REPEATED]}..."
            tell(f"warning: {of}{warning if first == name else f'as for {first}: {short}'}")


def complain(error: Exception) -> int:
    """Tell an error in one sentence on standard error; return the exit code it stands for."""
    from affect_pipe.pipeline.results.terminal_text import printable

    if isinstance(error, AffectPipeError):
        text, code = str(error), error.exit_code
    else:
        text = (
            f"unexpected {type(error).__name__}: {error} (run again with --debug and report it; "
            "finished stages are in the cache)."
        )
        code = FAILED
    with suppress(OSError):  # a full disk behind standard error must not hide the exit code
        print(f"affect-pipe: {printable(text)}", file=sys.stderr)
    return code
