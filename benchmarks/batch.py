"""Throughput of ``affect-pipe batch`` against the number of workers, and what it costs.

    python benchmarks/batch.py                            16 videos of 60 s, 1 worker and 2
    python benchmarks/batch.py --workers 1 2 4 8 --videos 64
    python benchmarks/batch.py --price-per-core-hour 0.04 --price-per-gib-hour 0.005

Every run has a cache of its own and as many cores as workers, so that one worker has one core and
cannot borrow another: what is compared is work a core. Words come from the recogniser. The time of
a run holds its planning, the start of its workers and the loading of models.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import ffmpeg
import psutil
from media_maker import make_talking_video
from rich.console import Console
from rich.table import Table
from run import memory_of_tree

from affect_pipe.pipeline.ffmpeg import ffmpeg_binary


@dataclass(frozen=True)
class Measured:
    """One batch: wall seconds of the whole, of each video, of all stages, and peak memory."""

    workers: int
    wall_s: float
    video_s: tuple[float, ...]
    stages_s: dict[str, float]
    peak_bytes: int
    media_s: float

    def warm_s(self) -> float:
        """Mean seconds of a video in a worker that has its models."""
        warm = self.video_s[self.workers :]
        return sum(warm) / len(warm) if warm else float("nan")


def make_videos(folder: Path, count: int, seconds: float, height_px: int) -> None:
    """Write pieces of one long video, so that no stage of one is another's."""
    with tempfile.TemporaryDirectory() as temporary:
        whole, _ = make_talking_video(
            Path(temporary) / "whole.mkv", count * seconds, height_px=height_px
        )
        pieces = ffmpeg.output(
            ffmpeg.input(str(whole)),
            str(folder / "v%03d.mkv"),
            codec="copy",
            format="segment",
            segment_time=seconds,
            reset_timestamps=1,
            loglevel="error",
        )
        pieces.run(cmd=ffmpeg_binary())


def run_batch(videos: Path, out: Path, workers: int, cores: list[int]) -> Measured:
    line = [sys.executable, "-m", "affect_pipe.cli", "batch", str(videos), "--out", str(out)]
    line += ["--workers", str(workers), "--cache-dir", str(out / "cache"), "--progress", "none"]
    os.sched_setaffinity(0, cores[:workers])
    start = time.perf_counter()
    child = psutil.Popen(line, stdout=subprocess.DEVNULL)
    os.sched_setaffinity(0, cores)
    peak_bytes = 0
    while child.poll() is None:
        peak_bytes = max(peak_bytes, memory_of_tree(child))
        time.sleep(0.5)
    wall_s = time.perf_counter() - start
    if child.returncode:
        raise SystemExit(f"{' '.join(line)} failed with status {child.returncode}")
    events = [json.loads(line) for line in (out / "batch.jsonl").read_text("utf-8").splitlines()]
    done = [event for event in events if event["event"] == "done"]
    stages_s: dict[str, float] = {}
    for event in done:
        for stage, seconds in event["timings_s"].items():
            if stage != "total":
                stages_s[stage] = stages_s.get(stage, 0.0) + seconds
    video_s = tuple(event["seconds"] for event in done)
    media_s = sum(event["duration_s"] for event in done)
    return Measured(workers, wall_s, video_s, stages_s, peak_bytes, media_s)


def show_throughput(runs: list[Measured], media_s: float, console: Console) -> None:
    print("hours/h: hours of video in an hour; s/video: mean of a worker that has its models")
    table = Table()
    headings = ("workers", "wall s", "hours/h", "speed-up", "efficiency", "s/video", "peak MiB")
    for heading in headings:
        table.add_column(heading, justify="right")
    base = runs[0]
    for run in runs:
        gain = base.wall_s / run.wall_s
        scale = run.workers / base.workers
        table.add_row(
            str(run.workers),
            f"{run.wall_s:.1f}",
            f"{media_s / run.wall_s:.1f}",
            f"{gain:.2f}",
            f"{gain / scale:.0%}",
            f"{run.warm_s():.2f}",
            f"{run.peak_bytes / 2**20:.0f}",
        )
    console.print(table)


def show_stages(runs: list[Measured], media_s: float, console: Console) -> None:
    print("\nseconds of work of each stage for an hour of video")
    table = Table()
    table.add_column("stage")
    for run in runs:
        table.add_column(f"workers: {run.workers}", justify="right")
    for stage in sorted(runs[0].stages_s, key=lambda name: -runs[0].stages_s[name]):
        per_hour = [f"{run.stages_s.get(stage, 0.0) * 3600 / media_s:.1f}" for run in runs]
        table.add_row(stage, *per_hour)
    console.print(table)


def show_cost(runs: list[Measured], media_s: float, prices: tuple[float, float]) -> None:
    """Print what 1000 hours of video take: cores and memory are held as long as a batch runs."""
    print("\nof a thousand hours of video like these:")
    for run in runs:
        wall_h = run.wall_s * 1000 * 3600 / media_s / 3600
        core_h, gib_h = wall_h * run.workers, wall_h * run.peak_bytes / 2**30
        line = f"  {run.workers} workers: {wall_h:.0f} h, {core_h:.0f} core hours, "
        line += f"{gib_h:.0f} GiB hours of memory"
        if any(prices):
            line += f"; cost {core_h * prices[0] + gib_h * prices[1]:.2f}"
        print(line)
    if not any(prices):
        print("  cost = core hours x --price-per-core-hour + GiB hours x --price-per-gib-hour")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--videos", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each video (60)")
    parser.add_argument("--height", type=int, default=720, help="rows of the pictures (720)")
    parser.add_argument("--price-per-core-hour", type=float, default=0.0)
    parser.add_argument("--price-per-gib-hour", type=float, default=0.0)
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if max(arguments.workers) > len(cores):
        parser.error(f"there are {len(cores)} cores: each worker is to have one of its own")
    prices = (arguments.price_per_core_hour, arguments.price_per_gib_hour)
    with tempfile.TemporaryDirectory() as temporary:
        videos = Path(temporary) / "videos"
        videos.mkdir()
        make_videos(videos, arguments.videos, arguments.seconds, arguments.height)
        runs = [
            run_batch(videos, Path(temporary) / f"out{workers}", workers, cores)
            for workers in arguments.workers
        ]
    media_s = runs[0].media_s
    print(f"{len(runs[0].video_s)} videos of {arguments.seconds:g} s, {arguments.height} lines")
    console = Console()
    show_throughput(runs, media_s, console)
    show_stages(runs, media_s, console)
    show_cost(runs, media_s, prices)


if __name__ == "__main__":
    main()
