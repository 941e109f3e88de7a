"""Runs cases in worker processes of their own, and judges what came of them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from fuzz_corpus import GOOD_SRT, Case

WORKER = Path(__file__).with_name("fuzz_worker.py")
SAMPLE = Path(__file__).parents[2] / "samples" / "talking.mp4"
_POLL_S = 0.05
# What a good case takes, models included, is 0.9 GiB.
MEMORY_BYTES = 2 * 2**30
_SMALL = ("-vf", "scale=160:120", "-r", "10")
_H264 = (*_SMALL, "-c:v", "libx264", "-preset", "ultrafast", "-threads", "1")
RECORDINGS = {
    ".mp4": (*_H264, "-c:a", "aac"),
    ".mov": (*_H264, "-c:a", "aac"),
    # Clusters short enough that one may be moved hours away from the others.
    ".mkv": (*_H264, "-c:a", "flac", "-cluster_time_limit", "300"),
    ".webm": (
        *_SMALL,
        "-c:v",
        "libvpx",
        "-cpu-used",
        "8",
        "-c:a",
        "libopus",
        "-cluster_time_limit",
        "300",
    ),
    ".avi": (*_SMALL, "-c:v", "mpeg4", "-c:a", "mp3"),
    ".ts": (*_H264, "-c:a", "aac"),
    ".flv": (*_H264, "-c:a", "aac"),
    ".mpg": ("-vf", "scale=160:120", "-r", "25", "-c:v", "mpeg2video", "-c:a", "mp2"),
    ".wav": ("-vn", "-c:a", "pcm_s16le"),
    ".mp3": ("-vn",),
    ".m4a": ("-vn", "-c:a", "aac"),
    ".ogg": ("-vn", "-c:a", "libvorbis"),
    ".flac": ("-vn",),
}


def good_media(ffmpeg: Callable[..., None], folder: Path) -> dict[str, bytes]:
    """Make a second and a half of the sample in many formats; the same bytes every time."""
    made = {}
    for suffix, options in RECORDINGS.items():
        path = folder / f"good{suffix}"
        ffmpeg(
            *("-ss", "1", "-t", "1.5", "-i", SAMPLE, *options),
            *("-ar", "44100" if suffix in (".flv", ".avi", ".mp3", ".mpg") else "48000", "-ac", 1),
            *("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact"),
            *("-flags:a", "+bitexact", path),
        )
        made[suffix] = path.read_bytes()
    return made


@dataclass(frozen=True)
class Outcome:
    """What came of one case; ``defects`` is empty where all was as it should be."""

    what: str
    code: int | None
    seconds: float
    peak_bytes: int
    said: str
    defects: tuple[str, ...] = ()


@dataclass
class Sandbox:
    """A folder that holds everything a worker may touch, and folders that it may not."""

    folder: Path
    timeout_s: float = 60.0
    memory_bytes: int = MEMORY_BYTES
    _worker: subprocess.Popen[str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("home", "tmp", "work", "out", "cache", "case"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def warm_up(self, media: Mapping[str, bytes]) -> Outcome:
        """Run a good recording, so that no case pays for loading the models.

        Libraries make themselves at home meanwhile: matplotlib, which MediaPipe imports, lists the
        fonts in the user's cache folder, and a look at the processor runs lscpu.
        """
        files = {"case.mp4": media[".mp4"], "case.srt": GOOD_SRT.encode()}
        timeout_s, self.timeout_s = self.timeout_s, 300.0
        try:
            return self.run(Case("nothing", "case.mp4", files))
        finally:
            self.timeout_s = timeout_s

    def run(self, case: Case) -> Outcome:
        """Run one case and judge it."""
        self._empty("case")
        for name, data in case.files.items():
            (self.folder / "case" / name).write_bytes(data)
        before = self._untouchable()
        start = time.perf_counter()
        answer, peak_bytes, fate = self._ask(case)
        seconds = time.perf_counter() - start
        defects = [fate] if fate else []
        defects += _judge(answer, self.folder / "out") if answer else []
        after = self._untouchable()
        changed = {name for name, state in after.items() if before.get(name) != state}
        defects += [f"touched {name}" for name in sorted(changed | (before.keys() - after.keys()))]
        self._empty("out")
        return Outcome(
            case.what,
            answer.get("code"),
            float(answer.get("seconds", seconds)),
            peak_bytes,
            str(answer.get("stderr", "")),
            tuple(defects),
        )

    def close(self) -> tuple[str, ...]:
        """End the worker and return what it left in the temporary folder."""
        if self._worker is not None:
            assert self._worker.stdin is not None
            self._worker.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._worker.wait(20)
            self._kill()
        # PyTorch's compiler makes itself a folder when it is imported.
        known = ("stderr", "torchinductor_")
        left = (path.name for path in (self.folder / "tmp").iterdir())
        return tuple(sorted(name for name in left if not name.startswith(known)))

    def _ask(self, case: Case) -> tuple[dict[str, object], int, str]:
        """Return the worker's answer, its peak memory, and what became of it if none came."""
        worker = self._started()
        assert worker.stdin is not None
        assert worker.stdout is not None
        print(
            json.dumps([str(self.folder / "case"), case.media_name]), file=worker.stdin, flush=True
        )
        peak_bytes, limit = 0, time.monotonic() + self.timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(worker.stdout, selectors.EVENT_READ)
            while not selector.select(_POLL_S):
                peak_bytes = max(peak_bytes, memory_of_tree(worker.pid))
                fate = ""
                if peak_bytes > self.memory_bytes:
                    fate = f"took {peak_bytes / 2**20:.0f} MiB"
                elif time.monotonic() > limit:
                    fate = f"hung for {self.timeout_s:g} s"
                if fate:
                    self._kill()
                    return {}, peak_bytes, fate
        line = worker.stdout.readline()
        if line:
            return json.loads(line), max(peak_bytes, memory_of_tree(worker.pid)), ""
        code = worker.wait()
        said = (self.folder / "tmp" / "stderr").read_text("utf-8", "replace")[-2000:]
        self._kill()
        return {}, peak_bytes, f"the process died with status {code}: {said}"

    def _started(self) -> subprocess.Popen[str]:
        if self._worker is None:
            environment = {
                **os.environ,
                "HOME": str(self.folder / "home"),
                "TMPDIR": str(self.folder / "tmp"),
                "PYTHONDONTWRITEBYTECODE": "1",
            }
            if environment.get("PYTHONPATH"):
                # The worker has another working folder.
                folders = environment["PYTHONPATH"].split(os.pathsep)
                environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, folders))
            self._worker = subprocess.Popen(
                [sys.executable, str(WORKER), str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=self.folder / "work",
                env=environment,
                text=True,
            )
        return self._worker

    def _kill(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            for member in psutil.Process(worker.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
        worker.kill()
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _empty(self, name: str) -> None:
        for path in (self.folder / name).iterdir():
            path.unlink()

    def _untouchable(self) -> dict[str, tuple[int, int]]:
        """Return the files that no run may make, change or remove, and their states."""
        found = {}
        for name in ("home", "work", "case", ""):
            walk = (self.folder / name).rglob("*") if name else self.folder.glob("*")
            for path in walk:
                status = path.lstat()
                is_file = not path.is_dir()
                found[str(path)] = (
                    status.st_size if is_file else 0,
                    status.st_mtime_ns if is_file else 0,
                )
        return found


def memory_of_tree(pid: int) -> int:
    """Bytes resident in a process and its children; pages they share count once for each."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += member.memory_info().rss
    return total


def _judge(answer: dict[str, object], out: Path) -> list[str]:
    """Return what is wrong with how a run ended."""
    said, code = str(answer["stderr"]), answer["code"]
    defects = [f"{seen}" for seen in answer["seen"]]  # type: ignore[attr-defined]
    if "Traceback" in said or "unexpected " in said:
        defects.append(f"not told in a sentence: {said[-1500:]}")
    written = sorted(path.name for path in out.iterdir())
    if code == 0:
        if written != ["case.affect.csv", "case.affect.json"]:
            defects.append(f"wrote {written}")
        else:
            text = (out / "case.affect.json").read_text(encoding="utf-8")
            json.loads(text, parse_constant=lambda name: defects.append(f"{name} in the result"))
    elif code in (1, 2):
        sentences = [line for line in said.splitlines() if line.startswith("affect-pipe: ")]
        if len(sentences) != 1:
            defects.append(f"{len(sentences)} sentences: {said[-500:]}")
        if written:
            defects.append(f"failed and wrote {written}")
    else:
        defects.append(f"exit code {code}")
    return defects


def percentile(values: list[float], share: float) -> float:
    """Return the value below which ``share`` of them lie."""
    return sorted(values)[min(len(values) - 1, math.floor(share * len(values)))]
