"""The Sphinx extension that puts what is made from the program into the pages that ask for it.

A page asks by a fenced block, such as::

    ```{made-from-program} settings affect_pipe.pipeline.settings:RunSettings
    ```

which is replaced by Markdown before the page is read, so that headings in it are the page's own.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.directives.other import TocTree
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util import logging

from site_pages import backbones, features, options, papers, schemas, settings

logger = logging.getLogger(__name__)
BLOCK = re.compile(r"^```\{made-from-program\} *(\S+) *(\S*)\n```$", re.MULTILINE)
TOCTREE = re.compile(r"```\{toctree\}(.*?)```", re.DOTALL)
REPOSITORY = Path(__file__).resolve().parent.parent.parent


def _text(path: str) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


# What a block can ask for, and who makes it of the block's argument.
MAKERS: Mapping[str, Callable[[str], str]] = {
    "backbones": lambda _: backbones.as_markdown(),
    "features": lambda _: features.as_markdown(),
    "options": lambda _: options.as_markdown(),
    "paper-tables": lambda _: papers.as_markdown(_text("docs/reproduce.md")),
    "schema": lambda path: schemas.as_markdown(_text(path)),
    "settings": lambda path: settings.as_markdown(_load(path)),
}


def fill_in(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace the blocks of a page."""

    def made(block: re.Match[str]) -> str:
        name, argument = block.groups()
        if name not in MAKERS:
            raise ExtensionError(f"{docname} asks for {name}; there are {', '.join(MAKERS)}")
        return MAKERS[name](argument)

    source[0] = BLOCK.sub(made, source[0])


class OtherGuides(TocTree):
    """A table of the guides that no other page of the folder has in its own."""

    option_spec: ClassVar[Any] = {}
    has_content = False

    def run(self) -> list[nodes.Node]:
        """Return the table; nothing where all guides are in others."""
        folder = Path(self.env.srcdir) / "docs"
        guides = {path.stem: path for path in sorted(folder.glob("*.md"))}
        listed = {name for path in guides.values() for name in _listed(path)}
        others = [name for name in guides if name not in listed | {"index"}]
        self.env.note_reread()
        self.content = StringList(others, source=self.env.docname)
        return super().run() if others else []


def _listed(page: Path) -> list[str]:
    """Return the names in the tables of contents of a page: `name`, or `Title <name>`."""
    lines = "\n".join(TOCTREE.findall(page.read_text(encoding="utf-8"))).splitlines()
    return [re.sub(r".*<(.+)>$", r"\1", line.strip()) for line in lines]


def each_page_once(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of pages in two tables of contents: a reader would be told two ways to them."""
    parents: dict[str, list[str]] = {}
    for parent, children in env.toctree_includes.items():
        for child in children:
            parents.setdefault(child, []).append(parent)
    for child, several in parents.items():
        if len(several) > 1:
            logger.warning("%s is in the tables of contents of %s", child, ", ".join(several))


def resolve_undocumented(
    app: Sphinx, env: BuildEnvironment, node: nodes.Element, shown: nodes.Element
) -> nodes.Element | None:
    """Leave a reference to a part of the program that has no page as code, without a link.

    One to what the program does not have stays a warning.
    """
    target = node.get("reftarget", "")
    if node.get("refdomain") == "py" and target.startswith("affect_pipe.") and _exists(target):
        return shown
    return None


def _exists(path: str) -> bool:
    """Whether a dotted path is a module, or a name or an attribute of a class in one."""
    module, names = path, list[str]()
    while module != "affect_pipe":
        try:
            found: Any = importlib.import_module(module)
        except ImportError:
            module, _, name = module.rpartition(".")
            names.insert(0, name)
            continue
        for name in names:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.connect("source-read", fill_in)
    app.connect("env-check-consistency", each_page_once)
    app.connect("missing-reference", resolve_undocumented)
    app.add_directive("other-guides", OtherGuides)
    # Pygments has no lexer for it; the name is for readers of the repository.
    app.add_lexer("csv", TextLexer)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
