"""Remembering the digest of a media file, so that a cache hit need not read two gigabytes."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from affect_pipe.pipeline.atomic import atomic_write
from affect_pipe.pipeline.fingerprint import digest_bytes, digest_file, digest_json

# A file changed twice within one tick of its file system's clock keeps its time stamp: a digest
# taken that soon after a change could belong to the version before it.
_SETTLED_NS = 2_000_000_000
_MEMO = re.compile(r"([0-9a-f]{32,64}) ([0-9a-f]{32})\n")


@dataclass(frozen=True)
class _Identity:
    """What changes when a file is replaced or rewritten."""

    path: str
    size_bytes: int
    modified_ns: int
    changed_ns: int
    inode: int
    device: int


class DigestMemo:
    """File digests memoised by path, size, modification and change time, inode and device.

    One small file per media file, written atomically: any number of processes may share the
    folder, and a damaged or unwritable memo costs a fresh digest, never a wrong one.

    Parameters
    ----------
    folder : path or None
        Where memos lie, on a local disk; None remembers nothing. Each measure needs its own.
    measure : callable, optional
        Makes the digest of a file, 32 to 64 hex characters; by default `digest_file`.
    """

    def __init__(
        self, folder: str | Path | None, measure: Callable[[Path], str] | None = None
    ) -> None:
        self._folder = None if folder is None else Path(folder)
        self._measure = measure

    def remembered(self, path: str | Path) -> str | None:
        """Return the digest of ``path`` where that is known without reading it, else None."""
        identity = _identity(path)
        if self._folder is None or identity is None:
            return None
        return _read(self._folder / digest_json(identity))

    def digest(self, path: str | Path) -> str:
        """Return the digest of ``path``, from the memo where that is safe.

        Raises
        ------
        UsageError, MediaError
            As `digest_file`, or what another measure raises.
        """
        path = Path(path)
        identity = _identity(path)
        if self._folder is None or identity is None:
            return (self._measure or digest_file)(path)
        memo = self._folder / digest_json(identity)
        remembered = _read(memo)
        if remembered is not None:
            return remembered
        digest = (self._measure or digest_file)(path)
        age_ns = time.time_ns() - max(identity.modified_ns, identity.changed_ns)
        if age_ns > _SETTLED_NS and _identity(path) == identity:
            _write(memo, digest)
        return digest


def _identity(path: str | Path) -> _Identity | None:
    """Return what identifies the file now, or None where there is no regular file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return _Identity(
        os.path.realpath(path),
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
        found.st_ino,
        found.st_dev,
    )


def _read(memo: Path) -> str | None:
    """Return the digest a memo holds, or None where there is no sound one."""
    try:
        text = memo.read_text("ascii")
    except (OSError, UnicodeError):
        return None
    match = _MEMO.fullmatch(text)
    if match is None or match[2] != _seal(memo, match[1]):
        return None
    return match[1]


def _write(memo: Path, digest: str) -> None:
    # A memo saves time only: a full or read-only disk is no reason to stop.
    with contextlib.suppress(OSError):
        memo.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(memo, [f"{digest} {_seal(memo, digest)}\n".encode("ascii")])


def _seal(memo: Path, digest: str) -> str:
    """Return the check that ties a digest to the file it was taken of."""
    return digest_bytes(memo.name.encode("ascii"), digest.encode("ascii"))
