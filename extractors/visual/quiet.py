"""Keeping MediaPipe's C++ log lines off the user's terminal."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# File descriptor 2 belongs to the whole process: two threads must not swap it at once.
_DESCRIPTOR_LOCK = threading.RLock()


@contextmanager
def hushed_stderr() -> Iterator[None]:
    """Send file descriptor 2 to nowhere while the block runs, and always bring it back.

    MediaPipe and TensorFlow Lite write to the descriptor itself, past `sys.stderr`, while they
    start. The block should be short: what other threads write to stderr meanwhile is lost.
    """
    with _DESCRIPTOR_LOCK:
        try:
            saved = os.dup(2)
        except OSError:  # a process started without a standard error has nothing to hush
            yield
            return
        try:
            if sys.stderr is not None:
                sys.stderr.flush()
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, 2)
            os.close(sink)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
