"""CMU-MOSI's published features, on a made file and on the real one."""

from __future__ import annotations

import numpy as np
import pytest

from affect_pipe.fusion.datasets import mosi
from affect_pipe.fusion.datasets.corpus import check_features
from affect_pipe.fusion.datasets.files import CorpusError
from affect_pipe.fusion.datasets.leaks import probe_splits
from affect_pipe.fusion.datasets.mosi_features import halvings, read_clean, read_features


def write(folder, **changes):
    """Two train videos and one of test, rows shuffled; every column counts the rows."""
    video = np.array(["a", "b", "a", "b", "c", "b"])
    place = np.array([2, 1, 1, 3, 1, 2])
    n = len(video)
    arrays = {
        "split": np.array(["train", "train", "train", "train", "test", "train"]),
        "video_id": video,
        "utterance": place,
        "transcript": np.array([f"{v}{p}" for v, p in zip(video, place, strict=True)]),
        "label": np.array([1, 0, 0, 1, 1, 0]),
        "text": np.arange(n * 2, dtype=np.float32).reshape(n, 2),
        "audio": np.arange(n * 3, dtype=np.float32).reshape(n, 3),
        "video": np.arange(n, dtype=np.float32).reshape(n, 1),
    }
    mosi.path(folder).parent.mkdir(parents=True, exist_ok=True)
    np.savez(mosi.path(folder), **{**arrays, **changes})
    return folder


def test_utterances_come_in_their_order_with_their_features(tmp_path):
    corpus = read_features(write(tmp_path))
    a, b = corpus.dialogues["train"]
    assert (a.id, b.id) == ("a", "b")
    np.testing.assert_array_equal(b.features["visual"][:, 0], [1, 5, 3])
    np.testing.assert_array_equal(b.features["text"][:, 0], [2, 10, 6])
    np.testing.assert_array_equal(b.targets["sentiment_class"][:, 0], [0, 0, 1])
    assert corpus.description.dims == {"text": 2, "acoustic": 3, "visual": 1}
    assert "learnt from its labels" in corpus.description.warnings[0]
    (_, b3) = read_features(tmp_path, classes=3).dialogues["train"]
    np.testing.assert_array_equal(b3.targets["sentiment_class"][:, 0], [0, 0, 2])


def test_the_clean_track_encodes_the_transcripts(tmp_path):
    codes = {"a1": 1.0, "a2": 2.0, "b1": 3.0, "b2": 4.0, "b3": 5.0, "c1": 6.0}
    corpus = read_clean(
        write(tmp_path), lambda texts: np.array([[codes[t]] for t in texts]), dev_share=0.5
    )
    by_id = {d.id: d for part in corpus.dialogues.values() for d in part}
    np.testing.assert_array_equal(by_id["b"].features["text"][:, 0], [3, 4, 5])
    assert corpus.description.splits == {"train": 1, "dev": 1, "test": 1}
    assert "visual" not in corpus.description.modalities
    assert not by_id["a"].present[:, 2].any()
    with pytest.raises(CorpusError, match="one finite vector each"):
        read_clean(tmp_path, lambda texts: np.full((len(texts), 2), np.nan))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"label": np.arange(6)}, "not all 0 or 1"),
        ({"label": np.zeros(5, int)}, "differ in length"),
        ({"audio": np.full((6, 3), np.nan)}, "not finite"),
        ({"split": np.array(["dev"] * 6)}, "not all train or test"),
    ],
)
def test_other_files_are_told(tmp_path, change, match):
    with pytest.raises(CorpusError, match=match):
        read_features(write(tmp_path, **change))


def test_halvings_part_the_videos_again_and_again():
    videos = [f"v{i}" for i in range(31)]
    found = halvings(videos, np.random.default_rng(7))
    assert len(found) == 50
    for first, second in found:
        assert sorted(first + second) == sorted(videos)
        assert abs(len(first) - len(second)) == 1
    assert len(set(found)) == 50
    # The odd video falls to either side equally often.
    assert sum(len(first) for first, _ in found) == 50 * 31 / 2
    assert found == halvings(videos[::-1], np.random.default_rng(7))
    assert found != halvings(videos, np.random.default_rng(8))
    # Every video is about as often in one half as in the other: 25 of 50, 4 standard deviations.
    counts = [sum(video in first for first, _ in found) for video in videos]
    assert max(abs(count - 25) for count in counts) < 4 * np.sqrt(50 / 4)
    with pytest.raises(ValueError, match="two different videos"):
        halvings(["a", "a"], np.random.default_rng(0))


@pytest.mark.data
def test_the_leak_check_fires_where_features_were_learnt_from_labels(data_dir):
    """Figures of ../shared/data/README.md: text 98 % inside the train split, 75 % outside it."""
    corpus = read_features(data_dir)
    assert corpus.description.splits == {"train": 62, "test": 31}
    assert sum(len(d) for d in corpus.dialogues["train"]) == 1447
    train, test = corpus.dialogues["train"], corpus.dialogues["test"]
    probes = {p.modality: p for p in probe_splits(train, test)}
    assert probes["text"].inside == pytest.approx(0.98, abs=0.01)
    assert probes["text"].outside == pytest.approx(0.75, abs=0.02)
    assert {m for m, p in probes.items() if p.leaks} == {"text", "visual"}
    sentences = check_features(corpus)
    assert [s.split(" ", 1)[0] for s in sentences] == ["text", "visual"]
