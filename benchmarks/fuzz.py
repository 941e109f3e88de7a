"""500 broken recordings and transcripts through ``affect-pipe run``.

    python benchmarks/fuzz.py
    python benchmarks/fuzz.py --start 100 --cases 50 --keep DIR   keeps the files of defects

Each case runs in a process that is watched: a limit on time, one on memory (its children and its
address space included), what it writes where, whether it reaches for the network. Exits with 1
where a case had a defect.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "fuzz"))

from fuzz_corpus import Case, make_case
from fuzz_runner import Outcome, Sandbox, good_media, percentile

from affect_pipe.pipeline.ffmpeg import ffmpeg_binary


def ffmpeg(*arguments: object) -> None:
    command = [ffmpeg_binary(), "-loglevel", "error", "-nostdin", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


def keep(case: Case, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in case.files.items():
        (folder / name).write_bytes(data)


def summarise(outcomes: list[Outcome], seconds: float) -> None:
    codes = Counter(outcome.code for outcome in outcomes)
    took = [outcome.seconds for outcome in outcomes]
    peak = max(outcome.peak_bytes for outcome in outcomes)
    print(
        f"{len(outcomes)} cases in {seconds:.0f} s: {codes[0]} analysed, {codes[1] + codes[2]} "
        f"refused in one sentence, {sum(bool(o.defects) for o in outcomes)} with defects"
    )
    print(
        f"a case: median {percentile(took, 0.5):.2f} s, 95 % below {percentile(took, 0.95):.2f} s, "
        f"longest {max(took):.1f} s; peak memory {peak / 2**20:.0f} MiB"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--start", type=int, default=0, help="number of the first case")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="S")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the files of defects here")
    arguments = parser.parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        media = good_media(ffmpeg, Path(folder))
        sandbox = Sandbox(Path(folder) / "sandbox", timeout_s=arguments.timeout)
        first = sandbox.warm_up(media)
        print(f"a good recording: {first}", flush=True)
        start = time.perf_counter()
        for number in range(arguments.start, arguments.start + arguments.cases):
            case = make_case(number, media)
            outcome = sandbox.run(case)
            outcomes.append(outcome)
            if outcome.defects or outcome.seconds > arguments.timeout / 4:
                print(f"{number:4d} {outcome}", flush=True)
            if outcome.defects and arguments.keep:
                keep(case, arguments.keep / str(number))
        left = sandbox.close()
        summarise(outcomes, time.perf_counter() - start)
        print(f"left in the temporary folder: {', '.join(left) or 'nothing'}")
    return int(any(outcome.defects for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
