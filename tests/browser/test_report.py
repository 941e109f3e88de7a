"""The page of a video in a real browser."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from affect_pipe.cli import main
from affect_pipe.pipeline.results.json_result import schema
from affect_pipe.pipeline.results.report.data import Signals
from affect_pipe.pipeline.results.report.video_page import video_page

sys.path.insert(0, str(Path(__file__).parent))
from made_talk import made_talk

MAX_BYTES = 30e6
CELLS = "#attention-{} .heatmaplayer image"
ROW = "#utterances tbody tr[data-number='{}']"


@pytest.fixture(scope="session")
def folder(chromium, sample, tmp_path_factory) -> Path:
    """The sample analysed for real: its results, its page, a copy of the video beside them."""
    folder = tmp_path_factory.mktemp("results")
    for path in (sample, sample.with_suffix(".srt")):
        (folder / path.name).write_bytes(path.read_bytes())
    flags = ["--out", str(folder), "--cache-dir", str(folder / "cache")]
    assert main(["run", str(folder / sample.name), "--explain", "--report", *flags]) == 0
    return folder


@pytest.fixture(scope="session")
def talk(folder) -> Path:
    return folder / "talking.report.html"


@pytest.fixture(scope="session")
def long_talk(chromium, tmp_path_factory) -> Path:
    """A made talk of an hour with 800 utterances."""
    data = made_talk()
    Draft202012Validator(schema()).validate(data.result)
    path = tmp_path_factory.mktemp("long") / "long.html"
    path.write_bytes(video_page(data))
    return path


def drawn(page) -> None:
    """Wait until the timeline and all that is said of the chosen utterance is drawn."""
    page.wait_for_selector("#timeline .heatmaplayer image", state="attached")
    page.locator("#why").scroll_into_view_if_needed()
    page.wait_for_selector(CELLS.format(0), state="attached")
    page.wait_for_selector("#deviation-chart .barlayer path", state="attached")


def current_time(page) -> float:
    # Seeking takes a moment; the time itself is set at once.
    return page.eval_on_selector("#video", "video => video.currentTime")


def shown(page) -> list[int]:
    rows = page.locator("#utterances tbody tr:visible")
    return [int(n) for n in rows.evaluate_all("rows => rows.map(row => row.dataset.number)")]


def test_it_plays_seeks_sorts_and_explains_without_a_word_to_anybody(open_page, talk):
    watched = open_page(talk)
    page = watched.page
    starts = page.evaluate("page.utterances.map(u => u.start)")
    watched.until("document.getElementById('video').readyState >= 1")

    page.click(ROW.format(7))
    assert current_time(page) == pytest.approx(starts[7], abs=0.01)
    page.click("#transcript li[data-number='2'] button")
    assert current_time(page) == pytest.approx(starts[2], abs=0.01)
    page.wait_for_selector(ROW.format(2) + ".playing.chosen")
    assert page.inner_text("#now-text") == "I love it!"

    # A click in the middle of an utterance on the timeline goes to its beginning.
    page.wait_for_selector("#timeline .heatmaplayer image", state="attached")
    box = page.locator("#chosen-band").bounding_box()
    page.click("#transcript li[data-number='0'] button")
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(ROW.format(2) + ".chosen")
    assert current_time(page) == pytest.approx(starts[2], abs=0.01)

    # The captions carry the prediction.
    cue = page.evaluate("document.getElementById('captions').track.activeCues[0].text")
    assert cue.splitlines()[0] == "I love it!"
    assert cue.splitlines()[1].startswith("positive +")

    drawn(page)
    assert page.locator("#attention .map").count() == 6
    assert page.locator("#contributions-chart .barlayer path").count() > 0
    assert "Utterance 2" in page.inner_text("#chosen-line")
    # A click on a cell goes to the utterance that was attended to.
    page.locator("#attention-0").scroll_into_view_if_needed()
    cells = page.locator("#attention-0 .nsewdrag").bounding_box()
    page.mouse.click(cells["x"] + cells["width"] * 10.5 / 11, cells["y"] + 5)
    page.wait_for_selector(ROW.format(10) + ".chosen")
    assert watched.said == []
    assert watched.asked_for() == []


def test_traces_follow_the_chosen_measure(open_page, talk):
    watched = open_page(talk)
    page = watched.page
    drawn(page)
    page.select_option("#trace-measure", label="loudness")
    watched.until("document.getElementById('trace-chart').layout.yaxis.title.text === 'sone'")
    page.click(ROW.format(4))
    watched.until("document.getElementById('trace-chart').data[0].x[0] > 10")
    values = page.evaluate("document.getElementById('trace-chart').data[0].y")
    assert max(v for v in values if v is not None) > 0
    assert page.input_value("#trace-measure") == "loudness"
    assert watched.said == []


def test_playing_highlights_and_scrolls(open_page, talk):
    watched = open_page(talk)
    page = watched.page
    watched.until("document.getElementById('video').readyState >= 1")
    page.evaluate("document.getElementById('video').muted = true")
    page.click(ROW.format(1))
    page.keyboard.press("Space")
    watched.until("document.querySelector('tr.playing')?.dataset.number === '2'")
    assert page.eval_on_selector("#playhead", "line => !line.hidden")
    page.keyboard.press("Space")
    assert page.eval_on_selector("#video", "video => video.paused")


def test_keys(open_page, talk):
    watched = open_page(talk)
    page = watched.page
    for _ in range(3):
        page.keyboard.press("j")
    page.keyboard.press("k")
    page.wait_for_selector(ROW.format(2) + ".chosen")
    page.keyboard.press("/")
    page.keyboard.type("friends")
    assert shown(page) == [10]
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.wait_for_selector(ROW.format(10) + ".chosen")
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    page.click("#clear")
    page.locator(ROW.format(10) + " .seek").focus()
    page.keyboard.press("Home")
    page.wait_for_selector(ROW.format(0) + ".chosen")
    assert page.evaluate("document.activeElement.closest('tr').dataset.number") == "0"


def test_keys_right_after_clearing_find_every_row(open_page, talk):
    page = open_page(talk).page
    page.fill("#search", "friends")
    # In one go: nothing else of the page gets to run between the click and the keys.
    page.evaluate(
        """() => {
          document.getElementById("clear").click();
          const row = document.querySelector("#utterances tbody tr[data-number='10']");
          row.querySelector(".seek").focus();
          const key = new KeyboardEvent("keydown", { key: "Home", bubbles: true });
          document.activeElement.dispatchEvent(key);
        }"""
    )
    assert page.evaluate("choice.now.chosen") == 0
    assert shown(page) == list(range(11))


def test_sorting_leaves_the_focus_in_its_row(open_page, talk):
    page = open_page(talk).page
    page.locator(ROW.format(3) + " .seek").focus()
    page.evaluate("document.querySelector(\"[data-sort='text']\").click()")
    assert page.evaluate("document.activeElement.closest('tr')?.dataset.number") == "3"


def test_sort_filter_search(open_page, talk):
    watched = open_page(talk)
    page = watched.page
    found = page.evaluate("page.utterances.map(u => [u.sentiment.intensity, u.sentiment.label])")
    in_time = list(range(len(found)))
    by_sentiment = sorted(in_time, key=lambda i: found[i][0])
    page.click("#utterances [data-sort='sentiment']")
    assert shown(page) == by_sentiment
    page.click("#utterances [data-sort='sentiment']")
    assert shown(page) == by_sentiment[::-1]
    assert page.get_attribute("th.c-sentiment", "aria-sort") == "descending"
    page.select_option("#filter-sentiment", "negative")
    negative = [i for i in by_sentiment[::-1] if found[i][1] == "negative"]
    assert shown(page) == negative
    assert page.inner_text("#shown") == f"{len(negative)} of {len(found)}"
    page.click("#clear")
    watched.until("document.querySelectorAll('#utterances tbody tr[hidden]').length === 0")
    assert shown(page) == in_time
    page.select_option("#filter-emotion", "anger")
    assert 7 in shown(page)
    page.fill("#search", "FURIOUS")
    assert shown(page) == [7]
    page.select_option("#filter-evidence", "no-visual")
    assert shown(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page, talk, axe, scheme):
    watched = open_page(talk, color_scheme=scheme)
    page = watched.page
    page.click(ROW.format(7))
    drawn(page)
    assert page.get_attribute("html", "data-theme") == scheme
    assert axe(page) == []


def test_the_switch_turns_the_theme_and_the_charts(open_page, talk):
    watched = open_page(talk, color_scheme="light")
    page = watched.page
    drawn(page)
    before = page.evaluate("document.getElementById('timeline').layout.plot_bgcolor")
    page.click("#theme-switch")
    watched.until(f"document.getElementById('timeline').layout.plot_bgcolor !== {before!r}")
    assert page.get_attribute("#theme-switch", "aria-pressed") == "true"


def test_a_phone_scrolls_only_downwards(open_page, talk, axe):
    watched = open_page(talk, width=375, height=812, has_touch=True, is_mobile=True)
    page = watched.page
    drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.tap(ROW.format(5))
    page.wait_for_selector(ROW.format(5) + ".chosen")
    assert axe(page) == []
    assert watched.said == []


def test_paper_shows_what_was_never_scrolled_to(open_page, talk):
    watched = open_page(talk, height=400)
    page = watched.page
    page.wait_for_selector("#timeline .heatmaplayer image", state="attached")
    assert page.locator("#why .main-svg").count() == 0
    page.pdf()
    for chart in ("found", "contributions", "deviation", "trace"):
        page.wait_for_selector(f"#{chart}-chart .main-svg", state="attached")
    assert page.locator("#attention .map .heatmaplayer image").count() == 6
    assert watched.said == []


@pytest.mark.parametrize("width", [360, 390, 660, 920])
def test_no_label_of_a_bar_is_cut(open_page, talk, width):
    watched = open_page(talk, width=width)
    page = watched.page
    page.click(ROW.format(7))
    drawn(page)
    page.wait_for_selector("#found-chart .bartext", state="attached")
    frame = page.locator("#found-chart").bounding_box()
    texts = page.locator("#found-chart .bartext")
    boxes = texts.evaluate_all("all => all.map(text => text.getBoundingClientRect().right)")
    assert any("intensity" in text for text in texts.all_text_contents())
    assert max(boxes) <= frame["x"] + frame["width"]


def test_a_page_from_the_file_is_the_page_of_the_run(open_page, folder, tmp_path):
    cache = ["--cache-dir", str(folder / "cache")]
    out = tmp_path / "again.html"
    assert main(["report", str(folder / "talking.affect.json"), "--out", str(out), *cache]) == 0
    parts = ("utterances", "attention", "values", "traces", "waveform", "speech", "faces")
    ask = f"Object.fromEntries({list(parts)}.map(name => [name, page[name]]))"
    pages = [open_page(path).page.evaluate(ask) for path in (folder / "talking.report.html", out)]
    assert pages[0] == pages[1]
    assert pages[0]["traces"]


def test_what_the_cache_no_longer_has_is_not_computed(open_page, folder, tmp_path):
    out = tmp_path / "page.html"
    flags = ["--video", "link", "--cache-dir", str(tmp_path / "empty")]
    assert main(["report", str(folder / "talking.affect.json"), "--out", str(out), *flags]) == 0
    watched = open_page(out)
    page = watched.page
    assert page.evaluate("[page.values.length, page.traces.length]") == [0, 0]
    assert "--recompute" in page.inner_text("#measures-block")
    # Linked to, relatively, and found.
    watched.until("document.getElementById('video').readyState >= 1")
    page.click(ROW.format(3))
    assert current_time(page) > 8
    assert watched.said == []
    assert [url.rsplit("/", 1)[1] for url in set(watched.asked_for())] == ["talking.mp4"]


def test_a_video_that_has_moved_is_told_of(open_page, folder, tmp_path):
    for name in ("talking.affect.json", "talking.mp4"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert main(["report", str(tmp_path / "talking.affect.json"), "--video", "link"]) == 0
    (tmp_path / "talking.mp4").unlink()
    watched = open_page(tmp_path / "talking.report.html")
    page = watched.page
    page.wait_for_selector("#player-problem", state="visible")
    page.click(ROW.format(3))
    page.wait_for_selector(ROW.format(3) + ".chosen")


def test_800_utterances_of_an_hour(open_page, long_talk, capsys):
    assert long_talk.stat().st_size < MAX_BYTES
    start = time.perf_counter()
    watched = open_page(long_talk)
    opened = time.perf_counter() - start
    page = watched.page
    page.wait_for_selector("#timeline .heatmaplayer image", state="attached")
    with capsys.disabled():
        told = f"{long_talk.stat().st_size / 1e6:.1f} MB, open after {opened:.2f} s"
        print(f"\n800 utterances: {told}, drawn after {time.perf_counter() - start:.2f} s")
    page.click(ROW.format(0))
    drawn(page)
    page.select_option("#filter-speaker", "Ben")
    assert shown(page) == list(range(0, 800, 3))
    page.keyboard.press("End")
    page.locator("#table-frame").focus()
    page.keyboard.press("End")
    page.wait_for_selector(ROW.format(798) + ".chosen")
    # The maps show a window around the chosen utterance, and say so.
    assert "utterances 776 to 799 of 800" in page.inner_text("#attention-note")
    rows = page.evaluate("document.getElementById('attention-0').data[0].z.length")
    assert rows == 24
    page.click("#zoom-in")
    watched.until("document.getElementById('timeline').layout.xaxis.range.length === 2")
    assert watched.said == []
    assert watched.asked_for() == []


def test_made_numbers_are_drawn_where_they_belong(open_page, tmp_path):
    data = made_talk(12, 60.0)
    path = tmp_path / "page.html"
    path.write_bytes(video_page(data))
    watched = open_page(path)
    page = watched.page
    drawn(page)
    page.click(ROW.format(4))
    watched.until("document.getElementById('attention-0').layout.shapes[0].y0 === 3.5")
    weights = np.zeros((12, 12))
    for i, row in enumerate(data.result["attention"]["text-visual/N1"]):
        for j, weight in row:
            weights[i, j] = weight
    z = page.evaluate("document.getElementById('attention-0').data[0].z")
    np.testing.assert_allclose(np.array(z), weights, atol=1e-9)
    # Ann speaks utterance 4: her face against her own mean.
    own = [i for i in range(12) if i % 3]
    face = data.signals.values[0].values.astype(np.float64)
    expected = (face[4] - face[own].mean(axis=0)) / face[own].std(axis=0, ddof=1)
    drawn_bars = page.evaluate("document.getElementById('deviation-chart').data[0].x")
    np.testing.assert_allclose(drawn_bars[:20], expected, rtol=0.01, atol=0.01)


def made_page(data, tmp_path) -> Path:
    Draft202012Validator(schema()).validate(data.result)
    path = tmp_path / "page.html"
    path.write_bytes(video_page(data))
    return path


def test_a_page_of_nobody_speaking_is_quiet(open_page, tmp_path, axe):
    data = made_talk(2, 60.0)
    result = {**data.result, "utterances": [], "attention": {}}
    watched = open_page(made_page(replace(data, result=result), tmp_path))
    watched.page.keyboard.press("j")
    watched.page.keyboard.press("/")
    watched.page.keyboard.press("Enter")
    assert "nothing was judged" in watched.page.inner_text("main")
    assert axe(watched.page) == []
    assert watched.said == []


def test_levels_of_arousal_and_valence_are_drawn(open_page, tmp_path):
    data = made_talk(6, 60.0)
    levels = ("low", "medium", "high")
    for i, utterance in enumerate(data.result["utterances"]):
        for part in ("sentiment", "emotions", "contributions"):
            del utterance[part]
        shares = {name: float(k == i % 3) for k, name in enumerate(levels)}
        utterance |= {
            name: {"label": levels[i % 3], "probabilities": shares}
            for name in ("arousal", "valence")
        }
    # One that nothing could be judged by.
    nothing = {"sufficient": False, "reasons": ["no words, voice or face"]}
    data.result["utterances"][5] |= {"arousal": None, "valence": None, "evidence": nothing}
    watched = open_page(made_page(data, tmp_path))
    page = watched.page
    page.wait_for_selector("#timeline .heatmaplayer image", state="attached")
    drawn_levels = page.evaluate("document.getElementById('timeline').data[0].y.slice(0, 6)")
    assert drawn_levels == [0, 0, None, 1, 1, None]
    page.click("#utterances [data-sort='arousal']")
    assert shown(page) == [5, 0, 3, 1, 4, 2]
    for i in range(6):
        page.click(ROW.format(i))
    page.locator("#why").scroll_into_view_if_needed()
    page.wait_for_selector("#found-chart .main-svg", state="attached")
    assert watched.said == []


def test_an_intensity_alone_and_a_lack_of_everything(open_page, tmp_path):
    data = made_talk(4, 60.0)
    for utterance in data.result["utterances"]:
        utterance["sentiment"] |= {"label": None, "probabilities": None}
        for emotion in utterance["emotions"].values():
            emotion |= {"probability": None, "present": None}
        utterance["contributions"] = None
    data.result["utterances"][2] |= {
        "sentiment": None,
        "emotions": None,
        "text": "",
        "evidence": {"sufficient": False, "reasons": ["no words, voice or face"]},
    }
    data.result["attention"] = {}
    data = replace(data, signals=Signals(missing={"values": "They are not to be had."}))
    watched = open_page(made_page(data, tmp_path))
    page = watched.page
    for i in (2, 3, 1):
        page.click(ROW.format(i))
    page.locator("#why").scroll_into_view_if_needed()
    page.wait_for_selector("#found-chart .main-svg", state="attached")
    assert page.is_visible("text=They are not to be had.")
    page.select_option("#filter-evidence", "little")
    assert 2 in shown(page)
    assert watched.said == []
