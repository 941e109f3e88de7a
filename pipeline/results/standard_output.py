"""Printing to standard output, and the ways in which that fails."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from affect_pipe.pipeline.errors import ResultError


@contextmanager
def standard_output() -> Iterator[None]:
    """Let everything that is printed within reach its reader, or say why it did not.

    What the reader's encoding has no sign for is shown as a question mark. A reader that has left
    (head, less) has seen what it wanted: what is printed from then on goes nowhere, and the work
    goes on, for its files are what was asked for.

    Raises
    ------
    ResultError
        If it cannot be written: the disk behind it is full, for example.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        yield
        if sys.stdout is not None:  # it may have been closed before the start
            sys.stdout.flush()
    except BrokenPipeError:
        _abandon_output()
    except SystemExit as error:
        # What rich makes of a reader that has left.
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        _abandon_output()
    except OSError as error:
        _abandon_output()
        raise ResultError(
            f"standard output cannot be written to ({error.strerror or error}): send it elsewhere."
        ) from error


def _abandon_output() -> None:
    """Send what is still buffered nowhere, or the interpreter would fail on it at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
