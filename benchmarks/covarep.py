"""The COVAREP columns against reference files of the original, and how fast they are made.

python benchmarks/covarep.py [--data DIR]

The folder holds pairs of NAME.wav (16 kHz) and NAME.csv (74 columns, one row per 10 ms), and may
hold ceiling.csv, the original's agreement with itself under tiny noise.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path

# One thread, set before the libraries read it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.io import wavfile

from affect_pipe.extractors.acoustic.covarep.analysis import analyse
from affect_pipe.extractors.acoustic.covarep.columns import COLUMNS
from affect_pipe.extractors.acoustic.covarep.compare import Agreement, compare

SAMPLE_RATE_HZ = 16_000
# Least median over recordings that is held good enough; the other columns have no bound.
WANTED = {
    **dict.fromkeys(("F0", "VUV", "peakSlope", *(f"MCEP_{k}" for k in range(25))), 0.95),
    **dict.fromkeys(("NAQ", "QOQ", "H1H2", "Rd_conf", *(f"HMPDD_{k}" for k in range(13))), 0.85),
    **dict.fromkeys(("PSP", "MDQ", "Rd"), 0.80),
    **dict.fromkeys([f"HMPDM_{k}" for k in range(9, 24)], 0.70),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(os.environ.get("AFFECT_PIPE_DATA", "../shared/data")) / "covarep"
    arguments.add_argument("--data", type=Path, default=default, help="folder of the pairs")
    folder = arguments.parse_args().data
    pairs = [(w, w.with_suffix(".csv")) for w in sorted(folder.glob("*.wav"))]
    pairs = [(sound, table) for sound, table in pairs if table.is_file()]
    if not pairs:
        raise SystemExit(f"no pairs of NAME.wav and NAME.csv in {folder}")
    results, wall_s, cpu_s, sound_s = [], 0.0, 0.0, 0.0
    analyse(read_sound(pairs[0][0]))  # Tables that are made once.
    for sound, table in pairs:
        samples = read_sound(sound)
        begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
        matrix = analyse(samples, raw=True)
        wall_s += time.perf_counter() - begin_s
        cpu_s += time.process_time() - begin_cpu_s
        sound_s += len(samples) / SAMPLE_RATE_HZ
        reference = np.loadtxt(table, delimiter=",", skiprows=1, ndmin=2)
        results.append(compare(reference, matrix.values))
    report(results, read_ceiling(folder / "ceiling.csv"))
    print(
        f"\n{len(pairs)} recordings, {sound_s:.1f} s of sound: {wall_s / sound_s:.3f} x real time "
        f"({cpu_s / sound_s:.3f} x of processor time) on one thread"
    )


def read_sound(path: Path) -> np.ndarray:
    """Read samples, full scale 1."""
    rate_hz, samples = wavfile.read(path)
    if rate_hz != SAMPLE_RATE_HZ or samples.dtype != np.int16 or samples.ndim != 1:
        raise SystemExit(f"{path}: expected 16-bit mono sound at {SAMPLE_RATE_HZ} Hz")
    return samples / 32768.0


def read_ceiling(path: Path) -> dict[str, float]:
    """Read how well the original agrees with itself under noise; empty without a file."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8") as lines:
        rows = {row["column"]: row for row in csv.DictReader(lines)}
    kind = {name: "pert1e-5_all" if name == "VUV" else "pert1e-5_voiced" for name in rows}
    return {name: float(row[kind[name]]) for name, row in rows.items()}


def report(results: list[dict[str, Agreement]], ceiling: dict[str, float]) -> None:
    """Print one line per column."""
    print("column     measure      median   lowest  ceiling  wanted  left out")
    for column in COLUMNS:
        found = [result[column.name] for result in results]
        values = np.array([f.value for f in found])
        values = values[~np.isnan(values)]
        if found[0].measure == "largest":
            middle, worst, verdict = values.max(), values.max(), "= 0"
        else:
            middle = np.median(values) if len(values) else np.nan
            worst = values.min() if len(values) else np.nan
            bound = WANTED.get(column.name)
            verdict = "" if bound is None else f"{bound:.2f}"
            if bound is not None and not middle >= bound:
                verdict += " SHORT"
        if not column.comparable:
            verdict = "not comparable: another detector"
        print(
            f"{column.name:10s} {found[0].measure:11s} {middle:7.4f}  {worst:7.4f}  "
            f"{ceiling.get(column.name, np.nan):7.4f}  {verdict:7s} "
            f"{sum(f.left_out for f in found) or ''}"
        )
    print("\nMedian and lowest over recordings, voiced rows; VUV and zeros over all rows.")
    print("Left out: voiced rows over all recordings whose reference is an outlier or infinite.")


if __name__ == "__main__":
    main()
