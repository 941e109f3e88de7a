"""The sample through the shipped checkpoint: the result that ships beside it."""

import json

import jsonschema
import pytest

from affect_pipe.api import RunSettings, analyze
from affect_pipe.fusion.checkpoint import shipped
from affect_pipe.pipeline.results.json_result import schema, to_json

# Other processors and library builds round differently; a decision may not hang on more than this.
PROBABILITY, INTENSITY = 0.05, 0.15


@pytest.fixture(scope="module")
def expected(sample):
    return json.loads((sample.parent / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found(sample, tmp_path_factory):
    assert "starter" in shipped()
    cache_dir = str(tmp_path_factory.mktemp("cache"))
    return to_json(analyze(sample, RunSettings(cache_dir=cache_dir)))


def test_the_expected_result_is_what_the_schema_says(expected):
    jsonschema.validate(expected, schema())


def test_same_utterances_with_every_modality(found, expected):
    def spans(result):
        return [(u["text"], u["start_s"], u["end_s"]) for u in result["utterances"]]

    assert spans(found) == spans(expected)
    for utterance in found["utterances"]:
        assert all(m["present"] for m in utterance["modalities"].values()), utterance["text"]


def test_same_judgements(found, expected):
    for one, other in zip(found["utterances"], expected["utterances"], strict=True):
        assert one["sentiment"]["intensity"] == pytest.approx(
            other["sentiment"]["intensity"], abs=INTENSITY
        )
        for name, emotion in one["emotions"].items():
            reference = other["emotions"][name]
            assert emotion["probability"] == pytest.approx(
                reference["probability"], abs=PROBABILITY
            ), (one["text"], name)
            assert emotion["intensity"] == pytest.approx(reference["intensity"], abs=INTENSITY)


def test_plain_words_are_judged_as_a_reader_would(found):
    """The script says outright how it is meant; a model that misses that is broken."""
    by_text = {u["text"]: u["sentiment"] for u in found["utterances"]}
    happy = by_text["But today my friends are visiting, and I am so happy!"]
    awful = by_text["It was awful weather, and the whole day felt empty and sad."]
    assert happy["label"] == "positive"
    assert awful["label"] == "negative"
    assert happy["intensity"] > 0 > awful["intensity"]
