"""Speed and memory of a cache of a million entries, and many processes at one cache.

    python benchmarks/cache.py                        a million tiny entries: info, ls, prune, ...
    python benchmarks/cache.py --entries 100000
    python benchmarks/cache.py --hammer 5000          8 processes read and write while one spoils

Every look at the cache is a fresh ``affect-pipe cache`` process, start-up included. The folder is
made below the temporary one (TMPDIR) and removed; a million entries take a million inodes and 4 GB.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np

from affect_pipe.pipeline.cache import Cache
from affect_pipe.pipeline.fingerprint import digest_json

TESTS = Path(__file__).resolve().parents[1] / "tests" / "pipeline"
# As a run leaves them behind.
STAGES = (
    *("speech", "voice-activity", "face-tracks", "fusion"),
    *("features-text", "features-acoustic", "features-visual"),
)


def fill(job: tuple[str, int, int]) -> None:
    """Put entries ``start`` to ``stop``, one small array each."""
    root, start, stop = job
    # A flush to the disk for each of a million would take hours and is not what is measured.
    os.fsync = lambda _: None
    cache = Cache(root)
    for i in range(start, stop):
        values = np.full(8, i, np.float32)
        cache.put(
            digest_json(i),
            STAGES[i % len(STAGES)],
            {"values": values},
            {"stage_warnings": []},
            media_digest=digest_json(i // len(STAGES)),
        )


def look(root: str, *arguments: str) -> None:
    """Run one ``affect-pipe cache`` action and print seconds, peak memory, its last line."""
    command = [sys.executable, "-m", "affect_pipe.cli", "cache", *arguments, "--cache-dir", root]
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    last = ""
    for line in child.stdout:
        last = line
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    name = " ".join(arguments)
    print(
        f"{name:28s}{seconds:8.2f} s {usage.ru_maxrss / 1024:7.0f} MiB   {last.strip()[:60]}",
        flush=True,
    )


def a_million(n_entries: int, n_makers: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = str(Path(folder) / "cache")
        edges = np.linspace(0, n_entries, 4 * n_makers + 1).astype(int).tolist()
        with ProcessPoolExecutor(n_makers) as pool:
            jobs = [(root, a, b) for a, b in pairwise(edges)]
            start = time.perf_counter()
            for _ in pool.map(fill, jobs):
                pass
        print(f"{n_entries} entries made in {time.perf_counter() - start:.1f} s", flush=True)
        cache = Cache(root)
        some = random.Random(0).sample(range(n_entries), min(2000, n_entries))
        found = [(digest_json(i), STAGES[i % len(STAGES)]) for i in some]
        for what, wanted in (
            ("found", found),
            ("found, again", found),
            ("found by key alone", [(key, "") for key, _ in found]),
            ("not found", [(digest_json(-1 - i), STAGES[0]) for i in some]),
        ):
            start = time.perf_counter()
            for key, stage in wanted:
                cache.get(key, stage)
            seconds = time.perf_counter() - start
            print(f"get, {what:23s}{1e6 * seconds / len(some):8.0f} us each", flush=True)
        look(root, "info")
        look(root, "ls")
        n_bytes = Cache(root).info().n_bytes
        look(root, "prune", "--max-size", str(n_bytes))
        look(root, "verify")
        look(root, "verify", "--workers", "2")
        look(root, "prune", "--max-size", str(n_bytes // 2))
        look(root, "clear")


def hammer_one(rounds: int) -> None:
    sys.path.insert(0, str(TESTS))
    import test_cache_processes

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = test_cache_processes.hammer(Path(folder), rounds)
        seconds = time.perf_counter() - start
    n_read, n_missed, n_spoiled = (sum(column) for column in zip(*done, strict=True))
    print(
        f"{len(done)} processes, {rounds} rounds each, {seconds:.0f} s: {n_spoiled} entries "
        f"spoiled, {n_read} right reads, {n_missed} computed again, 0 wrong, 0 lost, verify clean"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--makers", type=int, default=2, help="processes that fill the cache")
    parser.add_argument("--hammer", type=int, metavar="N", help="N rounds of 8 processes instead")
    arguments = parser.parse_args()
    if arguments.hammer:
        return hammer_one(arguments.hammer)
    a_million(arguments.entries, arguments.makers)


if __name__ == "__main__":
    main()
