"""What makes a video due again, as far as it is known without any work: weights named by path."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from affect_pipe.batch_work import Identities
from affect_pipe.extractors.speech.own_weights import named_anywhere, own_weights
from affect_pipe.pipeline.batch.records import Item
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.settings import RunSettings

FOLDER = ("config.json", "tokenizer.json", "model.bin")


@pytest.fixture
def identity(tmp_path: Path, sample: Path):
    """From a name of a recogniser to the identity of the sample; digests are kept."""

    def identify(asr: str) -> str:
        settings = RunSettings(asr=asr, cache_dir=str(tmp_path / "cache"))
        return Identities(settings, explain=False).opened()(Item(str(sample), "a"))

    return identify


def file_of_weights(folder: Path) -> Path:
    folder.mkdir()
    (folder / "own.pt").write_bytes(b"weights")
    return folder / "own.pt"


def folder_of_weights(folder: Path) -> Path:
    (folder / "own").mkdir(parents=True)
    for name in FOLDER:
        (folder / "own" / name).write_bytes(b"weights")
    return folder / "own"


@pytest.mark.parametrize(
    ("name", "make"), [("whisper", file_of_weights), ("faster-whisper", folder_of_weights)]
)
def test_bytes_and_name_of_weights_count_and_not_their_place(tmp_path, identity, name, make):
    path = make(tmp_path / "one")
    before = identity(f"{name}:{path}")
    assert identity(f"{name}:{make(tmp_path / 'two')}") == before
    assert identity(f"{name}:tiny") != before
    # Results name the model.
    other = path.with_name(f"other{path.suffix}")
    if path.is_dir():
        shutil.copytree(path, other)
    else:
        shutil.copy(path, other)
    assert identity(f"{name}:{other}") != before
    for file in own_weights(f"{name}:{path}"):
        file.write_bytes(b"weiGhts")
        after = identity(f"{name}:{path}")
        assert after != before
        before = after


def test_all_that_is_read_of_a_folder_counts(tmp_path):
    path = folder_of_weights(tmp_path / "one")
    assert {file.name for file in own_weights(f"faster-whisper:{path}")} == set(FOLDER)
    assert own_weights("faster-whisper:tiny") == own_weights("whisper:base") == ()
    assert own_weights("auto") == ()


def test_a_path_holds_from_any_folder(tmp_path, monkeypatch):
    path = file_of_weights(tmp_path / "one")
    monkeypatch.chdir(tmp_path)
    named = named_anywhere(f"whisper:{os.path.join('one', 'own.pt')}")
    assert named == f"whisper:{path}"
    assert named_anywhere("whisper:tiny.en") == "whisper:tiny.en"
    with pytest.raises(UsageError, match=r"no Whisper weights at .*none\.pt"):
        named_anywhere("whisper:none.pt")
