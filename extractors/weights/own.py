"""The user's own files put into the store, sets taken out of it, and what is there checked."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from affect_pipe.extractors.weights import places
from affect_pipe.extractors.weights.catalogue import CATALOGUE, wanted
from affect_pipe.extractors.weights.needs import Weights, check_file_name
from affect_pipe.extractors.weights.record import (
    RECORD_NAME,
    WeightsRecord,
    describe,
    read_record,
    sha256_of,
    write_record,
)
from affect_pipe.extractors.weights.staging import install, locked, remove_tree, staging, told
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.pipeline.atomic import is_temporary
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted

# A model has some tens of files; a home folder given by mistake has many more.
_MAX_FILES = 2000


def add(
    store: WeightsStore, name: str, given: Path, *, link: bool = False, replace: bool = False
) -> Path:
    """Put a file or the files of a folder into the store under a name; return where they lie.

    Parameters
    ----------
    link : bool
        Link to the files where they are instead of copying them.
    replace : bool
        Whether a set of that name is replaced.

    Raises
    ------
    UsageError
        If the name cannot be one, is taken, there is nothing at ``given``, or the name is that of
        published weights and these are other files.
    StoreError
        If the store cannot be written.
    """
    weights = wanted(name)
    sources = _sources(weights, given)
    with locked(store.root, weights.folder_name), staging(store.root) as folder:
        final = store.folder(weights)
        if os.path.lexists(final) and not replace:
            raise UsageError(f"{final} is there already: take another name, or add with --replace.")
        new = folder / weights.folder_name
        with told(store.root):
            for file, source in sources.items():
                (new / file).parent.mkdir(parents=True, exist_ok=True)
                if link:
                    (new / file).symlink_to(source.resolve())
                else:
                    shutil.copyfile(source, new / file)
            record = WeightsRecord(
                name=weights.name,
                files=describe(new, sources),
                licence=weights.licence,
                page=weights.page,
                origin="added by hand",
            )
            _check_published(record, weights, given)
            write_record(new, record)
        install(new, final)
    return final


def _sources(weights: Weights, given: Path) -> dict[str, Path]:
    """Return what is to be in the folder, by the name it will have there."""
    if given.is_file():
        only = weights.files[0].name if len(weights.files) == 1 and not weights.one_of else None
        sources = {only or given.name: given}
    elif given.is_dir():
        sources = {name: given / name for name in places.files_in(given)}
    else:
        raise UsageError(f"there is no file or folder {given} to add: check the path.")
    if not sources or len(sources) > _MAX_FILES:
        raise UsageError(
            f"{given} holds {len(sources)} files: name a folder that holds one model, or a file."
        )
    for name in sources:
        check_file_name(name)
    missing = weights.missing(sources)
    if missing:
        raise UsageError(
            f"{given} is not {weights.name}: it has no {', '.join(missing)}; for other files, take "
            "a name of your own."
        )
    return sources


def _check_published(record: WeightsRecord, weights: Weights, given: Path) -> None:
    published = {file.name: file.sha256 for file in weights.files}
    for file in record.files:
        if published.get(file.name) not in (None, file.sha256):
            raise UsageError(
                f"{file.name} of {given} is not the published file of {weights.name} (its SHA-256 "
                "is another): fetch it again, or take a name of your own."
            )


def remove(store: WeightsStore, name: str) -> Path:
    """Take a set out of the store; return the folder that was removed. Linked files stay.

    Raises
    ------
    UsageError
        If the store has none of that name; says where else it lies.
    StoreError
        If it cannot be removed.
    """
    weights = wanted(name)
    folder = store.folder(weights)
    if not os.path.lexists(folder):
        elsewhere = store.look(weights)
        where = f"; it lies in {elsewhere}, which belongs to another program" if elsewhere else ""
        raise UsageError(f"there is no {quoted(name)} in {store.root}{where}.")
    with locked(store.root, weights.folder_name), told(store.root):
        remove_tree(folder)
    return folder


def stored(store: WeightsStore) -> tuple[WeightsRecord, ...]:
    """Return the records of all sets in the store, in the order of their folders."""
    if not store.root.is_dir():
        return ()
    with told(store.root):
        folders = sorted(f for f in store.root.iterdir() if f.is_dir() and not is_hidden(f.name))
    records = (read_record(folder) for folder in folders)
    return tuple(record for record in records if record is not None)


def is_hidden(name: str) -> bool:
    """Whether an entry of the store is the store's own: locks, digests, unfinished work."""
    return name.startswith(".") or is_temporary(name)


@dataclass(frozen=True)
class Checked:
    """What verifying one set found.

    Attributes
    ----------
    name : str
    folder : Path
    n_files : int
        How many were compared with a SHA-256.
    problems : tuple of str
        Empty where all is well.
    """

    name: str
    folder: Path
    n_files: int
    problems: tuple[str, ...]


def verify(store: WeightsStore, weights: Weights) -> Checked:
    """Read the files of a set and compare them with their record and with what is published.

    Raises
    ------
    MissingWeightsError
        If the set is not on this machine.
    """
    own = store.folder(weights)
    folder = own if own.is_dir() else store.here(weights)
    record = read_record(folder)
    known = {file.name: file.sha256 for file in record.files} if record is not None else {}
    known |= {file.name: file.sha256 for file in weights.files if file.sha256 is not None}
    problems = [f"{name} is missing" for name in places.missing_in(weights, folder)]
    if record is None and folder == own:
        problems.append(f"it has no sound {RECORD_NAME}")
    n_files = 0
    for name, sha256 in sorted(known.items()):
        path = folder / name
        try:
            if not path.is_file():
                problems.append(f"{name} is missing")
            elif sha256_of(path) != sha256:
                problems.append(f"{name} has another SHA-256")
            n_files += 1
        except OSError as error:
            problems.append(f"{name} cannot be read ({error.strerror or error})")
    return Checked(weights.name, folder, n_files, tuple(dict.fromkeys(problems)))


def in_store(store: WeightsStore, weights: Weights) -> bool:
    """Whether the store has a folder of that name, complete or not."""
    return os.path.lexists(store.folder(weights))


def everything(store: WeightsStore) -> tuple[Weights, ...]:
    """Return the catalogue and what else the store holds, in the order of their names."""
    names = dict.fromkeys([*CATALOGUE, *(record.name for record in stored(store))])
    return tuple(wanted(name) for name in sorted(names))
