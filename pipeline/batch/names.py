"""Which videos of a batch have names that their results cannot have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from affect_pipe.pipeline.batch import ledger, lock
from affect_pipe.pipeline.batch.records import Failure, Item
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.preflight import check_names
from affect_pipe.pipeline.results.utterance_dataset import FOLDER

_TAKEN = {
    FOLDER: "the folder of the dataset of utterances",
    ledger.NAME: "the ledger",
    lock.NAME: "the lock of the result folder",
}


def unwritable(
    items: Sequence[Item], suffixes: Sequence[str], folder: Path | None
) -> dict[str, Failure]:
    """Return why results of some items could not be written where they belong, by target.

    Parameters
    ----------
    items : sequence of Item
    suffixes : sequence of str
        Of the files of each.
    folder : Path or None
        Where they go, if that is a folder: its file system says how long names may be.
    """
    taken = {f"{item.target}{suffix}": item for item in items for suffix in suffixes}
    found: dict[str, Failure] = {}
    for item in items:
        reason = _in_the_way(item, taken) or _name_fault(item, suffixes, folder)
        if reason is not None:
            found[item.target] = Failure("refused", reason)
    return found


def _in_the_way(item: Item, taken: dict[str, Item]) -> str | None:
    """Return what has the name of a folder that the results of an item need, as a sentence."""
    # Some file systems take names that differ in case for one.
    first, *below = PurePosixPath(item.target).parts
    if below and first.lower() in _TAKEN:
        return (
            f"the results of {item.video} would lie in {first}/, and {first.lower()} is "
            f"{_TAKEN[first.lower()]}: rename its folder."
        )
    for parent in PurePosixPath(item.target).parents:
        other = taken.get(str(parent))
        if other is not None:
            return (
                f"the results of {item.video} would lie in {parent}/, and {parent} is a result of "
                f"{other.video}: rename its folder."
            )
    return None


def _name_fault(item: Item, suffixes: Sequence[str], folder: Path | None) -> str | None:
    """Return what is wrong with the names of an item's results, as a sentence."""
    if folder is None:
        return None
    target = PurePosixPath(item.target)
    place = folder / target.parent
    try:
        names = [f"{target.name}{suffix}" for suffix in suffixes]
        check_names(place if place.is_dir() else folder, names, Path(item.video))
    except UsageError as error:
        return str(error)
    except OSError as error:
        return f"the results of {item.video} cannot be named ({error.strerror}): rename it."
    return None
