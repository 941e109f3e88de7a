"""Readers of the starter's corpora, against files in the published layouts."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from affect_pipe.fusion.config import EMOTION_CLASSES
from affect_pipe.fusion.datasets import fer2013, goemotions, meld, mosi, ravdess, sst5
from affect_pipe.fusion.datasets.files import CorpusError
from affect_pipe.pipeline.errors import UsageError

sys.path.insert(0, str(Path(__file__).parent))
from starter_corpora import write_corpora

READERS = {
    "meld": meld.read,
    "mosi": mosi.read,
    "sst5": sst5.read,
    "goemotions": goemotions.read,
    "ravdess": ravdess.read,
    "fer2013": fer2013.read,
}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    return write_corpora(tmp_path_factory.mktemp("corpora"), ("train", "dev", "test"))


def test_meld_lines_come_in_their_order(corpora):
    dialogues = meld.read(corpora, "train")
    assert [d.id for d in dialogues] == ["0", "1", "2", "3"]
    assert [u.text.split("“")[1] for u in dialogues[2].utterances] == [f"2/{i}”" for i in range(7)]
    first = dialogues[0].utterances
    names = [EMOTION_CLASSES[u.emotion] for u in first]
    assert names == ["anger", "disgust", "fear", "happy", "no-emotion", "sad", "surprise"]
    assert [u.sentiment for u in first] == [0, 0, 0, 2, 1, 0, 2]
    assert [u.speaker for u in first] == list("ABCABCA")


def test_mosi_videos_come_in_their_order(corpora):
    train, test = mosi.read(corpora, "train"), mosi.read(corpora, "test")
    assert [(v.id, len(v.texts)) for v in train + test] == [("a", 6), ("b", 6), ("c", 8)]
    # Video b was written backwards from row 0, labels alternating from 0.
    assert train[1].positive == (True, False, True, False, True, False)


def test_sst5_grades_become_intensities(corpora):
    sentences = sst5.read(corpora, "dev")
    assert [s.intensity for s in sentences[:5]] == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert sentences[0].text.endswith(".")
    assert sentences[0].text[0].isalpha()


def test_goemotions_labels_are_several(corpora):
    comments = goemotions.read(corpora, "test")
    assert len(comments) == 22
    names = [tuple(EMOTION_CLASSES[e] for e in c.emotions) for c in comments]
    assert names[0] == ("anger", "happy")
    assert names[4] == ("no-emotion",)
    assert names[10] == ("happy",)  # 3,3 counts once
    assert comments[-1].text == "one\u2028comment"


@pytest.mark.parametrize(
    ("split", "actors"), [("train", {1, 2, 14}), ("dev", {15, 18}), ("test", {19, 24})]
)
def test_ravdess_splits_by_actor(corpora, split, actors):
    clips = ravdess.read(corpora, split)
    assert {clip.actor for clip in clips} == actors
    calm = next(clip for clip in clips if clip.path.name.startswith("03-01-02-02"))
    assert (EMOTION_CLASSES[calm.emotion], calm.strong) == ("no-emotion", True)
    surprised = next(clip for clip in clips if clip.path.name.startswith("03-01-08-01"))
    assert (EMOTION_CLASSES[surprised.emotion], surprised.strong) == ("surprise", False)


def test_fer2013_classes_are_ours(corpora):
    faces = fer2013.read(corpora, "train")
    assert faces.images.shape == (28, 48, 48)
    names = [EMOTION_CLASSES[e] for e in faces.emotions[:7]]
    assert names == ["anger", "disgust", "fear", "happy", "no-emotion", "sad", "surprise"]


@pytest.mark.parametrize("name", READERS)
def test_missing_corpus_is_bad_usage(name, tmp_path):
    with pytest.raises(UsageError, match=str(tmp_path)):
        READERS[name](tmp_path, "train")


BROKEN = {
    "meld": ("text/meld_train.csv", b"Utterance,Speaker\nhello,A\n", "no column Emotion"),
    "meld label": (
        "text/meld_train.csv",
        b"Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\nhi,A,bored,neutral,0,0\n",
        "bored",
    ),
    "sst5": ("text/sst5_train.txt", b"2 fine .\n7 what\n", "line 2"),
    "sst5 bytes": ("text/sst5_train.txt", b"2 \xff\xfe\n", "UTF-8"),
    "goemotions": ("text/goemotions_ekman_train.tsv", b"hello\t9\tid\n", "line 1"),
    "mosi": ("mosi/mosi_mmmuba.npz", b"PK\x03\x04 but no archive", "cannot be read"),
    "fer2013": ("fer2013/fer2013_train.npz", b"", "cannot be read"),
    "ravdess": ("ravdess/Actor_01/laugh.flac", b"", "not named"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_malformed_corpus_is_named(name, tmp_path):
    write_corpora(tmp_path, ("train",))
    path, content, said = BROKEN[name]
    (tmp_path / path).write_bytes(content)
    with pytest.raises(CorpusError, match=said) as caught:
        READERS[name.split()[0]](tmp_path, "train")
    assert Path(path).name in str(caught.value)


def test_pickles_are_not_read(tmp_path):
    write_corpora(tmp_path, ("train",))
    objects = np.array([{"a": 1}], dtype=object)
    np.savez(
        tmp_path / "fer2013/fer2013_train.npz", images=objects, labels=objects, classes=objects
    )
    with pytest.raises(CorpusError, match="allow_pickle"):
        fer2013.read(tmp_path, "train")
