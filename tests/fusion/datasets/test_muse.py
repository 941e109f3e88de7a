"""MuSe-Sent's folders of CSV files."""

from __future__ import annotations

import numpy as np
import pytest

from affect_pipe.fusion.datasets.files import CorpusError
from affect_pipe.fusion.datasets.muse import read_muse, windows
from affect_pipe.pipeline.errors import UsageError


def write_csv(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join("" if v is None else str(v) for v in row) for row in rows]
    path.write_text("\n".join([header, *lines]) + "\n")


@pytest.fixture(name="root")
def _root(tmp_path):
    for video in ("1", "2", "3"):
        steps = [(0, 1), (250, 1), (500, 1), (1000, 2), (1250, 2), (1500, None)]
        feature = tmp_path / "feature_segments"
        write_csv(
            feature / "vggish" / f"{video}.csv",
            "timestamp,segment_id,0,1",
            [(t, s, t / 1000, int(video)) for t, s in steps],
        )
        write_csv(
            feature / "egemaps" / f"{video}.csv",
            "timestamp,segment_id,F0",
            # 10 ms late, one value not known, one step of segment 2 absent.
            [(10, 1, 5), (260, 1, None), (510, 1, 7), (1010, 2, 8)],
        )
        write_csv(
            feature / "bert" / f"{video}.csv",
            "timestamp,segment_id,0",
            # Rows in another order than the steps.
            [(500, 1, 3.5), (0, 1, 1.5), (250, 1, 2.5), (1000, 2, 4.5), (1250, 2, 5.5)],
        )
        if video != "3":
            write_csv(
                tmp_path / "label_segments" / "arousal" / f"{video}.csv",
                "segment_id,class_id",
                [(1, 4), (2, 0)],
            )
            write_csv(
                tmp_path / "label_segments" / "valence" / f"{video}.csv",
                "timestamp,value,segment_id",
                [(0, 1, 1), (250, 2, 1), (500, 3, 1), (1000, 0, 2), (1250, None, 2)],
            )
    write_csv(
        tmp_path / "partition.csv",
        "Id,Proposal",
        [("1", "train"), ("2", "devel"), ("3", "test")],
    )
    return tmp_path


def test_steps_are_aligned_by_their_times(root):
    corpus = read_muse(root, ["vggish", "egemaps", "bert"])
    assert corpus.description.splits == {"train": 2, "dev": 2, "test": 2}
    assert corpus.description.modalities["acoustic"].columns == (
        *("vggish_0", "vggish_1", "egemaps_F0"),
    )
    assert corpus.description.labels == ("arousal_class", "valence_class")
    first, second = corpus.dialogues["train"]
    assert (first.id, second.id) == ("1_1", "1_2")
    np.testing.assert_array_equal(first.features["text"][:, 0], [1.5, 2.5, 3.5])
    np.testing.assert_array_equal(
        first.features["acoustic"], [[0, 1, 5], [0.25, 1, 0], [0.5, 1, 7]]
    )
    np.testing.assert_array_equal(second.features["acoustic"], [[1, 1, 8], [1.25, 1, 0]])
    np.testing.assert_array_equal(first.targets["arousal_class"][:, 0], [4, 4, 4])
    np.testing.assert_array_equal(second.targets["arousal_class"][:, 0], [0, 0])
    np.testing.assert_array_equal(first.targets["valence_class"][:, 0], [1, 2, 3])
    np.testing.assert_array_equal(second.targets["valence_class"][:, 0], [0, np.nan])
    np.testing.assert_array_equal(first.present[0], [True, True, False])
    # The rows without a segment belong to none.
    assert sum(len(d) for d in corpus.dialogues["train"]) == 5
    test = corpus.dialogues["test"][0]
    assert np.isnan(test.targets["arousal_class"]).all()
    assert corpus.description.warnings == ("1 videos have no labels",)


def test_a_feature_without_a_value_is_absent(root):
    corpus = read_muse(root, {"text": ["bert"], "visual": ["egemaps"]}, dimensions=("arousal",))
    first, second = corpus.dialogues["train"]
    np.testing.assert_array_equal(first.present[:, 2], [True, False, True])
    np.testing.assert_array_equal(second.present[:, 2], [True, False])
    assert corpus.description.labels == ("arousal_class",)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("partition.csv", "Id,Proposal\n../../etc/passwd,train\n", "line 2 is no video"),
        ("partition.csv", "Id,Proposal\n1,sometimes\n", "train, devel or test"),
        ("feature_segments/vggish/1.csv", "timestamp,0\n0,1\n", "no column segment_id"),
        ("feature_segments/vggish/1.csv", "timestamp,segment_id,0\n0,1,x\n", "not numbers"),
        ("feature_segments/vggish/1.csv", "timestamp,segment_id,0\n0,1\n", "cannot be read"),
        ("feature_segments/vggish/1.csv", "timestamp,segment_id,0\n,1,2\n", "no timestamp"),
        ("feature_segments/vggish/2.csv", "timestamp,segment_id,0\n0,1,2\n", "1 columns where 2"),
        ("label_segments/arousal/1.csv", "segment_id,class_id\n1,5\n", "class_id 5, expected a"),
        ("label_segments/arousal/1.csv", "segment_id,value\n1,0.3\n", "not those of MuSe-Wilder"),
        ("label_segments/arousal/1.csv", "segment_id,x\n1,0\n", "expected class_id"),
    ],
)
def test_wrong_files_are_told(root, name, content, match):
    (root / name).write_text(content)
    with pytest.raises(CorpusError, match=match):
        read_muse(root, ["vggish"])


def test_unknown_and_missing_features_are_told(root):
    with pytest.raises(UsageError, match="which modality the feature 'mine' is"):
        read_muse(root, ["mine"])
    with pytest.raises(UsageError, match="there is no file"):
        read_muse(root, {"text": ["mine"]})
    with pytest.raises(UsageError, match="at least one feature"):
        read_muse(root, [])


def test_windows_cover_every_step(root):
    (segment, _) = read_muse(root, ["bert"]).dialogues["train"]
    parts = windows(segment, length=2, hop=1)
    assert [list(p.features["text"][:, 0]) for p in parts] == [[1.5, 2.5], [2.5, 3.5]]
    assert [p.id for p in parts] == ["1_1", "1_1+1"]
    (whole,) = windows(segment, length=200, hop=100)
    np.testing.assert_array_equal(whole.features["text"], segment.features["text"])
    with pytest.raises(ValueError, match="0 < hop"):
        windows(segment, 2, 3)
