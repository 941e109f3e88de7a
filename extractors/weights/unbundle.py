"""Unpacking an archive of weights that came from somewhere else.

Nothing in it is believed: every member must be a plain file that its manifest names, with the size
and SHA-256 stated there; of published weights, those that are published. What is unpacked is seen
only once all of it was found right.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from affect_pipe.extractors.weights import places
from affect_pipe.extractors.weights.catalogue import CATALOGUE
from affect_pipe.extractors.weights.record import (
    MANIFEST_NAME,
    MAX_RECORD_BYTES,
    FileRecord,
    Manifest,
    WeightsRecord,
    describe,
    read_record,
    write_record,
)
from affect_pipe.extractors.weights.staging import StoreError, install, locked, staging, told
from affect_pipe.pipeline.errors import AffectPipeError, UsageError
from affect_pipe.pipeline.sizes import format_size

_BLOCK_BYTES = 1 << 20


class ArchiveError(AffectPipeError):
    """An archive of weights is damaged, was tampered with, or is something else."""


@dataclass(frozen=True)
class Loaded:
    """What became of one set of weights of an archive.

    Attributes
    ----------
    record : WeightsRecord
    folder : Path
        Where it lies now.
    new : bool
        False where the store had the same files already.
    """

    record: WeightsRecord
    folder: Path
    new: bool


def load(root: Path, archive: Path, *, replace: bool = False) -> tuple[Loaded, ...]:
    """Unpack an archive that `bundle.bundle` wrote into the store, all of it or nothing.

    Parameters
    ----------
    root : Path
        The store.
    replace : bool
        Whether weights of the same name with other files are replaced.

    Raises
    ------
    UsageError
        If there is no such archive, or the store has other files under one of its names.
    ArchiveError
        If anything in it is not as its manifest says, or the manifest is not sound.
    StoreError
        If the store cannot be written, or its disk is too small.
    """
    with _opened(archive) as file, staging(root) as folder:
        with _plain_words(archive), tarfile.open(fileobj=file, mode="r:") as tar:
            manifest = _manifest(tar, archive)
            _check_published(manifest, archive)
            _check_space(manifest, root)
            _unpack(tar, manifest, folder, archive)
        names = sorted(record.folder_name for record in manifest.weights)
        with contextlib.ExitStack() as locks:
            for name in names:
                locks.enter_context(locked(root, name))
            new = [not _same(record, root, replace=replace) for record in manifest.weights]
            for record, wanted in zip(manifest.weights, new, strict=True):
                if wanted:
                    with told(root):
                        write_record(folder / record.folder_name, record)
                    install(folder / record.folder_name, root / record.folder_name)
    return tuple(
        Loaded(record, root / record.folder_name, is_new)
        for record, is_new in zip(manifest.weights, new, strict=True)
    )


class _Reader:
    """A file of which nobody may ask for much at a time.

    tarfile reads a header's extension as one piece, however long the archive says it is.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, n_bytes: int = -1) -> bytes:
        if not 0 <= n_bytes <= _BLOCK_BYTES:
            raise tarfile.ReadError("a header of it is far too long")
        return self._file.read(n_bytes)

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(position, whence)

    def tell(self) -> int:
        return self._file.tell()


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[BinaryIO]:
    try:
        if not archive.is_file():
            raise UsageError(
                f"there is no archive {archive}: name one that `affect-pipe models bundle` wrote."
            )
        file = archive.open("rb")
    except OSError as error:
        raise ArchiveError(f"{archive} cannot be read ({error.strerror or error}).") from error
    with file:
        yield _Reader(file)  # type: ignore[misc]


@contextlib.contextmanager
def _plain_words(archive: Path) -> Iterator[None]:
    """Turn what tarfile makes of a file that is no sound archive into one sentence."""
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        raise ArchiveError(
            f"{archive} is not a sound archive of weights ({error}): make it anew with "
            "`affect-pipe models bundle`, or copy it again."
        ) from error


def _manifest(tar: tarfile.TarFile, archive: Path) -> Manifest:
    first = tar.next()
    if first is None or first.name != MANIFEST_NAME or not _is_plain(first):
        raise ArchiveError(
            f"{archive} is not an archive of weights: its first member is not {MANIFEST_NAME}; "
            "name a file that `affect-pipe models bundle` wrote."
        )
    if first.size > MAX_RECORD_BYTES:
        raise ArchiveError(f"{archive} is not an archive of weights: its manifest is too long.")
    text = b"".join(_content(tar, first))
    try:
        return Manifest.model_validate_json(text)
    except (ValueError, UsageError) as error:
        raise ArchiveError(
            f"the manifest of {archive} is not sound ({_mistake(error)}): nothing was unpacked; "
            "take an archive that `affect-pipe models bundle` wrote."
        ) from error


def _mistake(error: Exception) -> str:
    """Say in a few words what is wrong with a manifest first, and where in it."""
    if not isinstance(error, ValidationError):
        return str(error).splitlines()[0][:300].removesuffix(".")
    first = error.errors(include_url=False, include_input=False)[0]
    kind, where = first["type"], ".".join(str(part) for part in first["loc"])
    if kind == "json_invalid":
        return "it is no JSON"
    what = {"missing": "is not there", "extra_forbidden": "is nothing a manifest has"}.get(kind)
    if what is None:
        cause = first.get("ctx", {}).get("error")
        what = f"is wrong: {cause if cause is not None else first['msg']}"
    return f"{where or 'all of it'} {what}"[:300].removesuffix(".")


def _check_published(manifest: Manifest, archive: Path) -> None:
    """Refuse an archive that passes off other files as published weights."""
    for record in manifest.weights:
        row = CATALOGUE.get(record.name)
        if row is None:
            continue
        missing = row.missing(file.name for file in record.files)
        if missing:
            raise ArchiveError(
                f"{archive} has {record.name} without {', '.join(missing)}: nothing was unpacked; "
                "bundle it again where it is complete."
            )
        published = {file.name: file for file in row.files}
        for file in record.files:
            known = published.get(file.name)
            if known is not None and known.sha256 not in (None, file.sha256):
                raise ArchiveError(
                    f"{file.name} of {record.name} in {archive} is not the published file (its "
                    "SHA-256 is another): nothing was unpacked; take the archive from somebody "
                    "you trust, or bundle files of your own under a name of your own."
                )


def _check_space(manifest: Manifest, root: Path) -> None:
    needed = sum(record.size for record in manifest.weights)
    free = shutil.disk_usage(root).free
    if needed > free:
        raise StoreError(
            f"the archive holds {format_size(needed)}, the disk of {root} has "
            f"{format_size(free)} left: free space there, or name another folder in "
            "AFFECT_PIPE_MODELS."
        )


def _unpack(tar: tarfile.TarFile, manifest: Manifest, folder: Path, archive: Path) -> None:
    awaited = {
        f"{record.folder_name}/{file.name}": file
        for record in manifest.weights
        for file in record.files
    }
    while (member := tar.next()) is not None:
        file = awaited.pop(member.name, None)
        if file is None:
            raise ArchiveError(_refused(archive, member.name, "is not in its manifest, or twice"))
        if not _is_plain(member):
            raise ArchiveError(_refused(archive, member.name, "is no plain file"))
        if member.size != file.size:
            raise ArchiveError(_refused(archive, member.name, "has another size than stated"))
        # The names were checked one by one; this is the library's own check of the same.
        tarfile.data_filter(member, str(folder))
        with told(folder.parent):
            (folder / member.name).parent.mkdir(parents=True, exist_ok=True)
            _write(tar, member, file, folder / member.name, archive)
    if awaited:
        raise ArchiveError(_refused(archive, next(iter(awaited)), "is missing: it was cut off"))


def _write(
    tar: tarfile.TarFile, member: tarfile.TarInfo, stated: FileRecord, path: Path, archive: Path
) -> None:
    state, n_bytes = hashlib.sha256(), 0
    with path.open("xb") as out:
        for block in _content(tar, member):
            state.update(block)
            n_bytes += len(block)
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    if n_bytes != stated.size or state.hexdigest() != stated.sha256:
        raise ArchiveError(_refused(archive, member.name, "has another SHA-256 than stated"))


def _is_plain(member: tarfile.TarInfo) -> bool:
    return member.isreg() and not member.issparse()


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    stream = tar.extractfile(member)
    if stream is None:
        return
    with stream:
        while block := stream.read(_BLOCK_BYTES // 2):
            yield block


def _refused(archive: Path, name: str, why: str) -> str:
    return (
        f"{archive} was not unpacked: {name[:200]!r} in it {why}; copy it again, or make it anew "
        "with `affect-pipe models bundle`."
    )


def _same(record: WeightsRecord, root: Path, *, replace: bool) -> bool:
    """Whether the store has these very files already; refuse other files of the same name."""
    folder = root / record.folder_name
    if not os.path.lexists(folder):
        return False
    there = read_record(folder)
    same = there is not None and {f.name: f.sha256 for f in there.files} == {
        f.name: f.sha256 for f in record.files
    }
    # What the record says was true when it was written.
    if same and _lies_in(folder, record):
        return True
    if replace:
        return False
    what = "files that were damaged or changed since" if same else "other files"
    raise UsageError(
        f"{folder} has {what} under the name {record.name}: remove them with `affect-pipe models "
        f"remove {record.name}`, or load with --replace."
    )


def _lies_in(folder: Path, record: WeightsRecord) -> bool:
    """Whether a folder holds the files of a record and no others; reads all of them."""
    try:
        return describe(folder, places.files_in(folder)) == tuple(
            sorted(record.files, key=lambda file: file.name)
        )
    # A file that cannot be read, or whose name no record may have.
    except (OSError, ValueError, UsageError):
        return False
