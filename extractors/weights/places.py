"""Where weights lie on this machine: the store, the Hugging Face cache, libraries' own folders."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from affect_pipe.extractors.weights.needs import Weights
from affect_pipe.pipeline.given import user_path
from affect_pipe.pipeline.optional import require

ENVIRONMENT_VARIABLE = "AFFECT_PIPE_MODELS"


def models_root(given: str | Path | None = None) -> Path:
    """Return the store: ``given``, else ``AFFECT_PIPE_MODELS``, else in the user's data folder.

    Raises
    ------
    UsageError
        If what is given can be no path.
    """
    chosen = given if given is not None else os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        return user_path(chosen, "the folder of models").absolute()
    return platformdirs.user_data_path("affect-pipe", appauthor=False) / "models"


def library_folder(cache: str) -> Path:
    """Return the folder in which ``torch.hub`` or the whisper package keeps files."""
    default = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    if cache == "whisper":
        return Path(default) / "whisper"
    return Path(os.environ.get("TORCH_HOME") or Path(default) / "torch") / "hub" / "checkpoints"


def elsewhere(weights: Weights) -> Iterator[Path]:
    """Yield the folders outside the store that may have it, whether or not they are complete."""
    yield from hub_folders(weights)
    if weights.cache is not None:
        yield library_folder(weights.cache)
    module, _, inside = weights.package.partition("/")
    found = importlib.util.find_spec(module) if module else None
    for location in (found.submodule_search_locations or ()) if found else ():
        yield Path(location) / inside


def hub_folders(weights: Weights) -> Iterator[Path]:
    """Yield the folders the Hugging Face cache has for it, whether or not they are complete."""
    if weights.hub is None or not weights.files:
        return
    hub = require("huggingface_hub", feature="looking for weights")
    first = weights.files[0].name
    for repository in (weights.hub, *weights.hub_aliases):
        # Not snapshot_download(local_files_only=True): that talks to the hub all the same.
        found = hub.try_to_load_from_cache(repository, first, revision=weights.revision)
        if isinstance(found, str):
            yield Path(found).parents[first.count("/")]


def files_in(folder: Path) -> tuple[str, ...]:
    """Return the names of the files under a folder, links followed; hidden ones are left out."""
    found = []
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(here) / name for name in files if not name.startswith(".")]
    return tuple(sorted(p.relative_to(folder).as_posix() for p in found if p.is_file()))


def missing_in(weights: Weights, folder: Path) -> tuple[str, ...]:
    """Return what the folder wants of the weights."""
    if not folder.is_dir():
        return weights.missing(())
    if weights.one_of:
        return weights.missing(files_in(folder))
    # A library's folder may hold a great many files.
    return weights.missing(f.name for f in weights.files if (folder / f.name).is_file())
