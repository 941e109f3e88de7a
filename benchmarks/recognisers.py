"""Word error rate and speed of the recognisers on speech whose words are known.

``python benchmarks/recognisers.py --data ../shared/data [--asr moonshine --asr pocketsphinx]``

RAVDESS: actors 15 to 18, two sentences, acted emotions. Sample: its synthesised voice against its
subtitles. Words are compared in lower case without punctuation; speed is CPU seconds per second of
media on one thread (OMP_NUM_THREADS=1), loading included, voice activity not.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from affect_pipe.extractors.speech.recognisers import choose
from affect_pipe.extractors.speech.transcript import read_transcript
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.pipeline.media import probe, read_audio

SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
JFK = (
    "And so my fellow Americans, ask not what your country can do for you, "
    "ask what you can do for your country."
)
SAMPLES = Path(__file__).resolve().parent.parent / "samples"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--asr", action="append", help="default: moonshine, pocketsphinx")
    options = parser.parse_args()
    sets = {
        "RAVDESS 15-18": list(_ravdess(options.data)),
        "samples/talking.mp4": [(SAMPLES / "talking.mp4", _subtitles(SAMPLES / "talking.srt"))],
        "jfk.flac": [(options.data.parent / "media" / "jfk.flac", JFK)],
    }
    for asr in options.asr or ["moonshine", "pocketsphinx"]:
        for name, items in sets.items():
            print(f"{asr:14} {name:20} {_measure(asr, items)}", flush=True)


def _ravdess(data: Path) -> Iterator[tuple[Path, str]]:
    for actor in range(15, 19):
        for path in sorted((data / "ravdess" / f"Actor_{actor:02}").glob("*.flac")):
            yield path, SENTENCES[path.stem.split("-")[4]]


def _subtitles(path: Path) -> str:
    return " ".join(segment.text for segment in read_transcript(path).segments)


def _measure(asr: str, items: list[tuple[Path, str]]) -> str:
    detector = SileroVAD()
    wrong = n_words = 0
    media_s = cpu_s = 0.0
    for path, said in items:
        media = probe(path)
        audio = read_audio(media)
        source = SimpleNamespace(media=media, audio=audio, voice_activity=detector.detect(audio))
        before = time.process_time()
        transcript = choose(asr, media_path=path).transcribe(source)
        cpu_s += time.process_time() - before
        media_s += media.duration_s
        reference = _words(said)
        wrong += _distance(reference, _words(" ".join(w.text for w in transcript.words)))
        n_words += len(reference)
    return (
        f"word error rate {wrong / n_words:.3f} ({wrong} of {n_words}), "
        f"{cpu_s / media_s:.3f} x real time"
    )


def _words(text: str) -> list[str]:
    return re.sub(r"[^a-z' ]+", " ", text.lower()).split()


def _distance(reference: list[str], heard: list[str]) -> int:
    """Substitutions, deletions and insertions (Levenshtein)."""
    row = np.arange(len(heard) + 1)
    for i, word in enumerate(reference, start=1):
        above, row = row, np.full(len(heard) + 1, i)
        for j, other in enumerate(heard, start=1):
            row[j] = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (word != other))
    return int(row[-1])


if __name__ == "__main__":
    main()
