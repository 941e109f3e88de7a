"""Where cache entries lie: a local folder, or any place fsspec can reach.

A storage holds named blobs. Names are relative, with ``/`` between folders. A blob appears whole
or not at all, and every failure is an OSError.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from affect_pipe.pipeline.atomic import atomic_write, is_temporary, temporary_name
from affect_pipe.pipeline.errors import CacheError
from affect_pipe.pipeline.optional import require

# An interrupted write leaves its temporary file; a running one is never this old.
STALE_AFTER_S = 24 * 3600.0


# Last use need not be known to the second, and a hit that writes nothing stays cheap.
USE_RESOLUTION_S = 3600.0


class StoredFile(NamedTuple):
    """One blob: its name, its size, and when it was last used, in seconds of the Unix clock."""

    name: str
    size_bytes: int
    used_s: float


class Readable(Protocol):
    """An open blob."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next ``size`` bytes, or all that is left."""


class Storage(Protocol):
    """A flat store of blobs."""

    def prepare(self) -> None:
        """Make the place ready for writing, or raise OSError."""

    def open(self, name: str) -> contextlib.AbstractContextManager[Readable]:
        """Open a blob for reading. Raises FileNotFoundError where there is none."""

    def write(self, name: str, chunks: Iterable[bytes | memoryview]) -> None:
        """Store ``chunks``, one after another, as the blob ``name``."""

    def touch(self, name: str) -> None:
        """Note that the blob was used now. Never fails: it only guides `Cache.prune`."""

    def move(self, name: str, new_name: str) -> None:
        """Give a blob another name in its folder; raises FileNotFoundError where there is none."""

    def delete(self, name: str) -> bool:
        """Remove a blob; False where it was gone. Raises OSError where it cannot be removed."""

    def names(self, folder: str, start: str) -> list[str]:
        """Return what lies in one folder and begins with ``start``, by name, folder included."""

    def files(self, below: str = "") -> Iterator[StoredFile]:
        """List the blobs below a folder, temporary ones included, folder by folder, by name."""


def open_storage(root: str | Path) -> Storage:
    """Return the storage at a folder or an fsspec URL.

    Raises
    ------
    CacheError
        If the URL's protocol is unknown or its back end is not installed.
    """
    if isinstance(root, str) and "://" in root:
        return RemoteStorage(root)
    return LocalStorage(Path(root))


def is_stale(file: StoredFile) -> bool:
    """Whether an interrupted write left this file more than a day ago.

    A machine whose clock is a day ahead may take a running write for one. That write then fails
    and says so; what others read is not touched.
    """
    temporary = is_temporary(file.name.rpartition("/")[2])
    return temporary and file.used_s < time.time() - STALE_AFTER_S


class LocalStorage:
    """Blobs as files below one folder, which processes and machines may share.

    Nothing is locked. Relied upon: renaming within a folder replaces the old file in one step, a
    file that was flushed and closed is whole for whoever opens it afterwards, and a file's size and
    modification time can be asked for. Local file systems, NFS, SMB and the file systems of
    clusters give that.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Make the folder and try to write to it: permissions alone do not tell."""
        self.folder.mkdir(parents=True, exist_ok=True)
        probe = self.folder / temporary_name()
        probe.touch()
        probe.unlink()

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Readable]:
        """Open the file for reading."""
        with (self.folder / name).open("rb") as file:
            yield file

    def write(self, name: str, chunks: Iterable[bytes | memoryview]) -> None:
        """Write a temporary file in the same folder, flush it to the disk, rename it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, chunks)

    def touch(self, name: str) -> None:
        """Set the modification time, where it is not recent.

        Not the access time: backups, virus scanners and `Cache.verify` set that too, and many
        mounts keep none. The file server says what time it is, so that machines whose clocks
        disagree still agree on the order of use.
        """
        path = self.folder / name
        with contextlib.suppress(OSError):
            # The distance either way: a clock that went backwards must not stop the notes.
            if abs(time.time() - path.stat().st_mtime) > USE_RESOLUTION_S:
                os.utime(path)

    def move(self, name: str, new_name: str) -> None:
        """Rename the file."""
        os.replace(self.folder / name, self.folder / new_name)

    def delete(self, name: str) -> bool:
        """Unlink the file."""
        try:
            (self.folder / name).unlink()
        except FileNotFoundError:
            return False
        return True

    def names(self, folder: str, start: str) -> list[str]:
        """List one folder."""
        try:
            found = os.listdir(self.folder / folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(f"{folder}/{name}" for name in found if name.startswith(start))

    def files(self, below: str = "") -> Iterator[StoredFile]:
        """Walk the folder; a file that vanishes meanwhile is left out."""
        return _scan(self.folder / below, below)


def _scan(folder: str | Path, name: str) -> Iterator[StoredFile]:
    try:
        with os.scandir(folder) as listing:
            found = sorted(listing, key=lambda item: item.name)
    except OSError:
        return
    for item in found:
        item_name = f"{name}/{item.name}" if name else item.name
        try:
            if item.is_dir(follow_symlinks=False):
                yield from _scan(item.path, item_name)
                continue
            status = item.stat()
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield StoredFile(item_name, status.st_size, status.st_mtime)


class RemoteStorage:
    """Blobs behind an fsspec URL (``s3://``, ``gs://``, ``file://``, ``memory://``).

    The time of last use is the time of writing: most object stores keep no other.
    """

    def __init__(self, url: str) -> None:
        # 0.1 s of imports that a local cache should not pay for.
        fsspec = require("fsspec", feature=f"a cache at {url}", instead="A local folder works.")
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise CacheError(
                f"the cache address {url} cannot be opened ({error}): install what it names, or "
                "give a folder with --cache-dir."
            ) from error
        self._root = self._root.rstrip("/")

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def prepare(self) -> None:
        """Make the folder, where the store has such a thing, and try to write to it."""
        path = self._path(temporary_name())
        with _os_errors():
            self._fs.makedirs(self._root, exist_ok=True)
            self._fs.pipe_file(path, b"")
            self._fs.rm_file(path)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Readable]:
        """Open the blob for reading."""
        with _os_errors():
            file = self._fs.open(self._path(name), "rb")
        with contextlib.closing(file):
            yield _RemoteFile(file)

    def write(self, name: str, chunks: Iterable[bytes | memoryview]) -> None:
        """Write a temporary blob beside the final name, then move it there."""
        path = self._path(name)
        folder = path.rpartition("/")[0]
        temporary = f"{folder}/{temporary_name()}"
        with _os_errors():
            self._fs.makedirs(folder, exist_ok=True)
            try:
                with self._fs.open(temporary, "wb") as file:
                    for chunk in chunks:
                        file.write(chunk)
                self._fs.mv(temporary, path)
            except BaseException:
                with contextlib.suppress(Exception):
                    self._fs.rm(temporary)
                raise

    def touch(self, name: str) -> None:
        """Do nothing: see the class."""

    def move(self, name: str, new_name: str) -> None:
        """Move the blob: in most object stores a copy, then a removal."""
        with _os_errors():
            self._fs.mv(self._path(name), self._path(new_name))

    def delete(self, name: str) -> bool:
        """Remove the blob."""
        try:
            with _os_errors():
                self._fs.rm_file(self._path(name))
        except FileNotFoundError:
            return False
        return True

    def names(self, folder: str, start: str) -> list[str]:
        """List one folder afresh."""
        path = self._path(folder)
        self._fs.invalidate_cache(path)
        try:
            with _os_errors():
                found = self._fs.ls(path, detail=False)
        except FileNotFoundError:
            return []
        names = (str(item).rpartition("/")[2] for item in found)
        return sorted(f"{folder}/{name}" for name in names if name.startswith(start))

    def files(self, below: str = "") -> Iterator[StoredFile]:
        """List the blobs afresh; another process may have written since the last listing."""
        self._fs.invalidate_cache()
        try:
            with _os_errors():
                found = self._fs.find(self._path(below) if below else self._root, detail=True)
        except FileNotFoundError:
            return
        for path, details in sorted(found.items()):
            name = path.removeprefix(self._root).lstrip("/")
            yield StoredFile(name, int(details.get("size") or 0), _written_s(details))


class _RemoteFile:
    """An open remote blob whose failures are OSErrors."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        with _os_errors():
            data: bytes = self._file.read(size)
        return data


def _written_s(details: dict[str, Any]) -> float:
    """Return when a blob was written; back ends name and type that as they like."""
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = details.get(name)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    return time.time()


@contextlib.contextmanager
def _os_errors() -> Iterator[None]:
    """Turn whatever a store raises into an OSError."""
    try:
        yield
    except OSError:
        raise
    except NotImplementedError as error:
        raise OSError("this kind of store can only be read") from error
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
