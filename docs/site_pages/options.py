"""The page of command line options, made from the parser itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from affect_pipe.cli import build_parser
from site_pages.markdown import code, literal, table

# Every command has them; the page says so once.
COMMON = ("help", "debug")


def as_markdown() -> str:
    """Return a section for each command, its own commands under it."""
    return "\n\n".join(
        part
        for name, parser, depth in _commands(build_parser(), "affect-pipe", 2)
        for part in _section(name, parser, depth)
    )


def _commands(
    parser: argparse.ArgumentParser, name: str, depth: int
) -> Iterator[tuple[str, argparse.ArgumentParser, int]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, one in action.choices.items():
                yield f"{name} {verb}", one, depth
                yield from _commands(one, f"{name} {verb}", depth + 1)


def _section(name: str, parser: argparse.ArgumentParser, depth: int) -> list[str]:
    rows = [
        (_called(action), literal(_meaning(action)))
        for action in parser._actions
        if action.dest not in COMMON and not isinstance(action, argparse._SubParsersAction)
    ]
    usage = "\n".join(
        line.removeprefix("usage: ").removeprefix(" " * len("usage: "))
        for line in parser.format_usage().rstrip().splitlines()
    )
    return [
        f"{'#' * depth} {name}",
        literal(parser.description or ""),
        f"```\n{usage}\n```",
        table(("option", "meaning"), rows) if rows else "",
    ]


def _called(action: argparse.Action) -> str:
    if action.choices is not None:
        takes = "|".join(map(str, action.choices))
    elif isinstance(action.metavar, str):
        takes = action.metavar
    else:
        takes = "" if action.nargs == 0 else action.dest.upper()
    if not action.option_strings:
        return code(takes)
    return ", ".join(code(f"{one} {takes}".strip()) for one in action.option_strings)


def _meaning(action: argparse.Action) -> str:
    text = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
    told = action.default in (None, False, argparse.SUPPRESS, []) or "(" in text
    return text if told or action.nargs == 0 else f"{text} ({action.default})".strip()
