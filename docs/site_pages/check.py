"""Checks the built site and the repository's Markdown: no dead link, nothing from elsewhere loaded.

``python docs/site_pages/check.py SITE`` reads every page with Python's own HTML parser and every
Markdown file with markdown-it, both apart from what built the site. Links that lead outside are not
followed: they are counted and written to ``SITE/external-links.txt``.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

REPOSITORY = Path(__file__).resolve().parent.parent.parent
# Attributes whose file a browser fetches by itself, by element; `a` only leads somewhere.
LOADED = {
    "img": ("src", "srcset"),
    "script": ("src",),
    "link": ("href",),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "object": ("data",),
    "embed": ("src",),
    "input": ("src",),
}
# In styles and scripts: what would be fetched from another host.
FETCHED = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""")
MARKDOWN = (
    "*.md",
    "docs/*.md",
    "docs/api/*.md",
    "samples/*.md",
    "fusion/weights/*/*.md",
)


@dataclass
class Findings:
    """What was looked at, and what is wrong.

    Attributes
    ----------
    pages, files : int
        HTML pages of the site, Markdown files of the repository.
    links, anchors : int
        Links within the site; those among them that name a place in a page.
    external : dict of URL to names of pages
        Links that lead outside, not followed.
    wrong : list of str
        One line each.
    """

    pages: int = 0
    files: int = 0
    links: int = 0
    anchors: int = 0
    external: dict[str, set[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def as_text(self) -> str:
        """Return the counts, and what is wrong."""
        counts = (
            f"{self.pages} pages, {self.links} internal links, {self.anchors} of them to a place "
            f"in a page; {self.files} Markdown files; {len(self.external)} addresses elsewhere, "
            "not followed"
        )
        return "\n".join([*self.wrong, counts])


class _Page(HTMLParser):
    """One page: its places, where it leads, what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.leads: list[str] = []
        self.loads: list[str] = []
        self._style = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value is not None}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        if tag in ("a", "area") and "href" in given:
            self.leads.append(given["href"])
        for name in LOADED.get(tag, ()):
            if name not in given:
                continue
            # A srcset is addresses with sizes behind them.
            several = given[name].split(",") if name == "srcset" else [given[name]]
            self.loads += [one.split()[0] for one in several if one.strip()]
        if tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self.leads.append(given["content"].partition("url=")[2])
        self.loads += FETCHED.findall(given.get("style", ""))
        self._style = tag == "style"

    def handle_data(self, data: str) -> None:
        if self._style:
            self.loads += FETCHED.findall(data)


def check_site(site: Path) -> Findings:
    """Check all pages of a built site.

    Parameters
    ----------
    site : Path
        Folder of the built HTML.
    """
    found, site = Findings(), site.resolve()
    pages = {
        path: _Page(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
        # Parts of the theme, which no reader opens.
        if "_static" not in path.relative_to(site).parts
    }
    found.pages = len(pages)
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        for address in page.leads:
            _follow(found, site, pages, path, name, address)
        for address in page.loads:
            if _is_elsewhere(address):
                found.wrong.append(f"{name} loads {address} from another host")
            else:
                _follow(found, site, pages, path, name, address)
    for sheet in sorted(site.rglob("*.css")):
        for address in FETCHED.findall(sheet.read_text(encoding="utf-8")):
            found.wrong.append(f"{sheet.relative_to(site)} loads {address} from another host")
    return found


def _is_elsewhere(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in ("http", "https", "ftp")


def _follow(
    found: Findings,
    site: Path,
    pages: Mapping[Path, _Page],
    path: Path,
    name: str,
    address: str,
) -> None:
    if _is_elsewhere(address):
        found.external.setdefault(address, set()).add(name)
        return
    parts = urlsplit(address)
    if parts.scheme == "data":
        return
    if parts.scheme:
        found.wrong.append(f"{name} leads to {address}, which is no file of the site")
        return
    found.links += 1
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_relative_to(site) or not target.is_file():
        found.wrong.append(f"{name} leads to {address}, which is not there")
    elif parts.fragment:
        found.anchors += 1
        if target in pages and unquote(parts.fragment) not in pages[target].places:
            found.wrong.append(f"{name} leads to {address}: the page has no such place")


def check_markdown(repository: Path) -> Findings:
    """Check the links of Markdown files as a reader of the repository follows them."""
    found = Findings()
    files = sorted({path for pattern in MARKDOWN for path in repository.glob(pattern)})
    found.files = len(files)
    for path in files:
        name = path.relative_to(repository).as_posix()
        for address in _addresses(path):
            if _is_elsewhere(address):
                found.external.setdefault(address, set()).add(name)
                continue
            found.links += 1
            parts = urlsplit(address)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_relative_to(repository) or not target.exists():
                found.wrong.append(f"{name} links to {address}, which is not in the repository")
            elif parts.fragment and target.suffix == ".md":
                found.anchors += 1
                if unquote(parts.fragment) not in _headings(target):
                    found.wrong.append(f"{name} links to {address}: there is no such heading")
    return found


def _tokens(path: Path) -> Iterator[tuple[str, str]]:
    """Yield links and headings of a file, by kind."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))
    for before, token in zip([None, *tokens], tokens, strict=False):
        children = token.children or []
        if before is not None and before.type == "heading_open":
            text = "".join(child.content for child in children if child.type != "image")
            yield "heading", text
        for child in children:
            address = child.attrGet("href") or child.attrGet("src")
            if child.type in ("link_open", "image") and address:
                yield "link", str(address)


def _addresses(path: Path) -> list[str]:
    return [text for kind, text in _tokens(path) if kind == "link"]


def _headings(path: Path) -> set[str]:
    """Return the anchors a repository's page gives headings: of equal ones, numbered."""
    seen: dict[str, int] = {}
    anchors = set()
    for kind, text in _tokens(path):
        if kind == "heading":
            kept = "".join(
                c for c in text.strip().lower() if c in "-_ " or unicodedata.category(c)[0] in "LN"
            ).replace(" ", "-")
            n = seen.get(kept, 0)
            seen[kept] = n + 1
            anchors.add(f"{kept}-{n}" if n else kept)
    return anchors


def main(site: Path) -> int:
    """Check, print what was found, and return 1 where something is wrong."""
    found, files = check_site(site), check_markdown(REPOSITORY)
    for address, names in files.external.items():
        found.external.setdefault(address, set()).update(names)
    found.files = files.files
    found.wrong += files.wrong
    lines = [
        f"{url}  ({', '.join(sorted(names))})" for url, names in sorted(found.external.items())
    ]
    (site / "external-links.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(found.as_text())
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
