"""The index page of 1,000 results in a real browser."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import jsonschema
import pytest

from affect_pipe.pipeline.batch.events import ItemFailed
from affect_pipe.pipeline.batch.ledger import Ledger
from affect_pipe.pipeline.results.json_result import schema
from affect_pipe.reporting_folder import report_folder

sys.path.insert(0, str(Path(__file__).parent))
try:
    from many_results import make_results, write_results
finally:
    sys.path.pop(0)

N = 1000
CUT_OFF = "street/cut_off.affect.json"
# Of which plotly.js takes 2 MB, packed.
MOST_BYTES = 6_500_000


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, Any]]:
    made = make_results(N)
    validator = jsonschema.Draft202012Validator(schema())
    for path in list(made)[:20]:
        validator.validate(made[path])
    return made


@pytest.fixture(scope="module")
def index(results: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "wave 1 #2"
    write_results(folder, results)
    (folder / CUT_OFF).write_text('{"schema": "affect-pipe/1", ')
    # Any page will do to see whether links lead to it.
    for path in results:
        page = folder / path.replace(".affect.json", ".report.html")
        page.write_text(f"<!doctype html><link rel=icon href=data:,><title>{path}</title>")
    done = report_folder(folder, index_only=True)
    assert not done.is_whole
    return done.index


@dataclass
class Watched:
    """A page, and what went on in it that should not."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def opened(chromium: Any, index: Path) -> Iterator[Watched]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    found = Watched(context.new_page())
    found.page.on("console", lambda message: found.said.append(message.text))
    found.page.on("pageerror", lambda error: found.said.append(str(error)))
    found.page.on("request", lambda request: found.asked.append(request.url))
    open_index(found.page, index)
    yield found
    context.close()


@pytest.fixture
def watched(opened: Watched) -> Iterator[Watched]:
    yield opened
    opened.page.click("#clear")
    settle(opened.page)
    assert opened.said == []
    strangers = [url for url in opened.asked if not url.startswith(("file://", "data:", "blob:"))]
    assert strangers == []


def open_index(page: Any, index: Path, asked: str = "") -> None:
    page.goto(index.as_uri() + asked)
    page.wait_for_selector("#chart-length .main-svg")


def settle(page: Any) -> None:
    """Wait until what was typed has taken effect, by the page's own clock."""
    page.evaluate("new Promise(done => setTimeout(() => setTimeout(done, 150), 200))")


def names(page: Any) -> list[str]:
    """The videos that are shown, in order."""
    return page.eval_on_selector_all(
        "#videos tbody tr:not([hidden])",
        "rows => rows.map(row => row.cells[0].innerText.trim().split('\\n')[0])",
    )


def mean(result: dict[str, Any]) -> float:
    found = [u["sentiment"]["intensity"] for u in result["utterances"] if u["sentiment"]]
    return fmean(found) if found else float("nan")


def feels(result: dict[str, Any], emotion: str) -> bool:
    return any(u["emotions"] and u["emotions"][emotion]["present"] for u in result["utterances"])


def lacks(result: dict[str, Any], modality: str) -> bool:
    return any(not u["modalities"][modality]["present"] for u in result["utterances"])


def files(results: list[dict[str, Any]]) -> list[str]:
    return [result["media"]["file"] for result in results]


def test_it_opens_whole(watched: Watched, results: dict[str, dict[str, Any]], index: Path) -> None:
    page = watched.page
    assert watched.asked == [index.as_uri()]
    assert index.stat().st_size < MOST_BYTES
    assert sorted(names(page)) == sorted(files(list(results.values())))
    text = page.inner_text("#main")
    assert "2 different models" in text
    assert CUT_OFF in text
    n_utterances = sum(len(result["utterances"]) for result in results.values())
    assert page.inner_text("#count") == f"1,000 videos, {n_utterances:,} utterances"
    links = page.eval_on_selector_all("#videos a", "links => links.map(link => link.href)")
    assert sorted(links) == sorted(one.as_uri() for one in index.parent.rglob("*.report.html"))


def test_charts_count_what_the_results_say(
    watched: Watched, results: dict[str, dict[str, Any]]
) -> None:
    page = watched.page

    def drawn(name: str) -> dict[str, float]:
        """What plotly.js was given to draw."""
        bars = page.eval_on_selector(
            f"#chart-{name}", "place => ({n: place.data[0].x, of: place.data[0].y})"
        )
        return dict(zip(bars["of"], bars["n"], strict=True))

    def counted(chosen: list[dict[str, Any]]) -> Counter[str]:
        said = [u["sentiment"] for result in chosen for u in result["utterances"]]
        return Counter(sentiment["label"] for sentiment in said if sentiment)

    everything = list(results.values())
    assert drawn("sentiment") == dict(counted(everything))
    anger = sum(
        u["emotions"]["anger"]["present"]
        for r in everything
        for u in r["utterances"]
        if u["emotions"]
    )
    assert drawn("emotions")["anger"] == anger
    assert sum(drawn("length").values()) == N

    page.select_option("#f-folder", "interviews/2025")
    settle(page)
    chosen = [r for path, r in results.items() if path.startswith("interviews/2025/")]
    assert drawn("sentiment") == dict(counted(chosen))
    label = page.get_attribute("#chart-sentiment", "aria-label")
    assert f"negative {counted(chosen)['negative']:,}" in label


def test_filters_leave_what_they_ask_for(
    watched: Watched, results: dict[str, dict[str, Any]]
) -> None:
    page = watched.page
    every = results.items()

    def shown() -> set[str]:
        settle(page)
        return set(names(page))

    page.fill("#f-text", "CLIP_01 bicycle")
    bicycles = [
        r
        for _, r in every
        if r["media"]["file"].startswith("clip_01")
        and any("bicycle" in u["text"].lower() for u in r["utterances"])
    ]
    assert shown() == set(files(bicycles))
    assert page.inner_text("#count").startswith(f"{len(bicycles):,} of 1,000 videos")
    page.click("#clear")
    assert len(shown()) == N

    page.select_option("#f-emotion", label="surprise")
    assert shown() == set(files([r for _, r in every if feels(r, "surprise")]))
    page.fill("#f-low", "-0.5")
    page.fill("#f-high", "0.25")
    both = [r for _, r in every if feels(r, "surprise") and -0.5 <= round(mean(r), 3) <= 0.25]
    assert shown() == set(files(both))
    page.click("#clear")

    page.select_option("#f-folder", "interviews")
    assert shown() == set(files([r for path, r in every if path.startswith("interviews/")]))
    page.click("#clear")

    page.select_option("#f-missing", label="no face somewhere")
    assert shown() == set(files([r for _, r in every if lacks(r, "visual")]))
    page.select_option("#f-missing", "none")
    whole = [r for _, r in every if not any(lacks(r, m) for m in ("text", "acoustic", "visual"))]
    assert shown() == set(files(whole))
    page.click("#clear")

    page.select_option("#f-model", label="own")
    assert shown() == set(files([r for _, r in every if r["model"]["name"] == "own"]))
    page.select_option("#f-warned", "yes")
    warned = [r for _, r in every if r["model"]["name"] == "own" and r["warnings"]]
    assert shown() == set(files(warned))
    page.fill("#f-text", "no such video")
    assert shown() == set()
    assert page.is_visible("#nothing")


def test_sorting_orders_the_rows(watched: Watched, results: dict[str, dict[str, Any]]) -> None:
    page = watched.page
    by_name = {result["media"]["file"]: result for result in results.values()}

    def ordered(by: str) -> list[dict[str, Any]]:
        page.click(f'#videos [data-sort="{by}"]')
        settle(page)
        return [by_name[name] for name in names(page)]

    lengths = [result["media"]["duration_s"] for result in ordered("length")]
    assert lengths == sorted(lengths, reverse=True)
    assert page.get_attribute('th:has([data-sort="length"])', "aria-sort") == "descending"
    lengths = [result["media"]["duration_s"] for result in ordered("length")]
    assert lengths == sorted(lengths)
    assert page.get_attribute('th:has([data-sort="length"])', "aria-sort") == "ascending"
    counts = [len(result["utterances"]) for result in ordered("utterances")]
    assert counts == sorted(counts, reverse=True)

    means = [mean(result) for result in ordered("mean")]
    known = [value for value in means if value == value]
    assert all(one >= next_ - 1e-3 for one, next_ in pairwise(known))
    # What has no value is last, whichever way.
    assert all(value != value for value in means[len(known) :])

    page.select_option("#f-sort", "name")
    settle(page)
    paths = {result["media"]["file"]: path for path, result in results.items()}
    assert [paths[name] for name in names(page)] == sorted(paths.values())


def test_a_video_is_found_and_opened_by_keys(
    watched: Watched, results: dict[str, dict[str, Any]]
) -> None:
    page = watched.page
    page.keyboard.press("/")
    page.keyboard.type("clip_004")
    settle(page)
    found = names(page)
    assert len(found) == 10
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.textContent") == found[1]
    page.keyboard.press("Enter")
    (path,) = (p for p, r in results.items() if r["media"]["file"] == found[1])
    page.wait_for_function("title => document.title === title", arg=path)
    # And back to the same ten.
    page.go_back()
    page.wait_for_selector("#chart-length .main-svg")
    settle(page)
    assert names(page) == found
    page.focus("#videos a >> visible=true")
    page.keyboard.press("Escape")
    settle(page)
    assert len(names(page)) == N


def test_escape_clears_from_anywhere(watched: Watched) -> None:
    page = watched.page
    page.fill("#f-text", "no such word anywhere")
    settle(page)
    assert names(page) == []
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Escape")
    settle(page)
    assert len(names(page)) == N
    assert page.input_value("#f-text") == ""


def test_curves_are_drawn_where_they_are_seen(watched: Watched) -> None:
    page = watched.page
    drawn = "#videos .spark .main-svg"
    page.wait_for_selector(drawn)
    page.wait_for_timeout(500)
    assert 0 < page.locator("#videos .spark:has(.main-svg)").count() < 100
    last = page.locator("#videos .spark").last
    last.scroll_into_view_if_needed()
    last.locator(".main-svg").first.wait_for(state="attached")
    page.wait_for_timeout(500)
    # Those that were left behind give their memory back.
    assert 0 < page.locator("#videos .spark:has(.main-svg)").count() < 100


def test_warnings_are_told_when_asked_for(
    watched: Watched, results: dict[str, dict[str, Any]]
) -> None:
    page = watched.page
    result = next(r for r in results.values() if len(r["warnings"]) == 2)
    page.fill("#f-text", result["media"]["file"])
    settle(page)
    page.click("#videos tbody tr:not([hidden]) summary")
    told = page.locator("#videos tbody tr:not([hidden]) li")
    told.first.wait_for()
    assert told.all_inner_texts() == result["warnings"]


@pytest.fixture(scope="module")
def small_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with one of everything: axe takes minutes to look through a thousand rows."""
    folder = tmp_path_factory.mktemp("small")
    write_results(folder, make_results(15))
    (folder / "cut_off.affect.json").write_text("{")
    with Ledger(folder / "batch.jsonl", "0" * 16) as ledger:
        why = "/videos/lost.mp4 is empty (0 bytes): a video or audio file is expected."
        ledger.write(ItemFailed("/videos/lost.mp4", "lost", 1, "refused", why, True))
    return report_folder(folder, index_only=True).index


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_accessible(
    open_page: Callable[..., Any],
    axe: Callable[[Any], list[str]],
    small_index: Path,
    scheme: str,
    width: int,
) -> None:
    page = open_page(small_index, width=width, color_scheme=scheme, bypass_csp=True).page
    page.wait_for_selector("#chart-length .main-svg")
    page.click("#videos summary >> nth=0")
    settle(page)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert axe(page) == []
