"""Settings as a user gives them to a feature: kinds are checked, nothing is converted."""

import importlib
import inspect
import json

import pytest

from affect_pipe.extractors.registry import FEATURES, build
from affect_pipe.fusion.checkpoint import resolve
from affect_pipe.fusion.predict import CheckpointPredictor
from affect_pipe.pipeline.errors import UsageError


@pytest.mark.parametrize(
    ("feature", "settings", "sentence"),
    [
        ("vggish", '{"rectified": "yes"}', "rectified is 'yes': expected true or false."),
        ("vggish", '{"rectified": 1}', "rectified is 1: expected true or false."),
        ("facemesh", '{"max_faces": 1.5}', "max_faces is 1.5: expected a whole number."),
        ("facemesh", '{"max_faces": true}', "max_faces is true: expected a whole number."),
        ("facemesh", '{"rate_hz": true}', "rate_hz is true: expected a number."),
        ("facemesh", '{"rate_hz": "5"}', "rate_hz is '5': expected a number."),
        ("facemesh", '{"rate_hz": null}', "rate_hz is null: expected a number."),
        ("facemesh", '{"rate_hz": 1e999}', "rate_hz is inf: expected a number."),
        ("facemesh", '{"groups": {"au": 1}}', "{'au': 1}: expected a list of different names."),
        ("bert", '{"layers": [1.5]}', "[1.5]: expected text or a list of different whole numbers."),
        ("bert", '{"max_tokens": "a"}', "max_tokens is 'a': expected a whole number."),
        ("bert", '{"pooling": ["cls"]}', "expected 'words' or 'mean' or 'cls'."),
        ("minilm", '{"layers": [true, 2]}', "expected a list of different whole numbers."),
        ("glove", '{"case": "Keep"}', "case is 'Keep': expected 'lower' or 'keep' or null."),
        ("covarep", '{"functionals": "mean"}', "functionals is 'mean': expected a list of"),
        ("covarep", '{"functionals": ["mean", "mean"]}', "expected a list of different names."),
        ("egemaps", '{"speech_level_db": "-26"}', "is '-26': expected a number or null."),
        ("covarep", '{"speech_level_db": true}', "is true: expected a number or null."),
        ("covarep", '{"speech_level_db": 1e308}', "must be from -100 to 0, or null"),
        ("covarep", '{"speech_level_db": -1e9}', "must be from -100 to 0, or null"),
        ("covarep", '{"speech_level_db": 0.5}', "must be from -100 to 0, or null"),
        ("egemaps", json.dumps({"speech_level_db": 10**400}), "expected a number or null."),
    ],
)
def test_a_value_of_another_kind_is_refused_in_one_sentence(feature, settings, sentence):
    with pytest.raises(UsageError) as caught:
        build(feature, json.loads(settings))
    told = str(caught.value)
    assert told.startswith(f"{feature}: ")
    assert sentence in told
    assert "\n" not in told
    assert len(told) < 200


def test_whole_numbers_pass_for_numbers_and_tuples_for_lists():
    assert build("facemesh", {"rate_hz": 5}) is not None
    assert build("covarep", {"functionals": ("mean", "std"), "speech_level_db": -26}) is not None


@pytest.mark.parametrize("feature", FEATURES)
def test_the_defaults_of_every_feature_are_of_the_kind_it_takes(feature):
    """So every constructor's annotations can be checked against, and fit its own defaults."""
    module, _, name = FEATURES[feature].partition(":")
    taken = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    defaults = {k: p.default for k, p in taken.items() if k != "folder"}
    if feature == "deepspectrum":
        pytest.importorskip("matplotlib")
    build(feature, defaults)
    with pytest.raises(UsageError, match="expected"):
        build(feature, {next(iter(defaults)): object()})


@pytest.mark.parametrize("name", ["starter", "starter-covarep"])
def test_the_contracts_of_the_shipped_checkpoints_pass(name):
    for spec in CheckpointPredictor(resolve(name)).feature_specs():
        built = build(spec.name, json.loads(json.dumps(spec.settings)))
        assert spec.compatible_with(built.spec())
