import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from affect_pipe.pipeline.errors import ResultError
from affect_pipe.pipeline.fingerprint import digest_file
from affect_pipe.pipeline.results.json_result import schema
from affect_pipe.pipeline.results.result_file import MAX_BYTES, parse_result, read_result

SAMPLE = json.loads(
    (Path(__file__).resolve().parents[3] / "samples" / "expected.json").read_text("utf-8")
)


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema())


def parse(result: Any) -> Any:
    return parse_result(json.dumps(result).encode(), "x.affect.json")


def assert_sentence(error: pytest.ExceptionInfo[ResultError], name: str) -> None:
    text = str(error.value)
    assert name in text
    assert "\n" not in text
    assert text.endswith(".")


def test_what_is_read_is_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "talk.affect.json"
    path.write_text(json.dumps(SAMPLE), "utf-8")
    result = read_result(path)
    assert result.digest == digest_file(path)
    assert result.published == SAMPLE
    assert (result.stem, result.media) == ("talk", SAMPLE["media"]["file"])
    assert result.parts.media.file == SAMPLE["media"]["file"]
    for read, written in zip(result.utterances, SAMPLE["utterances"], strict=True):
        assert read.text == written["text"]
        assert (read.start_s, read.end_s) == (written["start_s"], written["end_s"])
        assert read.sentiment is not None
        assert read.sentiment.intensity == written["sentiment"]["intensity"]
        assert read.emotions is not None
        assert {n: e.present for n, e in read.emotions.items()} == {
            n: e["present"] for n, e in written["emotions"].items()
        }


def first(result: dict[str, Any]) -> Any:
    return result["utterances"][0]


FAULTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "no model": lambda r: r.pop("model"),
    "media is a list": lambda r: r.update(media=[]),
    "negative length": lambda r: r["media"].update(duration_s=-1),
    "a number in words": lambda r: r["media"].update(duration_s="36"),
    "nameless file": lambda r: r["media"].update(file=""),
    "utterances are text": lambda r: r.update(utterances="none"),
    "a warning is a number": lambda r: r.update(warnings=[1]),
    "no text": lambda r: first(r).pop("text"),
    "intensity off the scale": lambda r: first(r)["sentiment"].update(intensity=3.5),
    "probability above 1": lambda r: first(r)["emotions"]["anger"].update(probability=1.5),
    "presence is text": lambda r: first(r)["emotions"]["anger"].update(present="yes"),
    "emotions are a list": lambda r: first(r).update(emotions=[]),
    "a fourth sense": lambda r: first(r)["modalities"].update(smell={"present": True}),
    "truth as a number": lambda r: first(r)["modalities"]["text"].update(present=1),
    "index is a fraction": lambda r: first(r).update(index=0.5),
    "evidence without reasons": lambda r: first(r).update(evidence={"sufficient": True}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_schema_refuses_is_refused(
    fault: str, validator: jsonschema.Draft202012Validator
) -> None:
    result = copy.deepcopy(SAMPLE)
    assert validator.is_valid(result)
    FAULTS[fault](result)
    assert not validator.is_valid(result)
    with pytest.raises(ResultError, match="breaks the shape") as error:
        parse(result)
    assert_sentence(error, "x.affect.json")


HOSTILE = {
    "empty": b"",
    "cut off": json.dumps(SAMPLE).encode()[:2000],
    "deep": b"[" * 100_000,
    "deep within": b'{"schema": "affect-pipe/1", "media": ' + b"[" * 900 + b"]" * 900 + b"}",
    "not a number": json.dumps(SAMPLE).replace("36.022", "NaN").encode(),
    "endless digits": json.dumps(SAMPLE).replace("36.022", "9" * 6000).encode(),
    "latin-1": '{"schema": "é"}'.encode("latin-1"),
    "a list": b"[]",
    "of another kind": b'{"schema": {"affect-pipe/1": 1}}',
    "of the future": b'{"schema": "affect-pipe/2"}',
    "of somebody": b'{"segments": []}',
    "zeros": bytes(4096),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_result_is_told_in_a_sentence(kind: str) -> None:
    with pytest.raises(ResultError) as error:
        parse_result(HOSTILE[kind], "some folder/x.affect.json")
    assert_sentence(error, "some folder/x.affect.json")


def test_half_a_surrogate_pair_is_read() -> None:
    # As json_result writes a file name that is no UTF-8; the whole pair beside it stays.
    media = {**SAMPLE["media"], "file": "a\udce9\N{GRINNING FACE}.mp4"}
    data = json.dumps({**SAMPLE, "media": media}).encode()
    found = parse_result(data, "x")
    assert found.media == media["file"]
    assert found.parts.media.file == "a?\N{GRINNING FACE}.mp4"


def test_only_regular_files_of_a_size_are_read(tmp_path: Path) -> None:
    pipe, huge = tmp_path / "pipe.affect.json", tmp_path / "huge.affect.json"
    os.mkfifo(pipe)  # nobody will ever write to it
    with huge.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    for path in (tmp_path, pipe, huge, tmp_path / "gone.affect.json"):
        with pytest.raises(ResultError) as error:
            read_result(path)
        assert_sentence(error, str(path))
