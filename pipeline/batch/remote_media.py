"""Videos behind any fsspec URL: found there, and fetched to a bounded folder to be worked on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Generic

from filelock import FileLock, Timeout

from affect_pipe.pipeline.atomic import temporary_name
from affect_pipe.pipeline.batch.engine import Attempt, R, StagedWork, Told, Work
from affect_pipe.pipeline.batch.records import Item
from affect_pipe.pipeline.batch.remote_store import is_url, open_url
from affect_pipe.pipeline.errors import MediaError, StageError, UsageError
from affect_pipe.pipeline.media_files import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from affect_pipe.pipeline.placement import Kinds
from affect_pipe.pipeline.sizes import format_size

_WHAT = "the videos"
_CHUNK = 1 << 22
_WILD = "*?["
# Words and speakers, which are looked for beside a video.
_BESIDE = (".srt", ".vtt", ".json", ".txt", ".rttm")
_MAX_BESIDE_BYTES = 1 << 26


def find_remote(url: str) -> Iterator[Item]:
    """Yield the videos at a URL: one file, a pattern, or all below a folder.

    Raises
    ------
    UsageError
        If nothing is there, or the place cannot be read.
    """
    system, path = open_url(url, _WHAT)
    try:
        if any(sign in path for sign in _WILD):
            parts = PurePosixPath(path).parts
            fixed = next(i for i, part in enumerate(parts) if any(s in part for s in _WILD))
            root, found = str(PurePosixPath(*parts[:fixed])), system.glob(path)
        elif system.isfile(path):
            yield Item(system.unstrip_protocol(path), PurePosixPath(path).stem)
            return
        else:
            root, found = path, system.find(path)
    except Exception as error:  # a store's own errors are of any class
        raise UsageError(f"{url} cannot be listed ({type(error).__name__}: {error}).") from error
    media = [p for p in sorted(found) if _is_media(p)]
    if not media:
        raise UsageError(f"{url} has no file with the name of a video or audio file.")
    for one in media:
        target = PurePosixPath(one).relative_to(root).with_suffix("")
        yield Item(system.unstrip_protocol(one), target.as_posix())


def _is_media(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in VIDEO_SUFFIXES | AUDIO_SUFFIXES


@dataclass(frozen=True)
class WithRemoteMedia(Generic[R]):
    """A `engine.Work` that hands another one local copies of what is named by URL.

    Attributes
    ----------
    work : Work
    folder : Path
        Copies lie here, in a folder named by URL, size and version of what was copied; workers of
        one machine share them. What is not in use goes when room is needed, oldest first.
    budget_bytes : int
        What all of them may take together.
    """

    work: Work[R]
    folder: Path
    budget_bytes: int

    def placed(self, kinds: Kinds) -> Work[R] | None:
        """Return the part of the other work that some workers do; see `engine.StagedWork`."""
        part = self.work.placed(kinds) if isinstance(self.work, StagedWork) else None
        return None if part is None else replace(self, work=part)

    @contextmanager
    def open(self) -> Iterator[Attempt[R]]:
        """Give the other work's function, in front of which the video is fetched."""
        opened: AbstractContextManager[Attempt[R]] = self.work.open()
        with opened as attempt:

            def fetch_and_attempt(item: Item, tell: Callable[[Told], None]) -> R:
                with ExitStack() as stack:
                    return attempt(self._here(item, stack), tell)

            yield fetch_and_attempt

    def _here(self, item: Item, stack: ExitStack) -> Item:
        """Return an item whose files are on this machine, for as long as the stack lasts."""
        if item.transcript_url is not None:
            words = stack.enter_context(_fetched_small(item.transcript_url))
            item = replace(item, transcript=words, transcript_url=None)
        if item.diarisation_url is not None:
            speakers = stack.enter_context(_fetched_small(item.diarisation_url))
            item = replace(item, diarisation=speakers, diarisation_url=None)
        if is_url(item.video):
            video = stack.enter_context(fetched(item.video, self.folder, self.budget_bytes))
            item = replace(item, video=str(video))
        return item


@contextmanager
def fetched(url: str, folder: Path, budget_bytes: int) -> Iterator[Path]:
    """Give a local copy of a video, with the words and speakers beside it, for a context.

    Raises
    ------
    MediaError
        If there is no such file, or it is larger than the budget.
    StageError
        If it cannot be fetched now.
    """
    system, remote, size, version = _look_up(url)
    if size > budget_bytes:
        raise MediaError(
            f"{url} has {format_size(size)}, more than the {format_size(budget_bytes)} that copies "
            "of videos may take: raise the budget."
        )
    name = hashlib.sha256(f"{url}\0{size}\0{version}".encode("utf-8", "replace")).hexdigest()[:32]
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{name}.lock"):
        path = place / PurePosixPath(remote).name
        if not path.exists() or path.stat().st_size != size:
            _make_room(folder, budget_bytes - size, place)
            _fetch(system, remote, path, url)
        _fetch_beside(system, remote, place, url)
        os.utime(place)
        yield path


def _look_up(url: str) -> tuple[Any, str, int, str]:
    """Return the file system, the path in it, the size and the version of a remote file."""
    system, remote = open_url(url, _WHAT)
    try:
        return system, remote, int(system.info(remote).get("size") or 0), system.ukey(remote)
    except FileNotFoundError as error:
        raise MediaError(f"{url} is not there.") from error
    except Exception as error:  # a store's own errors are of any class
        raise StageError(f"{url} cannot be read ({type(error).__name__}: {error}).") from error


@contextmanager
def _fetched_small(url: str) -> Iterator[Path]:
    """Give a local copy, under the same name, of words or speakers that a list names by URL."""
    system, remote, size, _ = _look_up(url)
    if size > _MAX_BESIDE_BYTES:
        raise MediaError(f"{url} has {format_size(size)}, more than words may: which file is it?")
    with tempfile.TemporaryDirectory(prefix="affect-pipe-") as folder:
        path = Path(folder, PurePosixPath(remote).name)
        _fetch(system, remote, path, url)
        yield path


def _fetch_beside(system: Any, remote: str, place: Path, url: str) -> None:
    """Bring the files beside a video along, afresh: they are small, and may have changed."""
    parent, stem = remote.rpartition("/")[0], PurePosixPath(remote).stem
    for old in place.iterdir():
        if old.suffix.lower() in _BESIDE:
            old.unlink()
    try:
        system.invalidate_cache(parent)
        beside = system.ls(parent, detail=True)
    except Exception as error:
        raise StageError(f"what is beside {url} cannot be listed ({error}).") from error
    for entry in beside:
        name = PurePosixPath(entry["name"]).name
        known = name.startswith(f"{stem}.") and PurePosixPath(name).suffix.lower() in _BESIDE
        if known and int(entry.get("size") or 0) <= _MAX_BESIDE_BYTES:
            _fetch(system, entry["name"], place / name, url)


def _fetch(system: Any, remote: str, path: Path, url: str) -> None:
    """Copy a remote file whole or not at all."""
    temporary = path.parent / temporary_name()
    try:
        with system.open(remote, "rb") as source, temporary.open("wb") as copy:
            shutil.copyfileobj(source, copy, _CHUNK)
        temporary.replace(path)
    except Exception as error:
        raise StageError(f"{url} cannot be fetched ({type(error).__name__}: {error}).") from error
    finally:
        temporary.unlink(missing_ok=True)


def _make_room(folder: Path, room: int, keep: Path) -> None:
    """Remove copies nobody uses, the longest unused first, until they take ``room`` at most."""
    places = [path for path in folder.iterdir() if path.is_dir() and path != keep]
    places.sort(key=lambda path: path.stat().st_mtime)
    taken = {path: _size(path) for path in places}
    left = sum(taken.values())
    for path in places:
        if left <= room:
            return
        with contextlib.suppress(Timeout), FileLock(folder / f"{path.name}.lock", timeout=0):
            shutil.rmtree(path, ignore_errors=True)
            left -= taken[path]
    if left > room:
        raise StageError(
            "the copies of videos that are in use leave no room for another: raise the budget or "
            "give fewer --workers."
        )


def _size(folder: Path) -> int:
    total = 0
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total
