"""The lines that looking after a cache prints."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from affect_pipe.pipeline.cache import Cache
from affect_pipe.pipeline.cache_info import Removal
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.sizes import format_size, parse_size

# The longest stage of this package; a longer name of another's only shifts its own line.
_STAGE_WIDTH = len("features-action-units")


class Report(NamedTuple):
    """What to print, line by line, perhaps a million of them, and the exit code."""

    lines: Iterable[str]
    code: int = 0


def run_action(
    cache: Cache,
    action: str,
    *,
    drop: bool = False,
    max_size: str | None = None,
    workers: int = 1,
    media: bool = False,
) -> Report:
    """Do one action on a cache and return what to print, with the exit code.

    Parameters
    ----------
    action : {"info", "ls", "verify", "prune", "clear"}
    drop : bool
        With ``verify``: remove the damaged entries.
    max_size : str, optional
        With ``prune``: how much to keep, as ``5GB``.
    workers : int
        With ``verify``: how many entries are read at a time.
    media : bool
        With ``ls``: show each entry's media too, which takes opening it.

    Returns
    -------
    Report
        Its code is 1 where damaged entries stay, else 0.

    Raises
    ------
    UsageError
        If the action is unknown, the size missing or no size, or the workers fewer than one.
    """
    if action == "info":
        return Report(_info(cache))
    if action == "ls":
        return Report(_list(cache, media))
    if action == "verify":
        return _verify(cache, drop, workers)
    if action == "prune":
        if max_size is None:
            raise UsageError("cache prune needs a size to keep: give for example --max-size 5GB.")
        return Report([_removed(cache.prune(parse_size(max_size)))])
    if action == "clear":
        return Report([_removed(cache.clear())])
    raise UsageError(f"unknown cache action {action!r}: use info, ls, verify, prune or clear.")


def _info(cache: Cache) -> list[str]:
    info = cache.info()
    lines = [f"{info.root}: {_entries(info.n_entries)}, {format_size(info.n_bytes)}"]
    width = max(map(len, info.stages), default=0)
    for stage, use in info.stages.items():
        lines.append(
            f"  {stage:<{width}}  {_entries(use.n_entries):>12}  {format_size(use.n_bytes):>9}"
        )
    return lines


def _list(cache: Cache, media: bool) -> Iterator[str]:
    """Key, stage, size, last use in UTC, and the first digits of the media's digest."""
    for entry in cache.iter_entries(headers=media):
        used = time.strftime("%Y-%m-%d %H:%M", time.gmtime(entry.used_s))
        shown = f"  {entry.media_digest[:12] or '-'}" if media else ""
        yield (
            f"{entry.key}  {entry.stage:<{_STAGE_WIDTH}}  {format_size(entry.size_bytes):>9}  "
            f"{used}{shown}"
        )


def _verify(cache: Cache, drop: bool, workers: int) -> Report:
    if workers < 1:
        raise UsageError(f"--workers {workers} would verify nothing: give 1 or more.")
    n_entries = cache.info().n_entries
    problems = cache.verify(drop=drop, workers=workers)
    lines = [
        f"{problem.key}: {problem.reason}" + (" (dropped)" if problem.dropped else "")
        for problem in problems
    ]
    lines.append(f"{_entries(n_entries)} checked, {len(problems)} damaged")
    return Report(lines, int(any(not problem.dropped for problem in problems)))


def _removed(removal: Removal) -> str:
    return (
        f"removed {_entries(removal.n_removed)} ({format_size(removal.removed_bytes)}), "
        f"{format_size(removal.left_bytes)} left"
    )


def _entries(n: int) -> str:
    return "1 entry" if n == 1 else f"{n} entries"
