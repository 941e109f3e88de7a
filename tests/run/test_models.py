"""``affect-pipe models`` as a user types it."""

import json
import os
import subprocess
import sys

import pytest

from affect_pipe.cli import main


@pytest.fixture
def models(capsys):
    def call(*arguments):
        code = main(["models", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("good 1.0 2.0\nbad -1.0 0.5\n")
    return path


def assert_one_sentence(err, *parts):
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    for part in parts:
        assert part in err


def test_the_list_names_checkpoints_and_weights(models):
    code, out, err = models()
    assert (code, err) == (0, "")
    for name in ("starter", "minilm", "whisper-base", "bert-base-uncased", "glove.840B.300d"):
        assert any(line.split()[:1] == [name] for line in out.splitlines()), name
    assert "2.2 GB" in out
    assert models("list")[1] == out


@pytest.mark.parametrize("arguments", [("--json",), ("list", "--json")])
def test_the_list_for_programs(models, arguments, tmp_path):
    listed = json.loads(models(*arguments)[1])
    assert listed["store"] == str(tmp_path / "models")
    assert {c["name"]: c["weights"] for c in listed["checkpoints"]}["starter"] == ["minilm"]
    base = next(w for w in listed["weights"] if w["name"] == "whisper-base")
    assert (base["licence"], base["size"]) == ("MIT", 145_262_807)


def test_own_files_through_all_actions(models, vectors, tmp_path, monkeypatch):
    code, out, _ = models("add", "my-vectors", vectors)
    assert (code, out) == (0, f"my-vectors: added, {tmp_path / 'models' / 'my-vectors'}\n")
    assert "my-vectors" in models()[1]
    info = json.loads(models("info", "my-vectors", "--json")[1])
    assert [f["name"] for f in info["files"]] == ["vectors.txt"]
    assert info["here"] == str(tmp_path / "models" / "my-vectors")
    code, out, _ = models("bundle", "my-vectors", "--out", tmp_path / "m.tar")
    assert code == 0
    assert str(tmp_path / "m.tar") in out

    monkeypatch.setenv("AFFECT_PIPE_MODELS", str(tmp_path / "bare"))
    assert "my-vectors" not in models()[1]
    code, out, _ = models("load", tmp_path / "m.tar")
    assert (code, out.split(",")[0]) == (0, "my-vectors: loaded")
    assert (tmp_path / "bare" / "my-vectors" / "vectors.txt").read_text() == vectors.read_text()
    assert models("verify", "my-vectors")[0] == 0
    (tmp_path / "bare" / "my-vectors" / "vectors.txt").write_text("other")
    code, out, _ = models("verify")
    assert code == 1
    assert "vectors.txt has another SHA-256" in out
    assert models("remove", "my-vectors")[0] == 0
    assert not (tmp_path / "bare" / "my-vectors").exists()


def test_info_of_a_checkpoint_and_of_published_weights(models):
    assert "weights: minilm" in models("info", "starter")[1]
    out = models("info", "vggface")[1]
    assert "vgg_face_dag.pth: not published, SHA-256 not published" in out
    assert "here: no" in out


def test_pull_without_a_network(models, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, _, err = models("pull", "glove.6B.300d")
    assert code == 1
    said = "HF_HUB_OFFLINE", "glove.6B.zip", "models pull glove.6B", "models load glove.6B.tar"
    assert_one_sentence(err, *said)


def test_pull_of_what_is_here_needs_no_network(models, monkeypatch, vectors):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    models("add", "my-vectors", vectors)
    code, out, err = models("pull", "my-vectors", "--for", "egemaps,facemesh")
    assert (code, err) == (0, "")
    assert "is here already" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pull",), "--checkpoint"),
        (("pull", "--for", "nosuch"), "nosuch"),
        (("pull", "--for", "whisper:huge"), "huge"),
        (("pull", "--checkpoint", "nosuch"), "nosuch"),
        (("pull", "../up"), "cannot be the name"),
        (("info", "a b"), "cannot be the name"),
        (("bundle", "--out", "x.tar"), "--for"),
        (("load", "nowhere.tar"), "nowhere.tar"),
        (("add", "mine", "nowhere"), "nowhere"),
        (("remove", "mine"), "mine"),
    ],
)
def test_bad_use_is_one_sentence(models, arguments, said):
    code, _, err = models(*arguments)
    assert code == 2
    assert_one_sentence(err, said)


def test_a_bad_archive_is_one_sentence_and_no_bad_use(models, sample):
    code, _, err = models("load", sample)
    assert code == 1
    assert_one_sentence(err, sample.name)


def test_an_archive_that_cannot_be_written(models, vectors, tmp_path):
    models("add", "my-vectors", vectors)
    code, _, err = models("bundle", "my-vectors", "--out", tmp_path / "no" / "such" / "m.tar")
    assert code == 2
    assert_one_sentence(err, f"there is no folder {tmp_path / 'no' / 'such'}")
    assert "free space" not in err


def test_info_of_what_nobody_knows(models):
    code, out, err = models("info", "nope")
    assert (code, out) == (1, "")
    assert_one_sentence(err, "nothing of that name is published", "models add nope PATH")
    assert "glove.6B.zip" in models("info", "glove.6B.300d")[1]
    assert "page: https://huggingface.co/some/encoder" in models("info", "some/encoder")[1]


def test_recognisers_are_among_what_pull_knows(models):
    code, _, err = models("pull", "--for", "nope")
    assert code == 2
    assert_one_sentence(err, "'nope'", "egemaps", "whisper:SIZE")


def test_damage_is_mended_by_loading_again(models, vectors, tmp_path):
    models("add", "mine", vectors)
    assert models("bundle", "mine", "--out", tmp_path / "m.tar")[1].startswith("mine: 1 file, ")
    with (tmp_path / "models" / "mine" / "vectors.txt").open("a") as file:
        file.write("x")
    assert models("verify", "mine")[0] == 1
    code, _, err = models("load", tmp_path / "m.tar")
    assert code == 2
    assert_one_sentence(err, "damaged or changed", "--replace")
    code, out, _ = models("load", tmp_path / "m.tar", "--replace")
    assert (code, out.split(",")[0]) == (0, "mine: loaded")
    code, out, _ = models("verify", "mine")
    assert (code, out.partition(" (")[0]) == (0, "mine: sound, 1 file checked")


def test_listing_loads_no_model_library(tmp_path):
    program = (
        "import sys; from affect_pipe.cli import main; main(['models', '--json']);"
        "sys.exit(', '.join({'torch', 'transformers', 'whisper', 'mediapipe'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.stderr.strip() == ""
