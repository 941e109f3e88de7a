"""Packing weights of this machine into one archive for a machine without a network."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from affect_pipe.extractors.weights import places
from affect_pipe.extractors.weights.fetch import origin
from affect_pipe.extractors.weights.needs import Weights
from affect_pipe.extractors.weights.record import (
    MANIFEST_NAME,
    Manifest,
    WeightsRecord,
    describe,
    read_record,
    sha256_of,
)
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.pipeline.atomic import atomic_open
from affect_pipe.pipeline.errors import AffectPipeError, UsageError


class BundleError(AffectPipeError):
    """An archive of weights cannot be written."""


def bundle(store: WeightsStore, wanted: Sequence[Weights], out: Path) -> Manifest:
    """Write an archive of weights that are on this machine, wherever they lie.

    It is an uncompressed tar: ``manifest.json`` first, then the files as ``<folder>/<name>``. The
    same weights give the same bytes.

    Raises
    ------
    MissingWeightsError
        If some are not on this machine; nothing is fetched.
    UsageError
        If none are named, ``out`` is a folder, or the folder it is to be in is not there.
    BundleError
        If the archive cannot be written, or a file changed meanwhile.
    """
    if not wanted:
        raise UsageError("name at least one set of weights to bundle: see `affect-pipe models`.")
    if out.is_dir():
        raise UsageError(
            f"{out} is a folder: name the archive to write, like {out / 'models.tar'}."
        )
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent} to write {out.name} to: make it first.")
    sources = {weights.name: (weights, store.here(weights)) for weights in wanted}
    records = [(_record(store, *source), source[1]) for source in sources.values()]
    manifest = Manifest(weights=tuple(record for record, _ in records))
    try:
        with atomic_open(out) as file, tarfile.open(fileobj=file, mode="w:") as archive:
            _add(archive, MANIFEST_NAME, manifest.text())
            for record, folder in records:
                for one in record.files:
                    with (folder / one.name).open("rb") as stream:
                        _add_file(archive, f"{record.folder_name}/{one.name}", stream, one.size)
                    if sha256_of(folder / one.name) != one.sha256:
                        raise BundleError(
                            f"{folder / one.name} changed while it was being packed: run it again."
                        )
    except OSError as error:
        raise BundleError(
            f"{out} cannot be written ({error.strerror or error}): free space there, or write it "
            "elsewhere."
        ) from error
    return manifest


def _record(store: WeightsStore, weights: Weights, folder: Path) -> WeightsRecord:
    """Describe what is to be packed, from the bytes that are there now."""
    known = read_record(folder) if folder == store.folder(weights) else None
    names = places.files_in(folder) if folder == store.folder(weights) else ()
    # A library's folder holds other models too, the hub's other forms of this one.
    names = names or tuple(name for name in places.files_in(folder) if weights.covers(name))
    try:
        files = describe(folder, names)
    except OSError as error:
        raise BundleError(f"{folder} cannot be read ({error.strerror or error}).") from error
    return WeightsRecord(
        name=weights.name,
        files=files,
        licence=weights.licence or (known.licence if known else ""),
        page=weights.page or (known.page if known else ""),
        origin=(known.origin if known else "") or origin(weights),
    )


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    _add_file(archive, name, io.BytesIO(content), len(content))


def _add_file(archive: tarfile.TarFile, name: str, stream: BinaryIO, size: int) -> None:
    # Nothing of this machine: no owner, no time.
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    archive.addfile(member, stream)
