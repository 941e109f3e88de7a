"""How much a server's folder may take of the disk."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path

from affect_pipe.pipeline.sizes import format_size
from affect_pipe.serving.refused import RefusedError

# Left free for everybody else on the machine.
SPARE_BYTES = 1_000_000_000
_FULL = 507


class Space:
    """Counts what a folder takes, and refuses more than it may.

    Parameters
    ----------
    folder : Path
    max_bytes : int
        For uploads, results and the cache together.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max = folder, max_bytes
        self._lock = threading.Lock()
        self._used = 0
        self.recount()

    def recount(self) -> None:
        """Look at the disk again: results are written and removed without being told here."""
        used = tree_bytes(self._folder)
        with self._lock:
            self._used = used

    def check(self, n_bytes: int) -> None:
        """Find out whether so much would fit.

        Raises
        ------
        RefusedError
            If it would not.
        """
        with self._lock:
            self._check(n_bytes)

    def take(self, n_bytes: int) -> None:
        """Count bytes that are going to be written.

        Raises
        ------
        RefusedError
            If they do not fit.
        """
        with self._lock:
            self._check(n_bytes)
            self._used += n_bytes

    def _check(self, n_bytes: int) -> None:
        if self._used + n_bytes > self._max:
            raise RefusedError(
                _FULL,
                f"The server's folder is full: it may take {format_size(self._max)} "
                "(--max-disk); delete videos here, or ask whoever runs it.",
            )
        if shutil.disk_usage(self._folder).free - n_bytes < SPARE_BYTES:
            raise RefusedError(
                _FULL, "The disk of the server is full: delete videos here, or others."
            )


def tree_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder; links are not followed."""
    total, left = 0, [os.fspath(folder)]
    while left:
        with suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
    return total
