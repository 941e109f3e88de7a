"""Results of talks that nobody recorded, in the published shape."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from affect_pipe.pipeline.results.json_result import schema
from affect_pipe.pipeline.results.result_file import Result, read_result

EMOTIONS = ("anger", "disgust", "fear", "happy", "sad", "surprise", "no-emotion")
HERE = {"present": True, "reason": None, "quality": {}}
AWAY = {"present": False, "reason": "no face", "quality": {}}


def said(
    index: int,
    start_s: float,
    end_s: float,
    text: str,
    intensity: float | None = 1.0,
    present: tuple[str, ...] = (),
    **fields: Any,
) -> dict[str, Any]:
    """Return an utterance; without an intensity, one that nothing was predicted of."""
    label = "neutral" if not intensity else "positive" if intensity > 0 else "negative"
    probabilities = {"negative": 0.25, "neutral": 0.125, "positive": 0.625}
    emotions = {
        name: {
            "probability": 0.9 if name in present else 0.1,
            "present": name in present,
            "intensity": 0.0 if name == "no-emotion" else 2.0876 if name in present else 0.05,
        }
        for name in EMOTIONS
    }
    return {
        "index": index,
        "start_s": start_s,
        "end_s": end_s,
        "text": text,
        "sentiment": None
        if intensity is None
        else {"label": label, "probabilities": probabilities, "intensity": intensity},
        "emotions": None if intensity is None else emotions,
        "modalities": {"text": HERE, "acoustic": HERE, "visual": AWAY},
        **fields,
    }


def document(utterances: list[dict[str, Any]], duration_s: float = 60.0) -> dict[str, Any]:
    """Return a whole result; it follows the published schema."""
    found = {
        "schema": "affect-pipe/1",
        "media": {
            "file": "two & more.mp4",
            "digest": "01" * 16,
            "container": "mp4",
            "duration_s": duration_s,
            "audio": {"codec": "aac", "sample_rate_hz": 48000, "n_channels": 2},
            "video": None,
        },
        "asr": {
            "source": "srt",
            "model": "",
            "language": "en",
            "word_times": "spread",
            "guesses": False,
            "warnings": [],
        },
        "model": {"name": "starter", "digest": "ab", "backbone": "cim", "licence": "-"},
        "features": [],
        "utterances": utterances,
        "attention": {},
        "warnings": [],
        "timings_s": {},
    }
    jsonschema.validate(found, schema())
    return found


TALK = [
    said(0, 0.5, 2.0, "I am glad to see you!", 1.2346, ("happy", "surprise"), speaker="Ann"),
    # Two at once, and the same speaker twice at once.
    said(1, 1.5, 4.0, "So < am I & more -- > <b>you</b>.", -0.0, (), speaker="Bo B"),
    said(2, 3.0, 5.25, "Who is\nthere?", -2.5, ("fear", "anger"), speaker="Bo B"),
    said(3, 5.25, 5.25, "Me", 0.3, ("no-emotion",), speaker="A"),
    said(4, 6.0, 9.999, "", None),
    said(
        5,
        59.0,
        60.001,
        'Tab\there, "quoted" \N{GRINNING FACE} ÄÖß and a bell \x07 --> end',
        0.0,
        evidence={"sufficient": False, "reasons": ["no words", "too quiet"]},
        face={
            "track": 2,
            "chosen_by": "mouth",
            "confidence": 0.83,
            "n_faces": 2,
            "coverage": 0.5,
            "box": [0.1, 0.2, 0.3, 0.4],
            "doubt": None,
        },
    ),
]


def write(folder: Path, found: dict[str, Any], stem: str = "talk") -> Path:
    path = folder / f"{stem}.affect.json"
    path.write_text(json.dumps(found), encoding="utf-8")
    return path


@pytest.fixture
def talk_path(tmp_path: Path) -> Path:
    return write(tmp_path, document(TALK))


@pytest.fixture
def talk(talk_path: Path) -> Result:
    return read_result(talk_path)


@pytest.fixture
def saying(tmp_path: Path) -> Callable[[str], Result]:
    """Make a result of one utterance, from 1 to 2 s."""

    def make(text: str) -> Result:
        return read_result(write(tmp_path, document([said(0, 1.0, 2.0, text, 0.5)]), "one"))

    return make


@pytest.fixture
def nobody(tmp_path: Path) -> Result:
    """A video in which nobody speaks."""
    return read_result(write(tmp_path, document([], 0.0), "nobody"))


@pytest.fixture(scope="session")
def eaf_schema() -> Any:
    """ELAN's own schema of EAF 3.0; it is not ours to ship."""
    data = Path(os.environ.get("AFFECT_PIPE_DATA", Path(__file__).parents[5] / "shared" / "data"))
    usual = data.parent / "schemas" / "EAFv3.0.xsd"
    path = Path(os.environ.get("AFFECT_PIPE_EAF_SCHEMA", usual))
    if not path.is_file():
        pytest.skip(f"no EAFv3.0.xsd at {path} (set AFFECT_PIPE_EAF_SCHEMA)")
    etree = pytest.importorskip("lxml.etree")
    return etree.XMLSchema(etree.parse(path))


@pytest.fixture
def levels_result(levels: Any) -> Any:
    """The result of a model of arousal and valence alone."""
    return levels


@pytest.fixture
def seven_result(seven: Any) -> Any:
    """The result of a model of seven sentiment classes."""
    return seven
