"""Any number of results that follow the published shape, varied from the sample's real one."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "expected.json"
FOLDERS = ("", "interviews", "interviews/2024", "interviews/2025", "street")
WARNINGS = (
    "Moonshine (tiny, English) recognised the words: a transcript beside the video is better.",
    "the words of 2 of 9 stretches of speech could not be aligned and are spread over them.",
)
OTHER_MODEL = {"name": "own", "digest": "0" * 32, "backbone": "cim", "licence": "ours"}


def make_results(n: int, seed: int = 7) -> dict[str, dict[str, Any]]:
    """Return ``n`` results by the path of their file below the folder."""
    rng = random.Random(seed)
    sample = json.loads(SAMPLE.read_text("utf-8"))
    # Thousands of column names would make the test slow; they are optional.
    sample["features"], sample["attention"] = [], {}
    found = {}
    for number in range(n):
        folder = rng.choice(FOLDERS)
        name = f"clip_{number:04}"
        path = f"{folder}/{name}.affect.json".lstrip("/")
        found[path] = _varied(sample, name, rng)
    return found


def write_results(folder: Path, results: dict[str, dict[str, Any]]) -> None:
    for path, result in results.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(result), "utf-8")


def _varied(sample: dict[str, Any], name: str, rng: random.Random) -> dict[str, Any]:
    result = {key: value for key, value in sample.items() if key != "utterances"}
    n = rng.choice((1, 3, 8, 8, 20, 60, 150))
    mood = rng.uniform(-1.6, 1.6)
    said = [copy.deepcopy(rng.choice(sample["utterances"])) for _ in range(n)]
    at = 0.5
    for index, utterance in enumerate(said):
        at = _vary(utterance, index, at, mood, rng)
    result["media"] = {**sample["media"], "file": f"{name}.mp4", "duration_s": round(at + 1, 3)}
    result["media"]["digest"] = f"{rng.getrandbits(128):032x}"
    result["warnings"] = rng.sample(WARNINGS, rng.choice((0, 0, 0, 1, 2)))
    if rng.random() < 0.1:
        result["model"] = OTHER_MODEL
    return {**result, "utterances": said}


def _vary(
    utterance: dict[str, Any], index: int, at: float, mood: float, rng: random.Random
) -> float:
    utterance["index"], utterance["start_s"] = index, round(at, 3)
    utterance["end_s"] = round(at + rng.uniform(0.6, 6), 3)
    if rng.random() < 0.02:
        utterance["sentiment"] = utterance["emotions"] = None
        for modality in utterance["modalities"].values():
            modality.update(present=False, reason="nothing there")
        return float(utterance["end_s"] + 0.4)
    intensity = round(min(3.0, max(-3.0, rng.gauss(mood, 0.9))), 4)
    label = "negative" if intensity < -0.3 else "positive" if intensity > 0.3 else "neutral"
    utterance["sentiment"] = {
        "label": label,
        "probabilities": {one: 0.8 if one == label else 0.1
                          for one in ("negative", "neutral", "positive")},
        "intensity": intensity,
    }  # fmt: skip
    for emotion in utterance["emotions"].values():
        probability = round(rng.random() ** 3, 4)
        emotion.update(probability=probability, present=probability > 0.5)
    if rng.random() < 0.15:
        utterance["modalities"]["visual"].update(present=False, reason="no face in view")
    if rng.random() < 0.05:
        utterance["modalities"]["text"].update(present=False, reason="no words")
    return float(utterance["end_s"] + rng.uniform(0.1, 1.5))
