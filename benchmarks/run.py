"""Speed and memory of ``affect-pipe run``, cold and cached, beside decoding alone.

    python benchmarks/run.py              60 s of 720p: cold, cached, the floor, stage shares
    python benchmarks/run.py --minutes 30 also a long video, for peak memory
    python benchmarks/run.py --minutes 120 --height 180 --seconds 20

Every run is a fresh process, start-up included, with a cache of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from decode import bare_decode, timed
from media_maker import make_talking_video


@dataclass(frozen=True)
class Measured:
    """One run: wall seconds, peak memory of its processes together, and the timings it wrote."""

    wall_s: float
    peak_mib: float
    timings_s: dict[str, float]


def run_once(video: Path, folder: Path) -> Measured:
    command = [sys.executable, "-m", "affect_pipe.cli", "run", str(video), "--out", str(folder)]
    environment = {**os.environ, "AFFECT_PIPE_CACHE": str(folder / "cache")}
    start = time.perf_counter()
    child = psutil.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    peak_bytes = 0
    while child.poll() is None:
        peak_bytes = max(peak_bytes, memory_of_tree(child))
        time.sleep(0.05)
    wall_s = time.perf_counter() - start
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed with status {child.returncode}")
    result = json.loads((folder / f"{video.stem}.affect.json").read_text(encoding="utf-8"))
    return Measured(wall_s, peak_bytes / 2**20, result["timings_s"])


def memory_of_tree(process: psutil.Process) -> int:
    """Bytes resident in a process and its children; pages they share count once for each."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += member.memory_info().rss
    return total


def show(name: str, measured: Measured, video_s: float) -> None:
    print(
        f"{name:12s}{measured.wall_s:8.2f} s {measured.wall_s / video_s:7.3f} x real time "
        f"{measured.peak_mib:8.0f} MiB peak"
    )


def show_stages(measured: Measured) -> None:
    total = measured.timings_s["total"]
    print(f"\nstages of the cold run (branches overlap; {total:.2f} s of work in all,")
    print(f"{measured.wall_s - total:.2f} s of start-up, imports and writing around it)")
    for stage, seconds in sorted(measured.timings_s.items(), key=lambda item: -item[1]):
        if stage != "total":
            print(f"  {stage:22s}{seconds:8.2f} s {100 * seconds / total:6.1f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--minutes", type=float, help="also a video this long, for its memory")
    parser.add_argument("--height", type=int, default=720, help="rows of the pictures (720)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        video = folder / "short.mp4"
        make_talking_video(video, arguments.seconds, height_px=arguments.height)
        cold = run_once(video, folder / "out")
        cached = run_once(video, folder / "out")
        floor_s, _ = timed(lambda: bare_decode(video))
        print(f"{arguments.seconds:g} s of {arguments.height}p:")
        show("cold", cold, arguments.seconds)
        show("cached", cached, arguments.seconds)
        print(f"{'decoding':12s}{floor_s:8.2f} s")
        print(f"\nwhole / decoding alone: {cold.wall_s / floor_s:.2f}")
        show_stages(cold)
        if arguments.minutes:
            long = folder / "long.mp4"
            make_talking_video(long, arguments.minutes * 60, height_px=arguments.height)
            measured = run_once(long, folder / "long-out")
            print()
            show(f"{arguments.minutes:g} minutes", measured, arguments.minutes * 60)
            print(f"more than the short video: {measured.peak_mib - cold.peak_mib:.0f} MiB")


if __name__ == "__main__":
    main()
