"""Where the results of a batch lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from affect_pipe.pipeline.fingerprint import digest_bytes
from affect_pipe.pipeline.results.writing import write_result


class Store(Protocol):
    """A place for finished files. Travels to workers by pickle."""

    def write(self, name: str, data: bytes) -> str:
        """Write a file, whole or not at all, and return the digest of its bytes.

        Parameters
        ----------
        name : str
            Relative, with forward slashes.

        Raises
        ------
        ResultError
            If it cannot be written.
        """

    def digest(self, name: str) -> str | None:
        """Return the digest of a file's bytes; None where it is not, or cannot be read."""


@dataclass(frozen=True)
class LocalStore:
    """A folder."""

    folder: Path

    def write(self, name: str, data: bytes) -> str:
        """Write a file; see `Store.write`."""
        write_result(self.folder / name, data)
        return digest_bytes(data)

    def digest(self, name: str) -> str | None:
        """Return the digest of a file's bytes; see `Store.digest`."""
        try:
            return digest_bytes((self.folder / name).read_bytes())
        except OSError:
            return None
