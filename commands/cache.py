"""``affect-pipe cache``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from affect_pipe.commands.common import Verbs
from affect_pipe.pipeline.results.standard_output import standard_output

if TYPE_CHECKING:
    from affect_pipe.pipeline.cache import Cache


def add(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add the verb to the command line."""
    cache = verbs.add_parser("cache", parents=[common], help="look after the cache")
    actions = cache.add_subparsers(dest="action", required=True, metavar="ACTION")
    shared = argparse.ArgumentParser(add_help=False, parents=[common])
    shared.add_argument("--cache-dir", metavar="DIR|URL", help="cache folder or fsspec URL")
    actions.add_parser("info", parents=[shared], help="where it is and what is in it")
    ls = actions.add_parser("ls", parents=[shared], help="one line an entry")
    ls.add_argument("--media", action="store_true", help="and the digest of its media (slower)")
    verify = actions.add_parser("verify", parents=[shared], help="read and check every entry")
    verify.add_argument("--drop", action="store_true", help="delete the damaged entries")
    verify.add_argument(
        "--workers", type=int, default=1, metavar="N", help="how many to read at a time (1)"
    )
    prune = actions.add_parser("prune", parents=[shared], help="delete what was used longest ago")
    prune.add_argument("--max-size", required=True, metavar="SIZE", help="keep at most, like 5GB")
    actions.add_parser("clear", parents=[shared], help="delete every entry")
    cache.set_defaults(handler=_cache)


def _cache(arguments: argparse.Namespace) -> int:
    from affect_pipe.pipeline.cache import Cache, resolve_root
    from affect_pipe.pipeline.cache_report import run_action

    cache: Cache = Cache(resolve_root(arguments.cache_dir), prepare=False)
    report = run_action(
        cache,
        arguments.action,
        drop=getattr(arguments, "drop", False),
        max_size=getattr(arguments, "max_size", None),
        workers=getattr(arguments, "workers", 1),
        media=getattr(arguments, "media", False),
    )
    with standard_output():
        for line in report.lines:
            print(line)
    return report.code
