"""The record of a set of weights: what it is called, which files make it up, where they come from.

Imports no network and no model library.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted

# A name is a folder name, or ORG/NAME as on the Hugging Face hub, whose ids hold no "--".
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,94}[A-Za-z0-9_])?"
_NAME = re.compile(f"{_PART}(?:/{_PART})?")

LibraryCache = Literal["torch", "whisper"]
"""A library whose own folder may hold the files under the same names."""


@dataclass(frozen=True)
class WeightsFile:
    """One file of a set.

    Attributes
    ----------
    name : str
        Its path inside the folder, with forward slashes.
    size : int, optional
        Bytes; None where it is not published.
    sha256 : str, optional
        64 lower-case hex characters; None where it is not published.
    url : str, optional
        Where it can be fetched; None for files of a hub repository.
    """

    name: str
    size: int | None = None
    sha256: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        """Refuse a path that leads out of the folder."""
        check_file_name(self.name)


@dataclass(frozen=True)
class Weights:
    """A set of files that an extractor loads.

    Attributes
    ----------
    name : str
        What the user, the settings and the checkpoints call it: letters, digits, ``_``, ``-`` and
        ``.``, or two such parts joined by ``/`` as on the Hugging Face hub.
    files : tuple of WeightsFile
        Those that must be there.
    one_of : tuple of str
        Patterns of file names, at least one of which must match a file there; empty for none.
    patterns : tuple of str
        Patterns of further files that belong to it where there are any.
    hub, revision : str, optional
        The Hugging Face repository, and its commit; None for no repository, or its newest commit.
    hub_aliases : tuple of str
        Older ids under which the same repository may lie in the Hugging Face cache.
    cache : str, optional
        A library's own folder in which the files may lie too.
    package : str
        Module and folder of an installable package that carries the files: ``module/folder``.
    licence, page : str
        Of the weights, and where that is said; empty where it is not known.
    used_by : tuple of str
        Features and recognisers (``bert``, ``asr whisper``).
    about : str
        One line for people.
    """

    name: str
    files: tuple[WeightsFile, ...] = ()
    one_of: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    hub: str | None = None
    revision: str | None = None
    hub_aliases: tuple[str, ...] = ()
    cache: LibraryCache | None = None
    package: str = ""
    licence: str = ""
    page: str = ""
    used_by: tuple[str, ...] = ()
    about: str = ""

    def __post_init__(self) -> None:
        """Refuse a name that cannot be a folder."""
        check_name(self.name)

    @property
    def folder_name(self) -> str:
        """The name as one folder: ``org/name`` is ``org--name``."""
        return folder_name(self.name)

    @property
    def size(self) -> int | None:
        """Bytes of all files; None unless all sizes are published."""
        unknown = self.one_of or any(file.size is None for file in self.files)
        return None if unknown or not self.files else self.known_size

    @property
    def known_size(self) -> int:
        """Bytes of the files whose size is published; small ones are often not among them."""
        return sum(file.size or 0 for file in self.files)

    @property
    def fetchable(self) -> bool:
        """Whether it says where every file comes from."""
        return self.hub is not None or (
            bool(self.files) and all(file.url is not None for file in self.files)
        )

    def missing(self, present: Iterable[str]) -> tuple[str, ...]:
        """Return what is wanting beside the files ``present``; a choice reads ``a or b``."""
        there = set(present)
        wanting = [file.name for file in self.files if file.name not in there]
        if self.one_of and not any(fnmatch.fnmatchcase(n, p) for n in there for p in self.one_of):
            wanting.append("any file" if self.one_of == ("*",) else " or ".join(self.one_of))
        return tuple(wanting)

    def covers(self, name: str) -> bool:
        """Whether a file of this name belongs to it."""
        listed = any(file.name == name for file in self.files)
        return listed or any(fnmatch.fnmatchcase(name, p) for p in self.one_of + self.patterns)


@runtime_checkable
class NeedsWeights(Protocol):
    """A feature extractor that loads published weights."""

    def weights(self) -> tuple[Weights, ...]:
        """Return what it loads with its settings; cheap, whether or not they are here."""


def folder_name(name: str) -> str:
    """Return the folder of the weights ``name``; no two names share one."""
    return name.replace("/", "--")


def check_name(name: str) -> str:
    """Return ``name`` if weights may be called that.

    Raises
    ------
    UsageError
        If not.
    """
    parts = name.split("/")
    odd = "--" in name or any(".." in part for part in parts)
    if odd or len(name) > 190 or _NAME.fullmatch(name) is None:
        raise UsageError(
            f"{quoted(name)} cannot be the name of weights: expected letters, digits, '_', '-' and "
            "'.', or ORG/NAME as on the Hugging Face hub."
        )
    return name


def check_file_name(name: str) -> str:
    """Return ``name`` if it is a plain relative path with forward slashes on every system.

    Raises
    ------
    UsageError
        If it is absolute, leads out of its folder, or holds what some system cannot keep.
    """
    parts = name.split("/")
    # Hidden names are the store's own.
    plain = all(
        part and not part.startswith(".") and not part.endswith((".", " ")) for part in parts
    )
    printable = name.isprintable() and not set(name) & set('\\:*?"<>|')
    if not plain or not printable or len(name.encode()) > 400 or len(parts) > 8:
        raise UsageError(
            f"{quoted(name)} cannot be the name of a file of weights: expected a relative path "
            "without '..', hidden names and characters that some systems do not allow."
        )
    return name
