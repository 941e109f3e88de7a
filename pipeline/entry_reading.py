"""Reading one entry of a storage, and dropping a damaged one without losing a good one."""

from __future__ import annotations

import contextlib
import errno
from dataclasses import dataclass
from typing import Any

from affect_pipe.pipeline.atomic import temporary_name
from affect_pipe.pipeline.entry_format import Array, DamagedEntryError, read_entry
from affect_pipe.pipeline.entry_names import parse_entry_name
from affect_pipe.pipeline.storage import Storage


@dataclass(frozen=True)
class Entry:
    """One cached result.

    Attributes
    ----------
    key, stage, media_digest : str
    arrays : dict of arrays
        Read-only.
    meta : dict
        JSON.
    """

    key: str
    stage: str
    media_digest: str
    arrays: dict[str, Array]
    meta: dict[str, Any]

    def __repr__(self) -> str:
        """Show shapes, not values."""
        shapes = {name: array.shape for name, array in self.arrays.items()}
        return f"Entry({self.stage}, {self.key}, {shapes}, meta={sorted(self.meta)})"


def read_named(storage: Storage, name: str, lies_at: str | None = None) -> Entry:
    """Read the entry called ``name``, which may lie elsewhere for the moment, and verify it.

    Raises
    ------
    FileNotFoundError
        If there is none.
    DamagedEntryError, OtherFormatError
        If its bytes are not those that were written, or of another version.
    OSError
        If it cannot be read.
    """
    expected = parse_entry_name(name)
    assert expected is not None
    try:
        entry = _read(storage, lies_at or name)
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
        # On NFS, another machine removed or replaced the file that was being read.
        entry = _read(storage, lies_at or name)
    if entry.key != expected.key:
        raise DamagedEntryError(f"it belongs to {entry.key}")
    if expected.stage not in (None, entry.stage):
        raise DamagedEntryError(f"it belongs to the stage {entry.stage}")
    return entry


def _read(storage: Storage, name: str) -> Entry:
    with storage.open(name) as file:
        header, arrays = read_entry(file)
    return Entry(header.key, header.stage, header.media_digest, arrays, header.meta)


def drop_damaged(storage: Storage, name: str) -> tuple[bool, Entry | None]:
    """Remove an entry that was found damaged, unless it was replaced in the meantime.

    Between reading and removing, another process may have put a good one in its place. So the file
    is first set aside, under a name nobody looks for, and read once more.

    Returns
    -------
    dropped : bool
        Whether it was removed.
    entry : Entry or None
        The good entry that took its place, and still does.
    """
    aside = f"{name.rpartition('/')[0]}/{temporary_name()}"
    try:
        storage.move(name, aside)
    except OSError:
        # Another process was faster, or nothing can be changed here.
        return False, None
    try:
        entry = read_named(storage, name, aside)
    except Exception:  # whatever ails it, it had its second chance
        with contextlib.suppress(OSError):
            storage.delete(aside)
        return True, None
    with contextlib.suppress(OSError):
        storage.move(aside, name)
    return False, entry
