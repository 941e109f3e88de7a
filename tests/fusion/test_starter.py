"""The starter recipe from end to end, on corpora small enough for a test."""

from __future__ import annotations

import json
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from affect_pipe.fusion import checkpoint
from affect_pipe.fusion.config import CimSettings
from affect_pipe.fusion.recipes.starter import StarterSettings, build, evaluate
from affect_pipe.fusion.recipes.starter_features import implied_sentiment
from affect_pipe.fusion.recipes.starter_mixture import MixtureSettings
from affect_pipe.fusion.recipes.starter_pairing import SUBSETS
from affect_pipe.fusion.recipes.starter_report import Figure, StarterReport, subset_name
from affect_pipe.fusion.recipes.starter_store import FeatureStore
from affect_pipe.pipeline.errors import CheckpointError, UsageError

sys.path.insert(0, str(Path(__file__).parent))
from starter_corpora import CountingEncoders, spec, write_corpora

QUICK = StarterSettings(
    backbone=CimSettings(gru_width=4, dense_width=4, presence_flags=True, skip_width=3),
    mixture=MixtureSettings(n_goemotions=10, n_faces=10),
    epochs=2,
)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    return write_corpora(tmp_path_factory.mktemp("corpora"), ("train", "dev", "test"))


@pytest.fixture(scope="module")
def trained(corpora, tmp_path_factory):
    """Checkpoint folder, its report, the folder of features, what was told."""
    folder, told = tmp_path_factory.mktemp("starter"), []
    report = build(
        corpora,
        folder / "out",
        CountingEncoders().encoders(),
        work=folder / "work",
        tell=told.append,
        device="cpu",
        settings=QUICK,
    )
    return folder / "out", report, folder / "work", told


def test_the_checkpoint_is_whole(trained):
    out, report, _, told = trained
    config = checkpoint.read_config(out)
    assert config.name == "starter"
    assert [s.modality for s in config.feature_specs()] == ["text", "acoustic", "visual"]
    assert len(config.tasks) == 4
    assert "RAVDESS" in config.licence
    assert set(config.thresholds) == {"f1", "w_acc"}
    assert any(line.startswith("epoch 2 of 2") for line in told)
    card = (out / "README.md").read_text(encoding="utf-8")
    assert report.as_text() in card
    for said in ("No sample ever joined the three modalities", "CC BY-NC-SA", "lie detection"):
        assert said in card


def test_measuring_again_says_the_same_and_computes_nothing(trained, corpora):
    out, report, work, _ = trained
    encoders = CountingEncoders()
    again = evaluate(corpora, encoders.encoders(), out, work=work)
    assert again.as_json() == report.as_json()
    assert encoders.calls == []


def test_the_same_seed_gives_the_same_weights(trained, corpora, tmp_path):
    out, _, work, _ = trained
    for seed, same in ((0, True), (1, False)):
        encoders = CountingEncoders().encoders()
        made = tmp_path / str(seed)
        build(corpora, made, encoders, work=work, seed=seed, device="cpu", settings=QUICK)
        equal = (made / "model.safetensors").read_bytes() == (
            out / "model.safetensors"
        ).read_bytes()
        assert equal == same


def test_test_parts_are_measured_in_the_same_layout(trained, corpora):
    out, dev, _, _ = trained
    test = evaluate(corpora, CountingEncoders().encoders(), out, split="test")
    assert test.split == "test"
    assert [(f.corpus, f.metric) for f in test.figures] == [
        (f.corpus, f.metric) for f in dev.figures
    ]
    assert test.as_json() != dev.as_json()


def test_report_is_json_and_table(trained):
    _, report, _, _ = trained
    content = json.loads(report.as_json())
    assert content["schema"] == "affect-pipe-starter-report/1"
    assert set(content["paired"]["subsets"]) == {subset_name(s) for s in SUBSETS}
    assert len([f for f in content["figures"] if f["target"] is not None]) == 6
    for figure in content["figures"]:
        assert figure["metric"] in report.as_text()
        if figure["unit"] == "%":
            assert figure["value"] is None or 0 <= figure["value"] <= 100


def test_absent_corpora_are_said_to_be_absent(trained, corpora, tmp_path):
    out, full, _, _ = trained
    shutil.copytree(corpora / "mosi", tmp_path / "mosi")
    shutil.copytree(corpora / "text", tmp_path / "text")
    (tmp_path / "text/sst5_dev.txt").unlink()
    report = evaluate(tmp_path, CountingEncoders().encoders(), out)
    assert report.absent == ("SST-5", "RAVDESS", "FER-2013")
    assert report.paired == {}
    assert "absent: RAVDESS" in report.as_text()
    metric = ("MELD text", "emotion weighted F1")
    assert report.value(*metric) == pytest.approx(full.value(*metric))
    assert math.isnan(report.value("RAVDESS voice", "emotion UAR"))


def test_missing_training_parts_are_bad_usage(corpora, tmp_path):
    encoders = CountingEncoders().encoders()
    with pytest.raises(UsageError, match="is no folder"):
        build(tmp_path / "none", tmp_path / "out", encoders, settings=QUICK)
    with pytest.raises(UsageError, match=r"meld_train\.csv"):
        build(tmp_path, tmp_path / "out", encoders, settings=QUICK)
    assert not (tmp_path / "out").exists()


def test_other_features_are_refused(trained, corpora):
    out = trained[0]
    encoders = replace(CountingEncoders().encoders(), visual_spec=spec("visual", version="2"))
    with pytest.raises(CheckpointError, match="made-visual 2"):
        evaluate(corpora, encoders, out)
    with pytest.raises(CheckpointError, match="nowhere"):
        evaluate(corpora, encoders, "nowhere")


def test_stored_features_survive_damage(tmp_path):
    store, calls = FeatureStore(tmp_path), []

    def compute():
        calls.append(1)
        return {"values": np.arange(6, dtype=np.float32).reshape(2, 3)}

    first = store.get("key", compute)
    np.testing.assert_array_equal(store.get("key", compute)["values"], first["values"])
    assert len(calls) == 1
    (tmp_path / "key.safetensors").write_bytes(b"garbage")
    np.testing.assert_array_equal(store.get("key", compute)["values"], first["values"])
    assert len(calls) == 2


def test_fusion_pays_only_if_every_comparison_holds():
    score = {("text",): 50, ("acoustic",): 55, ("visual",): 60, ("text", "acoustic"): 70}
    score |= {("text", "visual"): 72, ("acoustic", "visual"): 74, SUBSETS[-1]: 80}

    def pays(**changes):
        table = {subset_name(s): {"emotion_weighted_f1": v} for s, v in score.items()}
        for name, value in changes.items():
            table[name.replace("_", " + ")]["emotion_weighted_f1"] = value
        return StarterReport("made", "dev", (), table, 1).fusion_pays()

    assert pays() == {"pairs_beat_parts": True, "all_three_beat_pairs": True}
    assert not pays(text_visual=59)["pairs_beat_parts"]
    assert not pays(acoustic_visual=81)["all_three_beat_pairs"]


def test_figures_know_their_target():
    assert Figure("a", "b", 55.0, 10, target=55.0).met
    assert not Figure("a", "b", 54.9, 10, target=55.0).met
    assert Figure("a", "b", 54.9, 10).met is None
    assert Figure("a", "b", math.nan, 10).text() == "-"


def test_single_emotions_imply_sentiment():
    labels = np.zeros((4, 7), np.float32)
    for row, emotions in enumerate([(3,), (6,), (5,), (0, 3)]):
        labels[row, list(emotions)] = 1
    implied = implied_sentiment(labels)[:, 0]
    assert implied[:2].tolist() == [2.0, 1.0]
    assert np.isnan(implied[2:]).all()


@pytest.mark.data
def test_published_corpora_are_read_whole(data_dir):
    from affect_pipe.fusion.datasets import fer2013, goemotions, meld, mosi, ravdess, sst5

    assert len(meld.texts(meld.read(data_dir, "train"))) == 9989
    assert len(meld.texts(meld.read(data_dir, "dev"))) == 1109
    assert (len(sst5.read(data_dir, "train")), len(sst5.read(data_dir, "dev"))) == (8544, 1101)
    assert len(goemotions.read(data_dir, "dev")) == 5426
    assert (len(mosi.read(data_dir, "train")), len(mosi.read(data_dir, "test"))) == (62, 31)
    assert (len(ravdess.read(data_dir, "train")), len(ravdess.read(data_dir, "dev"))) == (840, 240)
    assert len(fer2013.read(data_dir, "dev")) == 3589
