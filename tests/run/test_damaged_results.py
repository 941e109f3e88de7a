"""Results with something wrong deep inside: one sentence, whatever they are handed to."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from affect_pipe.cli import main
from affect_pipe.pipeline.errors import ResultError
from affect_pipe.pipeline.results.exports.formats import FORMATS
from affect_pipe.pipeline.results.json_result import schema
from affect_pipe.pipeline.results.result_file import parse_result

WRONG = (None, True, -1, 0.5, 1e308, 10**400, "x", "", [], ["x"], {}, {"x": []})
PLACES = 60
SEED = 11


def whole(sample: Path) -> dict[str, Any]:
    """The sample's real result, with every part that not all results have."""
    found: dict[str, Any] = json.loads((sample.parent / "expected.json").read_text("utf-8"))
    for feature in found["features"]:
        feature["columns"] = feature["columns"][:2]
    said = found["utterances"][0]
    level = {"label": "low", "probabilities": {"low": 0.75, "high": 0.25}}
    change = {"label_without": "high", "probability": 0.25}
    said.update(speaker="Ann", arousal=level, valence=level)
    said["evidence"] = {"sufficient": False, "reasons": ["too quiet"]}
    said["contributions"] = {
        "text": {
            "sentiment": {"label_without": "neutral", "probability": -0.1, "intensity": 0.5},
            "emotions": {"probability": {"anger": 0.1}, "intensity": {"anger": 0.2}},
            "arousal": change,
            "valence": change,
        },
        "visual": None,
    }
    said["face"] = {
        "track": 0,
        "chosen_by": "mouth",
        "confidence": 0.8,
        "n_faces": 2,
        "coverage": 0.5,
        "box": [0.1, 0.2, 0.3, 0.4],
        "doubt": "two mouths move",
    }
    found["speakers"] = [{"speaker": "Ann", "tracks": [0], "confidence": None, "utterances": 1}]
    heard = {"start_s": 0.5, "end_s": 2.0, "text": "Thanks.", "doubt": "silence", "quality": {}}
    found["asr"]["segments"] = [heard]
    jsonschema.validate(found, schema())
    return found


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return where the parts of a document are, leaves and what holds them."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in inside:
        yield (*at, key)
        if isinstance(part, dict | list):
            yield from places(part, (*at, key))


def kind_of(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return type(value).__name__
    return "number"


def damaged(document: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], Any, dict[str, Any]]]:
    """Return copies in which one part has a wrong type: where, what, and the copy."""
    rng = random.Random(SEED)
    # One of each kind of place: those of every utterance are alike.
    alike: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for at in places(document):
        alike.setdefault(tuple("#" if isinstance(p, int) else p for p in at), []).append(at)
    for found in alike.values():
        at = found[0]
        copied = copy.deepcopy(document)
        holder = copied
        for key in at[:-1]:
            holder = holder[key]
        others = [w for w in WRONG if kind_of(w) != kind_of(holder[at[-1]])] + [1e308, 10**400]
        holder[at[-1]] = rng.choice(others)
        yield at, holder[at[-1]], copied


def test_the_reader_refuses_what_the_schema_refuses(sample):
    validator = jsonschema.Draft202012Validator(schema())
    refused = 0
    for at, wrong, document in damaged(whole(sample)):
        try:
            parse_result(json.dumps(document).encode(), "x")
        except ResultError as error:
            told = str(error)
            assert "\n" not in told
            assert told.endswith(".")
            refused += 1
        else:
            assert validator.is_valid(document), (at, wrong)
    assert refused > 150


@pytest.mark.parametrize("verb", ["report", "export", "evaluate"])
def test_a_wrong_part_is_a_sentence_and_never_a_crash(sample, tmp_path, capsys, verb):
    document = whole(sample)
    media = ("media", "file"), ("utterances", 0, "text"), ("utterances", 0, "face")
    every = list(damaged(document))
    chosen = random.Random(SEED).sample(every, PLACES) + [one for one in every if one[0] in media]
    path = tmp_path / "x.affect.json"
    path.write_text(json.dumps(document), "utf-8")
    gold, out = tmp_path / "gold", tmp_path / "out"
    assert main(["export", str(path), "--to", "textgrid", "--out", str(gold)]) == 0
    asked = {
        "report": ["report", str(path), "--out", str(out / "page.html")],
        "export": ["export", str(path), "--to", ",".join(FORMATS), "--out", str(out)],
        "evaluate": ["evaluate", str(path), "--gold", str(gold / "x.affect.TextGrid")],
    }[verb]
    out.mkdir()
    assert main(asked) == 0
    for at, wrong, copied in chosen:
        path.write_text(json.dumps(copied), "utf-8")
        capsys.readouterr()
        code = main(asked)
        told = capsys.readouterr().err
        assert code in (0, 2), (at, wrong, told)
        assert "unexpected" not in told, (at, wrong, told)
        assert code == 0 or (told.count("\n") == 1 and str(path) in told), (at, wrong, told)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["media"].update(file="x" * 5000),
        lambda d: d["media"].update(file=".."),
        lambda d: d["media"].update(file="a\0b"),
        lambda d: d["media"].update(file="/etc/passwd"),
        lambda d: d["media"].update(file="\udce9.mp4"),
        lambda d: d["model"].update(name="\udce9"),
        lambda d: d["utterances"][0].update(text="\udce9", speaker="\udce9"),
        lambda d: d["utterances"][0]["sentiment"].update(label="banana"),
        lambda d: d["utterances"][0]["emotions"].pop("anger"),
        lambda d: d["utterances"][0].update(later=json.loads("[" * 500 + "]" * 500)),
        lambda d: d["utterances"][0].update(later={"a part of": ["the future"]}),
        lambda d: d["utterances"][0]["emotions"]["anger"].update(later=["the future"]),
        lambda d: d["utterances"][0].update(speaker=""),
        lambda d: [
            d["utterances"][i].update(speaker=s) for i, s in enumerate(("A", "A ", "A (2)"))
        ],
        lambda d: d["utterances"][0].update(index=2**31 - 1),
        lambda d: d["features"][0]["settings"].update(x=10**400),
        lambda d: d["utterances"].clear(),
        lambda d: d["attention"].update(whatever=[[[2**31 - 1, 0.5]]]),
        lambda d: d["attention"].update(whatever=[[]]),
        lambda d: d["timings_s"].update({"": 1e308}),
        lambda d: d["utterances"][0]["modalities"]["text"]["quality"].update(
            asr_confidence=1e308, x=10**300
        ),
    ],
)
def test_what_is_of_the_right_type_may_still_be_odd(sample, tmp_path, capsys, change):
    document = whole(sample)
    path = tmp_path / "x.affect.json"
    path.write_text(json.dumps(document), "utf-8")
    assert main(["export", str(path), "--to", "eaf", "--out", str(tmp_path / "gold")]) == 0
    change(document)
    path.write_text(json.dumps(document), "utf-8")
    gold, to = str(tmp_path / "gold" / "x.affect.eaf"), ",".join(FORMATS)
    capsys.readouterr()
    for asked in (["report"], ["export", "--to", to], ["evaluate", "--gold", gold]):
        code = main([asked[0], str(path), *asked[1:]])
        told = capsys.readouterr().err
        assert code in (0, 1, 2)
        assert "unexpected" not in told
        assert code == 0 or told.count("\n") == 1, told
