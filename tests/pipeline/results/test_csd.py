"""``.csd`` files with h5py, against the layout and the metadata fields of CMU-MultimodalSDK."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from affect_pipe.fusion.datasets.csd import open_csd
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.results.csd import open_csd_writer
from affect_pipe.pipeline.results.feature_file import FeatureFile
from affect_pipe.pipeline.results.sequences import timed_rows

h5py = pytest.importorskip("h5py")
# The template of the SDK's metadata, by which it tells whether a sequence is complete.
REQUIRED = (
    *("root name", "computational sequence description", "dimension names"),
    *("computational sequence version", "alignment compatible", "dataset name", "dataset version"),
    *("creator", "contact", "featureset bib citation", "dataset bib citation"),
)


def table(leading, values, level="frame", columns=("a", "b")):
    feature = {"name": "voice", "modality": "acoustic", "version": "1", "settings": {}}
    about = {"level": level, "feature": feature, "licence": "x", "media": {"file": "v.mp4"}}
    return FeatureFile(
        about,
        leading,
        {},
        columns,
        ("",) * len(columns),
        np.array(values, np.float32).reshape(-1, len(columns)),
    )


def moments(*times):
    values = [[i, -i] for i in range(len(times))]
    return table({"time_s": np.array(times)}, values)


def test_the_file_is_laid_out_as_the_sdk_writes_it(tmp_path):
    path = tmp_path / "voice.csd"
    with open_csd_writer(path, "my videos") as writer:
        assert writer.add("deep/one", moments(0.05, 0.15, 0.25)) == 3
        assert writer.add("two[1]", moments(0.5)) == 1
        assert writer.add("silent", moments()) == 0
    with h5py.File(path, "r") as file:
        assert list(file) == ["voice"]
        root = file["voice"]
        assert sorted(root) == ["data", "metadata"]
        # The SDK takes slashes for groups and brackets for its own segments.
        assert sorted(root["data"]) == ["deep_one", "two(1)"]
        for entry in root["data"].values():
            assert sorted(entry) == ["features", "intervals"]
            assert entry["features"].ndim == entry["intervals"].ndim == 2
            assert len(entry["features"]) == len(entry["intervals"])
        np.testing.assert_allclose(
            root["data/deep_one/intervals"], [[0, 0.1], [0.1, 0.2], [0.2, 0.3]], atol=1e-9
        )
        metadata = {name: json.loads(root["metadata"][name][0]) for name in root["metadata"]}
    assert set(REQUIRED) <= set(metadata)
    assert metadata["root name"] == "voice"
    assert metadata["dimension names"] == ["a", "b"]
    assert metadata["dataset name"] == "my videos"


def test_our_reader_of_the_published_files_reads_it(tmp_path):
    path = tmp_path / "voice.csd"
    with open_csd_writer(path, "x") as writer:
        writer.add("one", moments(1.0, 1.5, 2.0))
    with open_csd(path) as sequence:
        assert sequence.names == ("one",)
        assert sequence.columns(2) == ("a", "b")
        np.testing.assert_array_equal(sequence.read("one").features, [[0, 0], [1, -1], [2, -2]])


def test_the_same_features_give_the_same_bytes(tmp_path):
    made = []
    for name in ("a.csd", "b.csd"):
        with open_csd_writer(tmp_path / name, "x") as writer:
            writer.add("one", moments(1.0, 1.5))
        made.append((tmp_path / name).read_bytes())
        time.sleep(1.1)  # HDF5 counts whole seconds, where it counts
    assert made[0] == made[1]


def added(path, *videos):
    with open_csd_writer(path, "x") as writer:
        for name, file in videos:
            writer.add(name, file)


def test_two_videos_of_one_name_and_other_columns_are_refused(tmp_path):
    path, one = tmp_path / "voice.csd", moments(1.0)
    with pytest.raises(UsageError, match="two videos are called 'a_b'"):
        added(path, ("a/b", one), ("a_b", one))
    other = table({"time_s": np.array([1.0])}, [[1.0]], columns=("c",))
    with pytest.raises(UsageError, match="other columns"):
        added(path, ("a", one), ("b", other))
    assert not path.exists()


def test_only_the_speakers_rows_are_kept_and_nothing_is_nan():
    leading = {
        "time_s": np.array([0.0, 0.0, 0.1, 0.1]),
        "track": (0, 1, 0, 1),
        "speaking": (0, 1, None, 1),
    }
    rows = timed_rows(table(leading, [[1, 1], [2, np.nan], [3, 3], [4, np.inf]]))
    np.testing.assert_array_equal(rows.values, [[2, 0], [4, 0]])
    utterances = {
        "start_s": np.array([0.0, 2.0]),
        "end_s": np.array([1.0, 3.0]),
        "present": np.array([True, False]),
    }
    rows = timed_rows(table(utterances, [[1, 1], [np.nan, np.nan]], "utterance"))
    assert rows.values.tolist() == [[1, 1]]
    assert rows.spans_s.tolist() == [[0.0, 1.0]]


def test_where_nobody_tells_who_speaks_the_face_seen_most_is_taken():
    leading = {"time_s": np.array([0.0, 0.0, 0.1, 0.2]), "track": (0, 1, 1, 0)}
    rows = timed_rows(table(leading, [[0, 0], [1, 1], [1, 1], [0, 0]]))
    assert rows.values.tolist() == [[0, 0], [0, 0]]


def test_a_row_does_not_reach_across_a_gap():
    rows = timed_rows(moments(1.0, 1.1, 1.2, 9.0))
    np.testing.assert_allclose(rows.spans_s[2:], [[1.15, 1.25], [8.95, 9.05]], atol=1e-9)
    assert len(rows.within(1.05, 8.96)) == 2
