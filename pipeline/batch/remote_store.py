"""Results behind any fsspec URL (``s3://``, ``gs://``, ...)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affect_pipe.pipeline.atomic import temporary_name
from affect_pipe.pipeline.batch.store import LocalStore, Store
from affect_pipe.pipeline.errors import ResultError, UsageError
from affect_pipe.pipeline.fingerprint import digest_bytes
from affect_pipe.pipeline.optional import require

# Their objects appear whole at the end of an upload, and a move would be a copy.
_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"})


def is_url(place: str) -> bool:
    """Whether a place is an fsspec URL rather than a path."""
    return "://" in place


def open_url(url: str, what: str) -> tuple[Any, str]:
    """Return the file system of an fsspec URL, and the path in it.

    Parameters
    ----------
    url : str
    what : str
        What lies there, as it reads in a sentence.

    Raises
    ------
    UsageError
        If the protocol is unknown, or its back end is not installed.
    """
    fsspec = require("fsspec", feature=f"{what} at {url}")
    try:
        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UsageError(
            f"{what} at {url} cannot be opened ({error}): S3 needs pip install "
            '"affect-pipe[s3]", Google Cloud Storage "affect-pipe[gcs]".'
        ) from error
    return system, path.rstrip("/")


def store_at(place: str | Path) -> Store:
    """Return the store at a folder or an fsspec URL.

    Raises
    ------
    UsageError
        If the URL's protocol is unknown, or its back end is not installed.
    """
    if isinstance(place, str) and is_url(place):
        open_url(place, "the results")
        return RemoteStore(place)
    return LocalStore(Path(place).absolute())


def place_of(store: Store) -> str | None:
    """Return what `store_at` takes to give a store again; None for one of another kind."""
    if isinstance(store, RemoteStore):
        return store.url
    return str(store.folder) if isinstance(store, LocalStore) else None


@dataclass(frozen=True)
class RemoteStore:
    """A place behind an fsspec URL.

    An object store shows an object whole or not at all, and of two writers of one name one wins
    whole. Elsewhere a file is written beside its name and moved there, which is as safe as the
    move is.

    Attributes
    ----------
    url : str
    """

    url: str

    def write(self, name: str, data: bytes) -> str:
        """Write a file; see `Store.write`."""
        system, root = open_url(self.url, "the results")
        path = f"{root}/{name}"
        try:
            if _OBJECT_STORES.isdisjoint(_protocols(system)):
                _write_and_move(system, path, data)
            else:
                system.pipe_file(path, data)
        except Exception as error:  # a store's own errors are of any class
            raise ResultError(
                f"{self.url}/{name} cannot be written ({type(error).__name__}: {error}): check "
                "the address and the permissions."
            ) from error
        return digest_bytes(data)

    def digest(self, name: str) -> str | None:
        """Return the digest of a file's bytes; see `Store.digest`."""
        system, root = open_url(self.url, "the results")
        try:
            return digest_bytes(system.cat_file(f"{root}/{name}"))
        except Exception:  # what cannot be read is computed again
            return None


def _protocols(system: Any) -> set[str]:
    names = system.protocol
    return {names} if isinstance(names, str) else set(names)


def _write_and_move(system: Any, path: str, data: bytes) -> None:
    folder = path.rpartition("/")[0]
    temporary = f"{folder}/{temporary_name()}"
    system.makedirs(folder, exist_ok=True)
    try:
        system.pipe_file(temporary, data)
        system.mv(temporary, path)
    except BaseException:
        with contextlib.suppress(Exception):
            system.rm_file(temporary)
        raise
