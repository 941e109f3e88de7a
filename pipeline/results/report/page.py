"""One self-contained HTML file from a template: its scripts and styles inside, nothing fetched.

The page carries a Content-Security-Policy that lets run only the scripts and styles put in here, by
their SHA-256, and lets nothing be asked of any network. Text of users goes through Jinja2's
autoescape, data through `Page.data`, which no text can end early.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from affect_pipe.pipeline.optional import require

_PACKAGE = "affect_pipe.pipeline.results.report"
# plotly.js makes an empty style element and fills it through the object model.
_EMPTY_STYLE = ""
# It also brings the style of its maps, unless an element of this name says that it is there.
_MAP_STYLE = re.compile(r'getElementById\("([0-9a-f]{64})"\)')
# Half a surrogate pair (a file name that is no UTF-8) is no text that a page could hold.
_HALVES = {code: "\N{REPLACEMENT CHARACTER}" for code in range(0xD800, 0xE000)}


@dataclass(frozen=True)
class Page:
    """What makes up one page.

    Attributes
    ----------
    template : str
        Name of a template that extends ``base.html``.
    title : str
        Plain text; escaped by the template.
    data : JSON-able
        What the page's scripts read, as JSON of ``<script id="data">``.
    styles, scripts : sequence of str
        Names of files in ``assets``, in order, after ``theme.css`` and ``theme.js``.
    charts : bool
        Whether plotly.js is put in, and ``charts.js`` before the other scripts, which unpacks it.
    local_media : bool
        Whether the page may play a file beside it.
    context : mapping
        What else the template asks for.
    """

    template: str
    title: str
    data: Any
    styles: Sequence[str] = ()
    scripts: Sequence[str] = ()
    charts: bool = False
    local_media: bool = False
    context: Mapping[str, Any] = field(default_factory=dict)


def render(page: Page) -> bytes:
    """Return the page as UTF-8; the same page gives the same bytes.

    Raises
    ------
    KeyError
        If the template asks for what the context does not have.
    """
    jinja2 = require("jinja2", feature="the report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _text(f"templates/{name}")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_whole,
    )
    markup = require("markupsafe", feature="the report").Markup
    styles = [_text(f"assets/{name}") for name in ("theme.css", *page.styles)]
    head = _text("assets/theme.js")
    names = (*(["charts.js"] if page.charts else ()), *page.scripts)
    scripts = [_text(f"assets/{name}") for name in names]
    plotly = [plotly_script()] if page.charts else []
    context = dict(
        **page.context,
        title=page.title,
        map_styles=sorted({name for text in plotly for name in _MAP_STYLE.findall(text)}),
        policy=markup(_policy([head, *plotly, *scripts], styles, page.local_media)),
        styles=[markup(style) for style in styles],
        head_script=markup(head),
        scripts=[markup(script) for script in scripts],
        plotly=_packed_plotly() if page.charts else "",
        data=markup(_data(page.data)),
    )
    try:
        text = environment.get_template(page.template).render(context)
    except jinja2.UndefinedError as error:
        raise KeyError(str(error)) from error
    encoded: bytes = text.encode("utf-8")
    return encoded


@functools.cache
def plotly_script() -> str:
    """Return plotly.js as the Python package plotly carries it: under the MIT licence, 4.8 MB."""
    script: str = require("plotly.offline", feature="the report").get_plotlyjs()
    return script


@functools.cache
def _packed_plotly() -> str:
    """Return plotly.js deflated, in base64: less than half of it, and nothing to run at first."""
    return base64.b64encode(zlib.compress(plotly_script().encode("utf-8"), 9)).decode("ascii")


def _whole(value: Any) -> Any:
    """Replace halves of surrogate pairs in text on its way into a template."""
    return value.translate(_HALVES) if type(value) is str else value


def _text(name: str) -> str:
    return (resources.files(_PACKAGE) / name).read_text("utf-8")


def _data(value: Any) -> str:
    """Return JSON that HTML reads as nothing but text; ASCII, so of any file name."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()
    return f"'sha256-{digest}'"


def _policy(scripts: Sequence[str], styles: Sequence[str], local_media: bool) -> str:
    # Chromium takes 'self' of a page on the disk for its folder's files, others want the scheme.
    media = "'self' file: data: blob:" if local_media else "data: blob:"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_source, scripts))}",
            f"style-src {' '.join(map(_source, (*styles, _EMPTY_STYLE)))}",
            # plotly.js sizes elements by their style attribute.
            "style-src-attr 'unsafe-inline'",
            "img-src data: blob:",
            f"media-src {media}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
