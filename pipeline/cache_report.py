"""The lines that looking after a cache prints."""

from __future__ import annotations

import time

from affect_pipe.pipeline.cache import Cache
from affect_pipe.pipeline.cache_info import Removal
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.sizes import format_size, parse_size

Report = tuple[list[str], int]


def run_action(
    cache: Cache, action: str, *, drop: bool = False, max_size: str | None = None
) -> Report:
    """Do one action on a cache and return what to print, with the exit code.

    Parameters
    ----------
    action : {"info", "ls", "verify", "prune", "clear"}
    drop : bool
        With ``verify``: remove the damaged entries.
    max_size : str, optional
        With ``prune``: how much to keep, as ``5GB``.

    Returns
    -------
    lines : list of str
    code : int
        1 where damaged entries stay, else 0.

    Raises
    ------
    UsageError
        If the action is unknown, or the size missing or no size.
    """
    if action == "info":
        return _info(cache), 0
    if action == "ls":
        return _list(cache), 0
    if action == "verify":
        return _verify(cache, drop)
    if action == "prune":
        if max_size is None:
            raise UsageError("cache prune needs a size to keep: give for example --max-size 5GB.")
        return [_removed(cache.prune(parse_size(max_size)))], 0
    if action == "clear":
        return [_removed(cache.clear())], 0
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


def _list(cache: Cache) -> list[str]:
    """Key, stage, size, last use in UTC, and the first digits of the media's digest."""
    entries = cache.entries()
    width = max((len(entry.stage) for entry in entries), default=0)
    lines = []
    for entry in entries:
        used = time.strftime("%Y-%m-%d %H:%M", time.gmtime(entry.used_s))
        lines.append(
            f"{entry.key}  {entry.stage:<{width}}  {format_size(entry.size_bytes):>9}  "
            f"{used}  {entry.media_digest[:12] or '-'}"
        )
    return lines


def _verify(cache: Cache, drop: bool) -> Report:
    n_entries = cache.info().n_entries
    problems = cache.verify(drop=drop)
    lines = [
        f"{problem.key}: {problem.reason}" + (" (dropped)" if problem.dropped else "")
        for problem in problems
    ]
    lines.append(f"{_entries(n_entries)} checked, {len(problems)} damaged")
    return lines, int(any(not problem.dropped for problem in problems))


def _removed(removal: Removal) -> str:
    return (
        f"removed {_entries(removal.n_removed)} ({format_size(removal.removed_bytes)}), "
        f"{format_size(removal.left_bytes)} left"
    )


def _entries(n: int) -> str:
    return "1 entry" if n == 1 else f"{n} entries"
