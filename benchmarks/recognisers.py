"""Word error rate and speed of the recognisers on speech whose words are known.

``python benchmarks/recognisers.py --data ../shared/data [--asr moonshine --asr pocketsphinx]``

RAVDESS: actors 15 to 18, two sentences, acted emotions. Sample: its synthesised voice against its
subtitles. Words are compared in lower case without punctuation; speed is CPU seconds per second of
media on one thread (OMP_NUM_THREADS=1), loading included, voice activity not.

What recognisers of English write for speech they cannot follow is measured on sound without
English: actors 17 and 18 played backwards, sentences of fourteen languages by espeak-ng, and a
video in another language. There the share of stretches of speech whose words count as not heard
should be one; where English is spoken, zero.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from affect_pipe.extractors.speech.recognisers import choose
from affect_pipe.extractors.speech.transcript import read_transcript
from affect_pipe.extractors.speech.voice_activity import SileroVAD
from affect_pipe.pipeline.media import probe, read_audio
from affect_pipe.pipeline.records import Audio, Transcript

SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
JFK = (
    "And so my fellow Americans, ask not what your country can do for you, "
    "ask what you can do for your country."
)
# Voice of espeak-ng and what it says.
FOREIGN = {
    "es": "El perro de mi vecino ladra toda la noche y no me deja dormir.",
    "fr": "La voiture de mon père est tombée en panne sur l'autoroute ce matin.",
    "de": "Das Wetter wird morgen hoffentlich besser, sonst bleiben wir zu Hause.",
    "it": "I ragazzi giocano a calcio nel cortile della scuola dopo la lezione.",
    "pt": "O trem para o Rio de Janeiro sai às oito horas da manhã.",
    "pl": "Latem dzieci pływają w jeziorze i jeżdżą na rowerach po lesie.",
    "sv": "Imorgon ska vi åka till landet och plocka svamp i skogen.",
    "fi": "Voisitko auttaa minua löytämään rautatieaseman tästä kaupungista?",
    "tr": "Bu otobüs sabahleyin şehir merkezine gidiyor mu?",
    "ru": "Вчера вечером мы смотрели очень интересный фильм.",
    "cmn": "今天天气很好我们去公园散步吧。",
    "hi": "आज मौसम बहुत अच्छा है, चलो बाहर घूमने चलें।",
    "ar": "هل يمكنك أن تخبرني أين تقع المحطة؟",
    "vi": "Hôm qua tôi đi chợ với mẹ và mua nhiều trái cây.",
}
SAMPLES = Path(__file__).resolve().parent.parent / "samples"


@dataclass(frozen=True)
class Item:
    """A recording; ``said`` is None where no English is."""

    path: Path
    said: str | None
    backwards: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--asr", action="append", help="default: moonshine, pocketsphinx")
    options = parser.parse_args()
    media = options.data.parent / "media"
    with tempfile.TemporaryDirectory() as folder:
        sets = {
            "RAVDESS 15-18": list(_ravdess(options.data, range(15, 19))),
            "samples/talking.mp4": [Item(SAMPLES / "talking.mp4", _subtitles())],
            "jfk.flac": [Item(media / "jfk.flac", JFK)],
            "backwards": list(_ravdess(options.data, range(17, 19), backwards=True)),
            "foreign, synthetic": list(_foreign(Path(folder))),
            "foreign, video": [Item(media / "latentsync_demo1_video.mp4", None)],
        }
        for asr in options.asr or ["moonshine", "pocketsphinx"]:
            for name, items in sets.items():
                print(f"{asr:14} {name:20} {_measure(asr, items)}", flush=True)


def _ravdess(data: Path, actors: range, *, backwards: bool = False) -> Iterator[Item]:
    for actor in actors:
        for path in sorted((data / "ravdess" / f"Actor_{actor:02}").glob("*.flac")):
            said = None if backwards else SENTENCES[path.stem.split("-")[4]]
            yield Item(path, said, backwards)


def _foreign(folder: Path) -> Iterator[Item]:
    if shutil.which("espeak-ng") is None:
        print("no espeak-ng: no synthetic speech of other languages")
        return
    for voice, text in FOREIGN.items():
        path = folder / f"{voice}.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "-w", path, text], check=True)
        yield Item(path, None)


def _subtitles() -> str:
    segments = read_transcript(SAMPLES / "talking.srt").segments
    return " ".join(segment.text for segment in segments)


def _measure(asr: str, items: list[Item]) -> str:
    detector = SileroVAD()
    wrong = wrong_before = n_words = doubted = stretches = 0
    media_s = cpu_s = 0.0
    for item in items:
        media = probe(item.path)
        audio = read_audio(media)
        if item.backwards:
            audio = Audio(np.ascontiguousarray(audio.samples[::-1]))
        source = SimpleNamespace(media=media, audio=audio, voice_activity=detector.detect(audio))
        before = time.process_time()
        transcript = choose(asr, media_path=item.path).transcribe(source)
        cpu_s += time.process_time() - before
        media_s += media.duration_s
        stretches += len(transcript.segments)
        doubted += len(transcript.segments) - len(transcript.believed)
        if item.said is not None:
            reference = _words(item.said)
            wrong += _distance(reference, _words(" ".join(w.text for w in transcript.words)))
            wrong_before += _distance(reference, _all_words(transcript))
            n_words += len(reference)
    rates = (
        f"word error rate {wrong / n_words:.3f} ({wrong} of {n_words}), "
        f"with what counts as not heard {wrong_before / n_words:.3f}, "
        if n_words
        else ""
    )
    speed = f"{cpu_s / media_s:.3f} x real time" if media_s else ""
    return f"{rates}not heard {doubted} of {stretches} stretches, {speed}"


def _all_words(transcript: Transcript) -> list[str]:
    return _words(" ".join(segment.text for segment in transcript.segments))


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
