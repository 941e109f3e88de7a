"""The folder of weights of this machine: one folder a name, each with a record of what it holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from affect_pipe.extractors.weights import places
from affect_pipe.extractors.weights.fetch import Unreachable, fetch
from affect_pipe.extractors.weights.needs import Weights
from affect_pipe.extractors.weights.unchanged import check_unchanged
from affect_pipe.pipeline.digest_memo import DigestMemo
from affect_pipe.pipeline.errors import MissingWeightsError
from affect_pipe.pipeline.fingerprint import digest_json

Say = Callable[[str], None]


class WeightsStore:
    """Finds weights by name, and fetches published ones where there is a network.

    Parameters
    ----------
    root : Path, optional
        The store; by default `places.models_root`.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = places.models_root(root)

    def folder(self, weights: Weights) -> Path:
        """Return the store's folder of these weights, whether or not it is there."""
        return self.root / weights.folder_name

    def look(self, weights: Weights) -> Path | None:
        """Return a folder on this machine that has all its files; uses no network.

        The store comes first, then the Hugging Face cache, then a library's own folder, then an
        installed package that carries them.
        """
        own = self.folder(weights)
        if own.is_dir() and not places.missing_in(weights, own):
            return own
        return next(
            (f for f in places.elsewhere(weights) if not places.missing_in(weights, f)), None
        )

    def here(self, weights: Weights, needed_for: str = "") -> Path:
        """Return a folder on this machine that has all its files.

        Raises
        ------
        MissingWeightsError
            If there is none; nothing is fetched.
        """
        found = self.look(weights)
        if found is None:
            raise MissingWeightsError(self.how_to_get(weights, needed_for))
        return found

    def find(self, weights: Weights, *, needed_for: str = "", say: Say | None = None) -> Path:
        """Return a folder that has all files of the weights, fetching them if need be.

        Parameters
        ----------
        needed_for : str
            What asks for them, for the message: "the bert feature".
        say : callable, optional
            Is told, in one line, that a download begins.

        Raises
        ------
        MissingWeightsError
            If they are not on this machine and cannot be fetched; says which file is missing and
            how to get it with and without a network.
        """
        found = self.look(weights)
        if found is not None:
            return found
        if not weights.fetchable:
            raise MissingWeightsError(self.how_to_get(weights, needed_for))
        try:
            return fetch(weights, self.root, say=say)
        except Unreachable as error:
            raise MissingWeightsError(self.how_to_get(weights, needed_for, str(error))) from error

    def file(self, weights: Weights, *, needed_for: str = "", say: Say | None = None) -> Path:
        """Return the path of the only (or first) listed file; otherwise as `find`."""
        return self.find(weights, needed_for=needed_for, say=say) / weights.files[0].name

    def digest(self, weights: Weights, *names: str) -> str:
        """Return the digest of the weights' contents: 32 hex characters, the same everywhere.

        Parameters
        ----------
        names : str
            The files that decide what is computed; by default all that are listed. One file's
            digest is `digest_file` of it; that of several is of their names and digests.

        Raises
        ------
        MissingWeightsError
            As `find`.
        ChangedWeightsError
            As `check_unchanged`.
        """
        folder = self.find(weights)
        memo = DigestMemo(self.root / ".digests")
        chosen = names or tuple(file.name for file in weights.files)
        check_unchanged(self.root, folder, chosen)
        digests = {name: memo.digest(folder / name) for name in chosen}
        return digests[chosen[0]] if len(chosen) == 1 else digest_json(digests)

    def how_to_get(self, weights: Weights, needed_for: str = "", why: str = "") -> str:
        """Return the sentence that says what is missing and both ways to get it."""
        folder, name = self.folder(weights), weights.name
        wanting = places.missing_in(weights, folder)
        what = f"the weights {name}" + (f" for {needed_for}" if needed_for else "")
        lacking = f"{', '.join(wanting)} is" if len(wanting) == 1 else f"{', '.join(wanting)} are"
        gone = (
            f"{what} are missing: {lacking} not in {folder}" if wanting else f"{what} are missing"
        )
        if not weights.fetchable:
            why = (
                f"only {weights.page} has them, by hand: put what you download there into the store"
                if weights.page
                else "nothing of that name is published: give your own files that name"
            )
            return (
                f"{gone} and {why} with `affect-pipe models add {name} PATH`, or take them from a "
                f"machine that has them with `affect-pipe models bundle {name} --out "
                f"{weights.folder_name}.tar` there and `affect-pipe models load "
                f"{weights.folder_name}.tar` here."
            )
        return (
            f"{gone}" + (f" and {why}" if why else "") + f": with a network, `affect-pipe models "
            f"pull {name}`; without one, `affect-pipe models bundle {name} --out "
            f"{weights.folder_name}.tar` on a machine that has it and `affect-pipe models load "
            f"{weights.folder_name}.tar` here."
        )
