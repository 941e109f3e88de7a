"""How fast frames and audio come out of a video with nothing done to them: the floor of a run.

python benchmarks/decode.py [--seconds 60] [--rate 10] [--max-side 640] [--video FILE]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
from media_maker import make_talking_video

from affect_pipe.pipeline.media import iter_frames, probe, read_audio


def bare_decode(path: Path) -> int:
    """Decode every frame and touch none: FFmpeg's own speed, and the bound on ours."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return sum(1 for _ in container.decode(stream))


def timed(work: Callable[[], int], repeats: int = 3) -> tuple[float, int]:
    """Return the best of a few times, in seconds, and what the work counted."""
    times_s = []
    for _ in range(repeats):
        begin_s = time.perf_counter()
        count = work()
        times_s.append(time.perf_counter() - begin_s)
    return min(times_s), count


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=60.0, help="length of the made video")
    arguments.add_argument("--rate", type=float, default=10.0, help="sampled frames per second")
    arguments.add_argument("--max-side", type=int, default=640, help="longest side in pixels")
    arguments.add_argument("--video", type=Path, help="measure this file instead")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = chosen.video
        if path is None:
            path, _ = make_talking_video(Path(folder) / "talking.mp4", chosen.seconds)
        report(path, chosen.rate, chosen.max_side)


def report(path: Path, rate_hz: float, max_side_px: int) -> None:
    """Print the table."""
    media = probe(path)
    assert media.video is not None
    print(
        f"{media.video.codec} {media.video.width_px} x {media.video.height_px}, "
        f"{media.duration_s:.0f} s, {path.stat().st_size / 1e6:.1f} MB, {os.cpu_count()} cores"
    )
    probe_s, _ = timed(lambda: len(probe(path).digest))
    print(f"{'probe and digest':32}{probe_s:8.2f} s")
    bare_s, n_frames = timed(lambda: bare_decode(path))
    print(f"{'decode alone':32}{bare_s:8.2f} s{n_frames / bare_s:8.0f} frames/s")
    label = f"decode, sample {rate_hz:g} Hz, {max_side_px} px"
    sampled_s, n_kept = timed(
        lambda: sum(1 for _ in iter_frames(media, rate_hz, max_side_px=max_side_px))
    )
    print(f"{label:32}{sampled_s:8.2f} s{n_frames / sampled_s:8.0f} frames/s, {n_kept} kept")
    if media.audio is not None:
        audio_s, n_samples = timed(lambda: len(read_audio(media).samples))
        print(f"{'audio to 16 kHz mono':32}{audio_s:8.2f} s{n_samples / 16000 / audio_s:8.0f} x")


if __name__ == "__main__":
    main()
