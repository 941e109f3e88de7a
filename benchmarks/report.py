"""Size and opening time of the page of a long talk.

    python benchmarks/report.py                          800 utterances of an hour
    python benchmarks/report.py --utterances 3000 --hours 4

The talk is made (`tests/browser/made_talk.py`). Told are the size of the page, the time to make it,
and in a headless Chromium, each time in a fresh one: when something was painted first, when the
page could be used (its load event), and when the timeline was drawn; then the processor time that
the page's main thread took for both, which a machine busy with other things changes less.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from affect_pipe.pipeline.results.report.video_page import video_page

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "browser"))
from made_talk import made_talk

FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, default=800)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args()
    data = made_talk(arguments.utterances, arguments.hours * 3600)
    start = time.perf_counter()
    page = video_page(data)
    print(f"{len(page) / 1e6:.1f} MB, made in {time.perf_counter() - start:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_bytes(page)
        runs = [opened(path) for _ in range(arguments.times)]
    names = ("first paint", "can be used", "timeline drawn", "processor: used", "processor: drawn")
    for name, seconds in zip(names, zip(*runs, strict=True), strict=True):
        print(f"{name:18}{statistics.median(seconds):6.2f} s (median of {len(seconds)})")


def opened(path: Path) -> tuple[float, ...]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1366, "height": 900})
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def processor_s() -> float:
            metrics = session.send("Performance.getMetrics")["metrics"]
            return float(next(m["value"] for m in metrics if m["name"] == "TaskDuration"))

        start = time.perf_counter()
        page.goto(path.as_uri())
        used_s = processor_s()
        page.wait_for_selector("#timeline .heatmaplayer image", state="attached")
        drawn = time.perf_counter() - start
        drawn_s = processor_s()
        first, loaded = page.evaluate(FIRST_PAINT) / 1000, page.evaluate(LOADED) / 1000
        browser.close()
    return first, loaded, drawn, used_s, drawn_s


if __name__ == "__main__":
    main()
