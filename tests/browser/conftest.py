"""A real browser, where the machine has one."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium, as a `playwright.sync_api.Browser`."""
    program = os.environ.get("AFFECT_PIPE_CHROMIUM") or shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine (or set AFFECT_PIPE_CHROMIUM)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (extra dev)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


class Watched:
    """A page, with what it said and what it asked for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.said: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def until(self, condition: str, seconds: float = 30.0) -> None:
        """Wait until a JavaScript expression is true.

        Playwright's own ``wait_for_function`` evaluates text in the page, which its policy forbids.
        """
        end = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"still not so: {condition}"
            time.sleep(0.05)

    def asked_for(self) -> list[str]:
        """Return what was asked for besides the page itself and what is inside it."""
        inside = ("data:", "blob:")
        return [url for url in self.requests[1:] if not url.startswith(inside)]


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Watched]]:
    """Open a file: ``open_page(path, width=375, color_scheme="dark")``."""
    contexts = []

    def open_(path: Path, width: int = 1280, height: int = 900, **settings: Any) -> Watched:
        context = chromium.new_context(viewport={"width": width, "height": height}, **settings)
        contexts.append(context)
        watched = Watched(context.new_page())
        watched.page.goto(path.as_uri())
        return watched

    yield open_
    for context in contexts:
        context.close()


def serious_violations(page: Any) -> list[str]:
    """Return what axe-core finds that is serious or critical, as sentences."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="extra dev").Axe()
    found = axe.run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.fixture(scope="session")
def axe() -> Callable[[Any], list[str]]:
    """What axe-core finds in a page that is serious or critical."""
    return serious_violations
