"""A table of word vectors as large as the large releases: converting it, and looking words up.

python benchmarks/glove.py [--gigabytes 2] [--columns 300] [--folder FOLDER]

The table is made of random numbers as GloVe writes them. The conversion runs in a process of its
own, so that its peak memory is its own: the highest resident set the system saw, shared libraries
and mapped files included.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TABLE = "random"
_ROWS = 5000


def write_source(path: Path, n_bytes: int, n_columns: int) -> int:
    """Write lines of a word and numbers until there are ``n_bytes``; return how many."""
    random = np.random.default_rng(0)
    numbers = [
        " ".join(f"{value:.5g}" for value in row)
        for row in random.normal(0, 0.4, (_ROWS, n_columns))
    ]
    n_lines = 0
    with path.open("w", encoding="ascii") as file:
        while file.tell() < n_bytes:
            file.writelines(f"word{n_lines + i} {row}\n" for i, row in enumerate(numbers))
            n_lines += _ROWS
    return n_lines


def measure(folder: Path, n_words: int) -> None:
    """Convert the table of a folder and look words up; print both times and the peak memory."""
    import resource

    from affect_pipe.extractors.text.glove.extractor import GloVe

    glove = GloVe(TABLE, folder=folder)
    begin_s = time.perf_counter()
    dim = glove.spec().dim
    print(f"{'digest of the source':34}{time.perf_counter() - begin_s:8.1f} s", flush=True)
    begin_s = time.perf_counter()
    table = glove.table
    print(f"{'conversion':34}{time.perf_counter() - begin_s:8.1f} s")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"{'peak memory to here':34}{peak_mb:8.0f} MB ({len(table)} words, {dim} columns)")
    kept_mb = table.path.stat().st_size / 1e6
    print(f"{'kept table':34}{kept_mb:8.0f} MB")
    begin_s = time.perf_counter()
    GloVe(TABLE, folder=folder).table.find(["word1"])
    print(f"{'opening it again':34}{1000 * (time.perf_counter() - begin_s):8.1f} ms")
    random = np.random.default_rng(1)
    words = [f"word{i}" for i in random.integers(0, 2 * n_words, 20_000)]
    begin_s = time.perf_counter()
    rows = table.find(words)
    table.vectors(rows[rows >= 0])
    took_s = time.perf_counter() - begin_s
    print(f"{'look-up, half of it in the table':34}{len(words) / took_s:8.0f} words/s")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--gigabytes", type=float, default=2.0, help="size of the text")
    arguments.add_argument("--columns", type=int, default=300, help="numbers a line")
    arguments.add_argument("--folder", type=Path, help="where files go; removed at the end")
    arguments.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.measure is not None:
        measure(chosen.folder, chosen.measure)
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        (folder / "source").mkdir()
        source = folder / "source" / f"{TABLE}.txt"
        begin_s = time.perf_counter()
        n_words = write_source(source, int(chosen.gigabytes * 1e9), chosen.columns)
        size_gb = source.stat().st_size / 1e9
        print(f"{f'{size_gb:.2f} GB of text, made in':34}{time.perf_counter() - begin_s:8.1f} s")
        command = [sys.executable, __file__, "--measure", str(n_words)]
        subprocess.run(
            [*command, "--folder", str(source.parent)],
            env={**os.environ, "AFFECT_PIPE_MODELS": str(folder / "store")},
            check=True,
        )


if __name__ == "__main__":
    main()
