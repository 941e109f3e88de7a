from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from affect_pipe.fusion import checkpoint
from affect_pipe.fusion.checkpoint import CheckpointConfig, FeatureSpecSettings
from affect_pipe.fusion.config import TASK_NAMES, NormalisationSettings, PcaBlock, TaskSettings
from affect_pipe.fusion.inference import predict_values
from affect_pipe.fusion.normalise import fit_normaliser
from affect_pipe.fusion.tasks import paper_thresholds
from affect_pipe.pipeline.errors import CheckpointError, UsageError
from affect_pipe.pipeline.records import FeatureSpec

DIMS = {"text": 6, "acoustic": 5, "visual": 4}


def make_spec(modality, dim):
    return FeatureSpec(
        name=f"made-{modality}",
        modality=modality,
        dim=dim,
        columns=tuple(f"c{i}" for i in range(dim)),
        version="3",
        settings={"range": (1, 2), "nested": {"on": True}},
        model_id="some/model",
        weights_digest="abc",
    )


@pytest.fixture
def parts(model, normaliser):
    norm = normaliser("shrink")
    config = CheckpointConfig(
        schema=checkpoint.SCHEMA,
        name="tiny",
        backbone="cim",
        backbone_settings={"gru_width": 5, "dense_width": 4},
        tasks=tuple(TaskSettings(name=name) for name in TASK_NAMES),
        features=tuple(FeatureSpecSettings.of(make_spec(m, d)) for m, d in DIMS.items()),
        normalisation=dict(norm.settings),
        thresholds=paper_thresholds(),
        training_data=("made up",),
        licence="Apache-2.0",
        seed=3,
    )
    return config, model(), norm


@pytest.fixture
def folder(parts, tmp_path):
    config, net, norm = parts
    target = tmp_path / "tiny"
    checkpoint.save(target, config, net, norm, "# Tiny\n")
    return target


def test_what_is_saved_is_what_is_loaded(folder, parts, dialogue):
    config, net, norm = parts
    loaded = checkpoint.load(folder)
    assert loaded.config == config
    assert not loaded.model.training
    assert sorted(p.name for p in folder.parent.iterdir()) == ["tiny"]
    one = dialogue(5, seed=1)
    (expected,), (found,) = (
        predict_values(net, [one], norm),
        predict_values(loaded.model, [one], loaded.normaliser),
    )
    for name in TASK_NAMES:
        np.testing.assert_array_equal(found[name], expected[name])


def test_the_same_model_saves_to_the_same_bytes(folder, parts, tmp_path):
    checkpoint.save(tmp_path / "again", *parts, "# Another card\n")
    assert checkpoint.digest(tmp_path / "again") == checkpoint.digest(folder)
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_the_digest_follows_config_and_tensors(folder):
    before = checkpoint.digest(folder)
    (folder / "README.md").write_text("other", encoding="utf-8")
    assert checkpoint.digest(folder) == before
    path = folder / "config.json"
    path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert checkpoint.digest(folder) != before


def test_specs_survive_json(folder):
    found = checkpoint.read_config(folder).feature_specs()
    assert [(s.modality, s.dim) for s in found] == list(DIMS.items())
    assert found[0].settings == {"range": [1, 2], "nested": {"on": True}}
    assert found[0].columns == tuple(f"c{i}" for i in range(6))
    assert (found[0].version, found[0].model_id, found[0].weights_digest) == (
        "3",
        "some/model",
        "abc",
    )


def test_every_field_of_a_spec_is_kept():
    fields = {field.name for field in dataclasses.fields(FeatureSpec)}
    assert set(FeatureSpecSettings.model_fields) == fields


def test_saving_replaces_a_checkpoint_and_nothing_else(folder, parts, tmp_path):
    checkpoint.save(folder, *parts, "# New card\n")
    assert (folder / "README.md").read_text(encoding="utf-8") == "# New card\n"
    (folder / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(CheckpointError, match="is no checkpoint folder"):
        checkpoint.save(folder, *parts, "")
    assert (folder / "thesis.tex").exists()


def test_a_failed_save_leaves_the_old_checkpoint(folder, parts, monkeypatch):
    before = checkpoint.digest(folder)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("safetensors.numpy.save_file", fail)
    with pytest.raises(CheckpointError, match="cannot be written: disk full"):
        checkpoint.save(folder, *parts, "")
    assert checkpoint.digest(folder) == before
    assert [p.name for p in folder.parent.iterdir()] == ["tiny"]


def test_weights_that_are_no_numbers_are_not_saved(parts, tmp_path):
    config, net, norm = parts
    with torch.no_grad():
        next(net.parameters()).fill_(float("nan"))
    with pytest.raises(CheckpointError, match="not numbers"):
        checkpoint.save(tmp_path / "bad", config, net, norm, "")
    assert not (tmp_path / "bad").exists()


def edit(folder, **fields):
    path = folder / "config.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**raw, **fields}), encoding="utf-8")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": "affect-pipe-checkpoint/99"}, "schema 'affect-pipe-checkpoint/99'"),
        ({"colour": "red"}, "at colour: Extra inputs"),
        ({"tasks": []}, "at tasks"),
        ({"tasks": [{"name": "age"}]}, "tasks.0.name"),
        ({"normalisation": {}}, "normalisation of"),
        ({"thresholds": {"f1": {"anger": 0.4}}}, "must name"),
        ({"decision_objective": "luck"}, "no thresholds for 'luck'"),
        ({"emotion_labels": ["joy"]}, "labels must be"),
        ({"sentiment_labels": ["bad", "good"]}, "sentiment labels must be"),
        ({"thresholds": {}}, "no thresholds for 'f1'"),
        ({"tasks": [{"name": "emotion_class", "classes": 5}]}, "no choice of classes"),
        ({"tasks": [{"name": "sentiment_class", "labels": ["a", "a", "b"]}]}, "3 different"),
        ({"tasks": [{"name": "emotion_class", "labels": ["a"]}]}, "cannot be chosen"),
        ({"tasks": [{"name": "sentiment_intensity", "temperature": 2}]}, "no probability"),
        ({"tasks": [{"name": "sentiment_class", "temperature": 0}]}, "temperature"),
        ({"evidence": {"min_probability": {"arousal_class": 0.5}}}, "does not predict"),
        ({"evidence": {"min_probability": {"emotion_intensity": 0.5}}}, "no probability"),
        ({"evidence": {"min_text_confidence": 2}}, "min_text_confidence"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(folder, fields, message):
    edit(folder, **fields)
    with pytest.raises(CheckpointError, match=message):
        checkpoint.read_config(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not valid JSON"),
        (b"[1]", "JSON object"),
        (b"\xff\xfe", "cannot be read"),
        (b"[" * 99999, "not valid JSON"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "not valid JSON"),
    ],
)
def test_a_config_that_is_no_json_is_refused(folder, content, message):
    (folder / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        checkpoint.read_config(folder)


def test_missing_folder_and_files(folder, tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        checkpoint.read_config(tmp_path / "nowhere")
    (folder / "model.safetensors").unlink()
    for function in (checkpoint.load, checkpoint.digest):
        with pytest.raises(CheckpointError, match=r"has no model\.safetensors"):
            function(folder)
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        checkpoint.read_config(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.update({"model.heads.emotion_class.output.bias": np.zeros(9, np.float32)}),
            r"is \[9\], its config asks for \[7\]",
        ),
        (lambda t: t.pop("model.heads.emotion_class.output.bias"), "is missing"),
        (lambda t: t.update({"model.heads.age": np.zeros(1, np.float32)}), "no place"),
        (
            lambda t: t.update(
                {"model.heads.emotion_class.output.bias": np.full(7, np.nan, np.float32)}
            ),
            "not numbers",
        ),
        (lambda t: t.pop("normalisation.text.std"), "normalisation of text"),
        (lambda t: t.update({"normalisation.text.std": np.zeros(6, np.float32)}), "positive"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(folder, change, message):
    path = str(folder / "model.safetensors")
    tensors = dict(load_file(path))
    change(tensors)
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(folder)


@pytest.fixture
def reduced(parts, tmp_path, model, dialogue):
    """A checkpoint whose text vectors are reduced to principal components."""
    config, _, norm = parts
    wanted = dict(norm.settings) | {"text": NormalisationSettings(pca=(PcaBlock(),))}
    corpus = dialogue(40, seed=3, present=1.0)
    fitted = fit_normaliser({m: [corpus.features[m]] for m in DIMS}, wanted)
    config = config.model_copy(update={"normalisation": dict(fitted.settings)})
    folder = tmp_path / "reduced"
    checkpoint.save(folder, config, model(3, fitted.dims), fitted, "")
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("normalisation.text.pca.0.mean"), "are missing"),
        (
            lambda t: t.update({"normalisation.text.pca.0.components": np.ones((1, 6), "f4")}),
            "its config asks for",
        ),
        (lambda t: t.update({"normalisation.text.pca.0.mean": np.ones(5, "f4")}), r"mean \[5\]"),
        (lambda t: t.pop("normalisation.text.mean"), "must be two tensors"),
    ],
)
def test_components_that_do_not_fit_are_refused(reduced, change, message):
    assert checkpoint.load(reduced).config.dims == DIMS
    path = str(reduced / "model.safetensors")
    tensors = dict(load_file(path))
    change(tensors)
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(reduced)


def test_components_without_their_number_are_refused(reduced):
    raw = json.loads((reduced / "config.json").read_text(encoding="utf-8"))
    raw["normalisation"]["text"]["pca"][0]["components"] = None
    edit(reduced, **raw)
    with pytest.raises(CheckpointError, match="fit it on training data"):
        checkpoint.read_config(reduced)


def test_pictures_of_the_card_lie_beside_it(folder, parts):
    checkpoint.save(folder, *parts, "![](plot.png)", pictures={"plot.png": b"\x89PNG"})
    assert (folder / "plot.png").read_bytes() == b"\x89PNG"
    checkpoint.save(folder, *parts, "again")
    assert not (folder / "plot.png").exists()
    for name in ("../plot.png", "model.safetensors", "plot"):
        with pytest.raises(CheckpointError, match="no name for a picture"):
            checkpoint.save(folder, *parts, "", pictures={name: b""})


def test_evidence_out_of_reach_is_refused(parts):
    config, *_ = parts
    fields = config.model_dump(by_alias=True)
    fields["features"], fields["normalisation"] = fields["features"][:1], {"text": {"kind": "z"}}
    for evidence in ({"modalities": ["visual"]}, {"min_modalities": 2}):
        with pytest.raises(ValueError, match=r"the model reads \['text'\]"):
            CheckpointConfig.model_validate({**fields, "evidence": evidence})
    CheckpointConfig.model_validate({**fields, "evidence": {"modalities": ["text"]}})


def test_damaged_tensors_are_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"backbone": "oracle"}, "Unknown backbone 'oracle'"),
        ({"backbone_settings": {"gru_width": 5, "depth": 3}}, "at 'depth'"),
        ({"backbone_settings": {"gru_width": 6, "dense_width": 4}}, "its config asks for"),
        ({"backbone_settings": {"gru_width": 10**9}}, "at 'gru_width'"),
    ],
)
def test_a_backbone_that_does_not_fit_is_refused(folder, fields, message):
    edit(folder, **fields)
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(folder)


def test_resolve_takes_paths_and_names_and_lists_the_names(folder, monkeypatch):
    assert checkpoint.resolve(folder) == folder
    assert checkpoint.resolve(str(folder)) == folder
    for unknown in ("no-such", "x" * 5000):
        with pytest.raises(CheckpointError, match="Unknown checkpoint"):
            checkpoint.resolve(unknown)
    with pytest.raises(CheckpointError, match="is a file: name the folder"):
        checkpoint.resolve(folder / "config.json")
    for no_path in ("~nosuchuser/x", "a\0b", ""):
        with pytest.raises(UsageError, match="the checkpoint"):
            checkpoint.resolve(no_path)
    monkeypatch.setattr(checkpoint, "shipped", lambda: ("one", "two"))
    with pytest.raises(CheckpointError, match="shipped: one, two"):
        checkpoint.resolve("three")


def test_every_shipped_checkpoint_resolves_and_reads():
    for name in checkpoint.shipped():
        assert checkpoint.read_config(checkpoint.resolve(name)).name == name


def test_reading_a_config_imports_no_torch(folder):
    code = (
        "import sys; from pathlib import Path; "
        "from affect_pipe.fusion.predict import CheckpointPredictor; "
        "p = CheckpointPredictor(Path(sys.argv[1])); p.info(); p.feature_specs(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == 0
