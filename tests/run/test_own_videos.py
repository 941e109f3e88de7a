"""Training on a folder of videos and a label file, and running what came of it."""

import json
import shutil

import pytest

from affect_pipe import api
from affect_pipe.cli import main
from affect_pipe.fusion.checkpoint import load, read_config, resolve
from affect_pipe.own_videos import own_videos_settings

HEADER = "video,start_s,end_s,text,speaker,sentiment,happy,sad\n"
ROWS = """\
{v},0.8,3.9,On Monday I took my old bicycle to the repair shop.,{s},0,0,0
{v},4.6,8.0,They fixed it in an hour and it rides beautifully.,{s},2,2,0
"""


@pytest.fixture(scope="module")
def folder(clip, tmp_path_factory, ffmpeg):
    """Four videos by four speakers, and their labels."""
    folder = tmp_path_factory.mktemp("own")
    for n, name in enumerate(("a", "b", "c", "d")):
        # Of different loudness, so that they are four files and not one.
        ffmpeg(*("-i", clip, "-c:v", "copy", "-af", f"volume={1 - n / 10}"), folder / f"{name}.mp4")
    labels = HEADER + "".join(ROWS.format(v=v, s=f"speaker {v}") for v in "abcd")
    (folder / "labels.csv").write_text(labels, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("own-cache"))


SMALL = ["--backbone-settings", '{"gru_width": 4, "dense_width": 4}', "--epochs", "2"]


def train(folder, out, cache, *more):
    arguments = ["--videos", folder, "--labels", folder / "labels.csv", "--out", out, *SMALL, *more]
    return main(["train", *map(str, arguments), "--cache-dir", cache])


@pytest.fixture(scope="module")
def trained(folder, cache, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "first"
    assert train(folder, out, cache) == 0
    return out


def test_what_was_trained_is_run_at_once(trained, clip, cache, tmp_path, capsys):
    code = main(
        ["run", str(clip), "--model", str(trained), "--cache-dir", cache, "--out", str(tmp_path)]
    )
    assert code == 0, capsys.readouterr().err
    result = json.loads((tmp_path / "clip.affect.json").read_text())
    assert result["model"]["name"] == "first"
    for utterance in result["utterances"]:
        assert set(utterance["sentiment"]["probabilities"]) == {"negative", "neutral", "positive"}
        assert all(m["present"] for m in utterance["modalities"].values())


def test_nobody_is_in_two_splits_and_everything_is_reported(trained):
    report = json.loads((trained / "report.json").read_text())
    videos = [video for ids in report["splits"].values() for video in ids]
    assert sorted(videos) == ["a", "b", "c", "d"]
    assert {"train", "dev"} <= set(report["splits"])
    assert "sentiment_class" in report["scores"]["dev"]
    config = read_config(resolve(trained))
    assert {task.name for task in config.tasks} == {
        *("sentiment_class", "sentiment_intensity", "emotion_class", "emotion_intensity")
    }
    for name in ("metrics.jsonl", "environment.json", "config.json", "state.safetensors"):
        assert (trained / name).is_file(), name


def test_the_same_again_gives_the_same_weights(trained, folder, cache, tmp_path):
    assert train(folder, tmp_path / "first", cache) == 0
    again, first = load(resolve(tmp_path / "first")), load(resolve(trained))
    for name, value in first.model.state_dict().items():
        assert value.equal(again.model.state_dict()[name]), name


def test_a_broken_video_is_left_out_and_told(folder, cache, tmp_path, capsys):
    mixed = tmp_path / "mixed"
    shutil.copytree(folder, mixed)
    (mixed / "e.mp4").write_text("no video at all")
    with (mixed / "labels.csv").open("a") as stream:
        stream.write(ROWS.format(v="e", s="speaker e") + ROWS.format(v="gone", s="speaker f"))
    assert train(mixed, tmp_path / "out", cache) == 0
    err = capsys.readouterr().err
    assert "e is left out" in err
    assert "no media for gone" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--backbone", "nosuch"], "unknown backbone"),
        (["--features", "minilm,nosuch"], "unknown feature"),
        (["--features", "minilm,minilm"], "one a modality"),
        (["--feature-settings", '{"nosuch": {}}'], "unknown feature 'nosuch'"),
        (["--feature-settings", '{"facemesh": {"rate": 5}}'], "did you mean 'rate_hz'?"),
        (["--features", "minilm", "--feature-settings", '{"facemesh": {}}'], "not among"),
        (["--feature-settings", "nosuch.toml"], "nor a file"),
        (["--epochs", "0"], "epochs"),
        (["--classes", "4"], "classes"),
        (["--backbone-settings", "{"], "no JSON"),
        (["--data", "x"], "takes no --data"),
        (["--batch-size", "0"], "batch_size cannot be 0"),
        (["--learning-rate", "-1"], "learning_rate cannot be -1"),
        (["--learning-rate", "inf"], "learning_rate cannot be inf"),
        (["--loss-weighting", "lucky"], "'fixed' or 'uncertainty'"),
        (["--normalisation", "minmax"], "'none', 'z' or 'shrink'"),
        (["--evidence-accuracy", "80"], "evidence_accuracy cannot be 80"),
        (["--evidence-accuracy", "nan"], "evidence_accuracy cannot be nan"),
    ],
)
def test_bad_use_is_one_sentence(folder, cache, tmp_path, capsys, more, part):
    assert train(folder, tmp_path / "out", cache, *more) == 2
    err = capsys.readouterr().err
    assert part in err
    assert err.count("\n") == 1, err
    assert not (tmp_path / "out").exists()


def test_too_few_labels_calibrate_nothing_and_it_is_said(trained):
    report = json.loads((trained / "report.json").read_text())
    assert any("not calibrated" in warning for warning in report["warnings"])
    assert {task.temperature for task in read_config(resolve(trained)).tasks} == {1.0}


def test_a_training_that_diverges_is_one_sentence(folder, cache, tmp_path, capsys):
    more = ["--backbone", "mlp", "--backbone-settings", "{}", "--learning-rate", "1e30"]
    assert train(folder, tmp_path / "far", cache, *more) == 1
    err = capsys.readouterr().err
    assert "lower the learning rate" in err
    assert "unexpected" not in err


def test_going_on_with_nothing_is_said(folder, cache, tmp_path, capsys):
    assert train(folder, tmp_path / "fresh", cache, "--resume") == 0
    assert "nothing is saved" in capsys.readouterr().err
    weights = tmp_path / "fresh" / "checkpoint" / "model.safetensors"
    card = tmp_path / "fresh" / "checkpoint" / "README.md"
    assert weights.stat().st_mode == card.stat().st_mode


def test_a_missing_label_file_is_bad_use(folder, tmp_path, capsys):
    arguments = ["--videos", folder, "--labels", tmp_path / "no.csv", "--out", tmp_path / "out"]
    assert main(["train", *map(str, arguments)]) == 2
    assert "no label file" in capsys.readouterr().err


def test_a_run_folder_is_not_overwritten(trained, folder, cache, capsys):
    assert train(folder, trained, cache) == 2
    assert "holds a run already" in capsys.readouterr().err


def test_finished_training_is_gone_on_with_at_once(trained, folder, cache):
    before = (trained / "checkpoint" / "model.safetensors").read_bytes()
    assert train(folder, trained, cache, "--resume") == 0
    assert (trained / "checkpoint" / "model.safetensors").read_bytes() == before


def test_training_is_set_from_the_command_line(folder, cache, tmp_path, capsys):
    chosen = {
        "--loss-weighting": "uncertainty",
        "--normalisation": "shrink",
        "--batch-size": "1",
        "--learning-rate": "0.02",
        "--evidence-accuracy": "0.8",
    }
    out = tmp_path / "chosen"
    assert train(folder, out, cache, *(word for pair in chosen.items() for word in pair)) == 0
    config = read_config(resolve(out))
    assert {settings.kind for settings in config.normalisation.values()} == {"shrink"}
    training = config.training["training"]
    assert training["loss_weighting"]["kind"] == "uncertainty"
    assert (training["batch_size"], training["learning_rate"]) == (1, 0.02)
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    for record in records:
        assert set(record["delta"]) == {task.name for task in config.tasks}
    # Four videos of two utterances leave too little to choose a limit by.
    assert config.evidence is None
    assert "it takes 50 to choose one" in capsys.readouterr().err
    assert json.loads((out / "report.json").read_text())["evidence"] is None
    assert train(folder, out, cache, "--resume") == 2
    assert "differing: settings" in capsys.readouterr().err


def test_features_can_be_chosen(folder, cache, tmp_path):
    report = api.train_on_videos(
        folder,
        folder / "labels.csv",
        tmp_path / "voice",
        features=["egemaps"],
        settings=own_videos_settings({"backbone": "mlp"}, {"epochs": 1}),
        run=api.RunSettings(cache_dir=cache),
    )
    assert [spec.name for spec in read_config(report.checkpoint).feature_specs()] == ["egemaps"]
