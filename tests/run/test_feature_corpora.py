"""Features of real videos as research code reads them, from the command line."""

from __future__ import annotations

import json
import pickle
import shutil

import h5py
import numpy as np
import pytest

from affect_pipe.cli import main
from affect_pipe.fusion.datasets.csd import open_csd
from affect_pipe.fusion.datasets.mmsa import read_mmsa


@pytest.fixture
def folder(clip, tmp_path):
    """Three videos and what somebody says of them."""
    folder = tmp_path / "videos"
    folder.mkdir()
    lines = ["video,start_s,end_s,text,sentiment,split"]
    for name, split in (("one", "train"), ("two", "dev"), ("three", "test")):
        shutil.copy(clip, folder / f"{name}.mp4")
        lines += [
            f"{name},0.8,3.9,On Monday I took my old bicycle to the repair shop.,0.5,{split}",
            f"{name},4.6,7.5,They fixed it in an hour,-1,{split}",
        ]
    (tmp_path / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_labelled_videos_become_a_file_mmsa_can_train_on(folder, tmp_path, capsys):
    asked = ["--format", "mmsa", "--labels", str(tmp_path / "labels.csv")]
    assert main(["extract", str(folder), *asked, "--out", str(tmp_path / "out")]) == 0
    assert "2 clips in train, 2 clips in valid, 2 clips in test" in capsys.readouterr().out
    path = tmp_path / "out" / "mmsa_unaligned.pkl"
    with path.open("rb") as file:
        content = pickle.load(file)
    train = content["train"]
    assert train["id"] == ["one$_$0.8", "one$_$4.6"]
    # 100 frames of sound a second; ten looks at the face.
    assert train["audio_lengths"] == pytest.approx([310, 290], abs=4)
    assert train["vision_lengths"] == pytest.approx([31, 29], abs=2)
    assert train["text"].shape == (2, 1, 384)
    assert all(np.isfinite(train[key]).all() for key in ("text", "audio", "vision"))
    assert (np.abs(train["vision"]).sum(axis=(1, 2)) > 0).all()
    # The same video in every split has the same features.
    for key in ("audio", "vision", "text"):
        np.testing.assert_array_equal(train[key], content["test"][key])
    (dialogue,) = read_mmsa(path).dialogues["train"]
    assert dialogue.present.all()


def test_videos_become_one_sequence_a_feature(folder, clip, tmp_path, capsys):
    asked = ["--format", "csd", "--level", "frame", "--features", "egemaps"]
    (folder / "broken.mp4").write_bytes(b"no video")
    assert main(["extract", str(folder), *asked, "--out", str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    assert "broken.mp4 was not extracted" in captured.err
    path = tmp_path / "out" / "egemaps.frame.csd"
    with open_csd(path) as sequence:
        assert sequence.names == ("one", "three", "two")
        entry = sequence.read("one")
        assert (np.diff(entry.intervals[:, 0]) > 0).all()
        assert entry.intervals[-1, 1] == pytest.approx(8, abs=0.2)
    with h5py.File(path) as file:
        assert json.loads(file["egemaps/metadata/root name"][0]) == "egemaps"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--format", "mmsa"], "needs --labels"),
        (["--labels", "{labels}"], "needs --labels"),
        (["--format", "mmsa", "--labels", "{labels}", "--features", "egemaps"], "one feature of"),
        (["--format", "mmsa", "--labels", "none.csv"], "no label file"),
        (["--format", "excel"], "unknown format"),
    ],
)
def test_what_does_not_fit_is_said_before_any_work(folder, tmp_path, capsys, arguments, part):
    given = [a.format(labels=tmp_path / "labels.csv") for a in arguments]
    assert main(["extract", str(folder), *given, "--out", str(tmp_path / "o")]) == 2
    assert part in capsys.readouterr().err
