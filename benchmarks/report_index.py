"""How long an index of many results takes: to make, and to open in a browser.

    python benchmarks/report_index.py                    1,000 made results
    python benchmarks/report_index.py --videos 5000 --runs 5

Needs Chromium (``AFFECT_PIPE_CHROMIUM``, or one on the path) and the extra ``dev``. The results are
made from the sample's by a seed, as those of ``tests/browser/test_index.py``. Times of a browser
are of a fresh process each, from the call to open the page: "shown" until it is loaded, with
all rows; "drawn" until the last chart is; "at work" is the processor time of the page's main
thread until then; then one filter and one order, each until the next frame.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from affect_pipe.pipeline.results.report.index import index_page
from affect_pipe.pipeline.results.report.index_folder import read_folder

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "browser"))

from many_results import make_results, write_results

# Both run what the page would do itself, and wait until it is painted.
_STEP = """name => new Promise(done => {
  const start = performance.now();
  const field = document.getElementById(name === "sort" ? "f-sort" : "f-folder");
  field.selectedIndex = 2;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  setTimeout(() => requestAnimationFrame(() => setTimeout(() => done(performance.now() - start))));
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "results")
        write_results(root, make_results(arguments.videos))
        page = Path(folder, "index.html")
        make(root, page)
        opened = [open_once(page) for _ in range(arguments.runs)]
    for step in opened[0]:
        values = [one[step] for one in opened]
        print(f"{step}: {statistics.median(values):.2f} s (most {max(values):.2f})")
    print("load average:", *(f"{load:.1f}" for load in os.getloadavg()), "cores:", os.cpu_count())


def make(root: Path, page: Path) -> None:
    start, busy = time.perf_counter(), time.process_time()
    folder = read_folder(root)
    read = time.perf_counter()
    data = index_page(folder, {row.key: None for row in folder.rows})
    done = time.perf_counter()
    page.write_bytes(data)
    print(f"{len(folder.rows)} videos, {sum(r.n_utterances for r in folder.rows)} utterances")
    busy = time.process_time() - busy
    print(f"read {read - start:.2f} s, page {done - read:.2f} s (of it {busy:.2f} s at work)")
    print(f"{len(data) / 1e6:.2f} MB")


def open_once(page: Path) -> dict[str, float]:
    program = os.environ.get("AFFECT_PIPE_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        tab: Any = browser.new_page(viewport={"width": 1280, "height": 900})
        inside = tab.context.new_cdp_session(tab)
        inside.send("Performance.enable", {"timeDomain": "threadTicks"})
        start = time.perf_counter()
        tab.goto(page.as_uri())
        shown = time.perf_counter()
        tab.wait_for_selector("#chart-length .main-svg")
        drawn = time.perf_counter()
        told = {
            one["name"]: one["value"] for one in inside.send("Performance.getMetrics")["metrics"]
        }
        steps = {name: tab.evaluate(_STEP, name) / 1000 for name in ("filter", "sort")}
        browser.close()
    opening = {"shown": shown - start, "drawn": drawn - start, "at work": told["TaskDuration"]}
    return {**opening, **steps}


if __name__ == "__main__":
    main()
