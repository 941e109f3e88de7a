"""How often the speaking face is told from another: clips of single talkers, recombined.

    python benchmarks/speaking_face.py TALKER... [--quiet CLIP...]

Every talker's mouth is compared, a window at a time, with mouths that do not make the sound: of
the other talkers, of the same talker at other times (a second away at least) and backwards, and of
the quiet clips, whose faces may do anything but talk. Prints the share of right choices before the
larger face breaks ties, and among those that are not doubtful.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from affect_pipe.extractors.visual.follow import FaceTracks
from affect_pipe.extractors.visual.speaker import Candidate, evidence
from affect_pipe.pipeline.frames import iter_frames
from affect_pipe.pipeline.interfaces import Arrays
from affect_pipe.pipeline.media import probe, read_audio
from affect_pipe.pipeline.records import Audio
from affect_pipe.pipeline.results.speaking_face import DOUBTFUL

RATES_HZ, WINDOWS_S = (6.0, 10.0), (2.0, 4.0)
LONGEST_S = 14.0
KINDS = ("quiet", "other talker", "same, other time", "same, backwards")

Mouth = npt.NDArray[np.float32]


def mouths(path: Path, rate_hz: float) -> Arrays:
    """Return the only face of the first seconds of a clip."""
    media = probe(path)
    arrays = FaceTracks(rate_hz).analyse(iter_frames(media, rate_hz), media)
    wanted = (arrays["track"] == 0) & (arrays["time_s"] <= LONGEST_S)
    return {name: arrays[name][wanted] for name in ("time_s", "mouth")}


def decoys(
    name: Path, start_s: float, own: npt.NDArray[np.bool_], talkers: dict[Path, Arrays],
    quiet: dict[Path, Arrays],
) -> Iterator[tuple[str, Mouth]]:  # fmt: skip
    """Yield mouths that do not make the sound, as long as the talker's."""
    n = int(own.sum())
    for clip in quiet.values():
        for k in range(0, len(clip["mouth"]) - n, n):
            yield KINDS[0], clip["mouth"][k : k + n]
    for other, clip in talkers.items():
        step = n // 3 if other == name else n // 2
        for k in range(0, len(clip["mouth"]) - n, step):
            if other != name:
                yield KINDS[1], clip["mouth"][k : k + n]
            elif abs(clip["time_s"][k] - start_s) >= 1.0:
                yield KINDS[2], clip["mouth"][k : k + n]
    yield KINDS[3], talkers[name]["mouth"][own][::-1]


def shares(
    talkers: dict[Path, Arrays], quiet: dict[Path, Arrays], sounds: dict[Path, Audio],
    rate_hz: float, window_s: float,
) -> dict[str, list[float]]:  # fmt: skip
    """Return the talker's share of the evidence against each decoy."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for name, clip in talkers.items():
        time_s = clip["time_s"]
        for start_s in np.arange(0.0, time_s[-1] - window_s + 0.01, 1.0):
            own = (time_s >= start_s) & (time_s < start_s + window_s)

            def sign(mouth: Mouth, times: npt.NDArray[np.float64] = time_s[own]) -> float:
                face = Candidate(0, times[: len(mouth)], mouth, 1.0)
                return evidence(face, sounds[name], 1.0 / rate_hz)  # noqa: B023 - called at once

            talks = sign(clip["mouth"][own])
            for kind, mouth in decoys(name, float(start_s), own, talkers, quiet):
                total = talks + sign(mouth)
                found[kind].append(talks / total if total > 0 else 0.5)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("talkers", type=Path, nargs="+")
    parser.add_argument("--quiet", type=Path, nargs="*", default=[])
    given = parser.parse_args()
    sounds: dict[Path, Audio] = {}
    for path in given.talkers:
        sound = read_audio(probe(path))
        if sound is None:
            parser.error(f"{path} has no sound.")
        sounds[path] = sound
    print("rate  window  mouth             pairs  right  not doubtful: share, right")
    for rate_hz in RATES_HZ:
        talkers = {path: mouths(path, rate_hz) for path in given.talkers}
        quiet = {path: mouths(path, rate_hz) for path in given.quiet}
        for window_s in WINDOWS_S:
            for kind, found in shares(talkers, quiet, sounds, rate_hz, window_s).items():
                share = np.array(found)
                sure = np.maximum(share, 1 - share) >= DOUBTFUL
                if len(share):
                    right = float((share[sure] > 0.5).mean()) if sure.any() else float("nan")
                    print(
                        f"{rate_hz:4g}  {window_s:6g}  {kind:16s}  {len(share):5d}  "
                        f"{(share > 0.5).mean():5.2f}  {sure.mean():19.2f}  {right:5.2f}"
                    )


if __name__ == "__main__":
    main()
