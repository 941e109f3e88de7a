"""Which media files a request means: those it names, and those in the folders it names."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TypeVar

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.preflight import EXPLANATION_SUFFIXES, REPORT_SUFFIX, SUFFIXES

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".flv", ".f4v", ".wmv", ".asf"),
        *(".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".vob", ".3gp", ".3g2", ".ogv", ".mxf"),
    }
)
AUDIO_SUFFIXES = frozenset(
    {
        *(".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".wma", ".mka"),
        *(".aif", ".aiff", ".aifc", ".caf", ".au", ".amr", ".ac3", ".weba"),
    }
)
# Words and speakers, where they lie beside a media file and begin with its name.
_BESIDE_SUFFIXES = (".srt", ".vtt", ".json", ".eaf", ".textgrid", ".txt", ".rttm")
_RESULT_SUFFIXES = (*SUFFIXES, *EXPLANATION_SUFFIXES, REPORT_SUFFIX)
# How many kinds of other files a message names.
_NAMED = 6
# How many results that several files would write a message names, and files for each.
_CLASHES = 5

T = TypeVar("T", bound=Hashable)
P = TypeVar("P")


@dataclass(frozen=True)
class MediaFile:
    """One file to work on.

    Attributes
    ----------
    path : Path
    folder : PurePath
        Where its results go below the result folder: as it lies below the folder that was named,
        ``.`` for a file that was named itself.
    """

    path: Path
    folder: PurePath = field(default_factory=PurePath)

    @property
    def target(self) -> PurePath:
        """What the names of its results begin with, below the result folder."""
        return self.folder / self.path.stem


def find_media(given: Sequence[Path], tell: Callable[[str], None]) -> list[MediaFile]:
    """Return the files that are meant, each once; folders are searched, sub-folders included.

    In a folder the ending of a name says what is media; a file that was named itself is taken as
    it is. Hidden files and folders, and links to folders, are left out.

    Parameters
    ----------
    given : sequence of Path
        Files and folders.
    tell : callable (line)
        Hears what is left out.

    Raises
    ------
    UsageError
        If a name holds a NUL character, a folder holds no media or cannot be read, or two files
        would write the same results.
    """
    found: dict[str, MediaFile] = {}
    for path in given:
        if "\0" in str(path):
            raise UsageError(f"{str(path)!r} holds a NUL character, which no path may.")
        for file in _in_folder(path, tell) if path.is_dir() else (MediaFile(path),):
            # The same file named twice is a slip, as by two patterns of a shell that overlap.
            found.setdefault(os.path.abspath(file.path), file)
    _check_targets(found.values())
    return list(found.values())


def _in_folder(folder: Path, tell: Callable[[str], None]) -> list[MediaFile]:
    files: list[MediaFile] = []
    rest: list[Path] = []
    for path in _walk(folder):
        if path.suffix.lower() in VIDEO_SUFFIXES | AUDIO_SUFFIXES:
            files.append(MediaFile(path, path.parent.relative_to(folder)))
        else:
            rest.append(path)
    stems = {(file.path.parent, file.path.stem) for file in files}
    others = Counter(path.suffix.lower() or "no ending" for path in rest if not _used(path, stems))
    if not files:
        raise UsageError(
            f"no file in {folder} has the name of a video or audio file: name a folder that holds "
            "some, or the files themselves."
        )
    if others:
        kinds = [f"{kind} ({count})" for kind, count in others.most_common(_NAMED)]
        more = ", ..." if len(others) > _NAMED else ""
        n = sum(others.values())
        were = "1 file is" if n == 1 else f"{n} files are"
        tell(f"{folder}: {were} skipped, not media by name: {', '.join(kinds)}{more}")
    return files


def _used(path: Path, stems: set[tuple[Path, str]]) -> bool:
    """Tell whether a file is, by its name, what belongs to a media file, or a result."""
    if path.name.lower().endswith(_RESULT_SUFFIXES):
        return True
    if path.suffix.lower() not in _BESIDE_SUFFIXES:
        return False
    # A language may stand before the ending: talk.en.srt.
    names = (path.stem, path.stem.rpartition(".")[0])
    return any((path.parent, name) in stems for name in names)


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder in an order that does not depend on the file system."""

    def fail(error: OSError) -> None:
        raise UsageError(
            f"the folder {error.filename} cannot be read ({error.strerror}): check its permissions."
        ) from error

    for root, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root, name) for name in sorted(names) if not name.startswith("."))


def _check_targets(files: Iterable[MediaFile]) -> None:
    clashes = same_targets((file.target, file.path) for file in files)
    if not clashes:
        return
    one_folder = all(len({path.parent for path in paths}) == 1 for _, paths in clashes)
    raise UsageError(
        f"{told_clashes(clashes)}: name the files that are meant, or rename one of each."
        if one_folder
        else f"{told_clashes(clashes)}: extract them into different --out folders, or name the "
        "folder above them, whose sub-folders are kept apart."
    )


def same_targets(written: Iterable[tuple[T, P]]) -> list[tuple[T, list[P]]]:
    """Return each target that several paths would write, with those paths, in the order given."""
    writers: defaultdict[T, list[P]] = defaultdict(list)
    for target, path in written:
        writers[target].append(path)
    return [(target, paths) for target, paths in writers.items() if len(paths) > 1]


def told_clashes(clashes: Sequence[tuple[object, Sequence[object]]]) -> str:
    """Return the beginning of a sentence on targets that several files would write."""
    told = [f"{_listed(paths)} write {target}.*" for target, paths in clashes[:_CLASHES]]
    more = len(clashes) - len(told)
    if more:
        told.append(f"and {more} more result{'s' if more > 1 else ''} would be written so")
    return "; ".join(told)


def _listed(paths: Sequence[object]) -> str:
    if len(paths) == 2:
        return f"{paths[0]} and {paths[1]} would both"
    shown = ", ".join(map(str, paths[:_CLASHES]))
    more = len(paths) - _CLASHES
    return f"{shown} and {more} more would all" if more > 0 else f"{shown} would all"
