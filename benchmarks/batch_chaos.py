"""A batch that is killed again and again, against one that is left alone.

    python benchmarks/batch_chaos.py                        200 videos, 20 kills
    python benchmarks/batch_chaos.py --videos 20 --kills 5

Videos differ in codec, container, length and size; every tenth is defective. The killed batch, with
a cache of its own, must report exactly the defective ones and end with the bytes of the other, but
for ``timings_s``; no process may outlive a kill.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import imageio_ffmpeg
import psutil

SAMPLE = Path(__file__).parents[1] / "samples" / "talking.mp4"
SAMPLE_S = 36.0
KINDS = (
    ("mp4", ("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac")),
    ("mkv", ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus")),
    ("avi", ("-c:v", "mpeg4", "-c:a", "libmp3lame")),
    ("webm", ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libvorbis")),
    ("mov", ("-c:v", "mjpeg", "-c:a", "pcm_s16le")),
    ("ts", ("-c:v", "mpeg2video", "-c:a", "mp2")),
    ("mp4", ("-c:v", "libx264", "-preset", "ultrafast", "-an")),
    ("wav", ("-vn", "-c:a", "pcm_s16le")),
)
DEFECTS = ("cut", "empty", "text", "garbage")


def make_videos(folder: Path, count: int, chance: random.Random) -> set[str]:
    """Write the videos and their subtitles; return the names of the defective ones."""
    binary, defective = imageio_ffmpeg.get_ffmpeg_exe(), set()
    for number in range(count):
        suffix, codec = KINDS[number % len(KINDS)]
        path = folder / f"day{number % 7}" / f"v{number:04d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        length_s, width = chance.uniform(1.0, 4.0), chance.choice((96, 160, 240))
        start_s = chance.uniform(0.0, SAMPLE_S - length_s)
        picture = () if suffix == "wav" else ("-vf", f"scale={width}:-2,fps=6")
        command = (binary, "-loglevel", "error", "-nostdin", "-y", "-ss", start_s, "-t", length_s)
        line = [*map(str, (*command, "-i", SAMPLE, *picture)), *codec, str(path)]
        subprocess.run(line, check=True)
        cue = (
            f"1\n00:00:00,100 --> 00:00:00,{chance.randrange(500, 999)}\nThis is number {number}.\n"
        )
        path.with_suffix(".srt").write_text(cue, encoding="utf-8")
        if number % 10 == 9:
            spoil(path, DEFECTS[number // 10 % len(DEFECTS)], chance)
            defective.add(str(path.relative_to(folder).with_suffix("")))
    return defective


def spoil(path: Path, how: str, chance: random.Random) -> None:
    data = path.read_bytes()
    wrong = {
        "cut": data[:40],
        "empty": b"",
        "text": b"not a video, but a note about one\n" * 50,
        "garbage": chance.randbytes(4000),
    }
    path.write_bytes(wrong[how])


def start(videos: Path, out: Path, cache: Path, workers: int) -> psutil.Popen:
    line = [sys.executable, "-m", "affect_pipe.cli", "batch", str(videos), "--out", str(out)]
    line += ["--cache-dir", str(cache), "--workers", str(workers), "--progress", "none"]
    return psutil.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(run: psutil.Popen) -> None:
    _, told = run.communicate()
    if run.returncode not in (0, 1) or b"Traceback" in told:
        raise SystemExit(f"the batch ended with {run.returncode}:\n{told.decode()}")


def contents(out: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and not path.name.startswith((".", "batch.jsonl")):
            data = path.read_bytes()
            if path.name.endswith(".affect.json"):
                lines = data.split(b"\n")
                data = b"\n".join(line for line in lines if b'"timings_s"' not in line)
            found[str(path.relative_to(out))] = data
    return found


def reported(out: Path) -> set[str]:
    """Return what the ledger says has failed for good."""
    lines = map(json.loads, (out / "batch.jsonl").read_text("ascii").splitlines())
    return {line["target"] for line in lines if line["event"] == "failed" and line["final"]}


def n_done(out: Path) -> int:
    ledger = out / "batch.jsonl"
    return ledger.read_bytes().count(b'"event": "done"') if ledger.exists() else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    root = Path(tempfile.mkdtemp(dir=arguments.folder))
    videos = root / "videos"
    defective = make_videos(videos, arguments.videos, chance)
    print(f"{arguments.videos} videos, {len(defective)} of them defective", flush=True)

    begun = time.perf_counter()
    finish(start(videos, root / "alone", root / "cache1", arguments.workers))
    alone_s = time.perf_counter() - begun
    print(f"left alone: {alone_s:.0f} s", flush=True)
    if reported(root / "alone") != defective:
        raise SystemExit(f"reported {sorted(reported(root / 'alone') ^ defective)} wrongly")

    begun, survivors = time.perf_counter(), 0
    for number in range(arguments.kills):
        run = start(videos, root / "killed", root / "cache2", arguments.workers)
        # After a random number of further videos and a random moment: some kills come while
        # workers start, most in the middle of a video, and the whole is not done before the last.
        goal = n_done(root / "killed") + chance.randint(0, int(arguments.videos / arguments.kills))
        launched = time.monotonic()
        while n_done(root / "killed") < goal and run.poll() is None:
            time.sleep(0.05)
        time.sleep(chance.uniform(0.0, 1.5))
        ended = run.poll() is not None
        family = run.children(recursive=True) if not ended else []
        if not ended:
            run.kill()
        run.communicate()
        _, alive = psutil.wait_procs(family, timeout=20)
        survivors += len(alive)
        state = "had ended" if ended else f"killed after {time.monotonic() - launched:.1f} s"
        print(f"kill {number + 1}: {state}, {n_done(root / 'killed')} done", flush=True)
    finish(start(videos, root / "killed", root / "cache2", arguments.workers))
    print(f"killed {arguments.kills} times: {time.perf_counter() - begun:.0f} s", flush=True)

    expected, found = contents(root / "alone"), contents(root / "killed")
    different = sorted(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
    print(f"{len(expected)} files, {len(different)} different, {survivors} processes left behind")
    if different or survivors or reported(root / "killed") != defective:
        raise SystemExit(f"not the same: {different[:5]}; see {root}")
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
