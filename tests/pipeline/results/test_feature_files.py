"""Feature files, read back by independent readers: the same numbers in every format."""

import csv
import json
import zipfile

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from affect_pipe.pipeline.errors import ResultError
from affect_pipe.pipeline.frame_table import FrameTable
from affect_pipe.pipeline.records import FeatureBlock, FeatureSpec, Media, Utterance
from affect_pipe.pipeline.results.csv_result import restore
from affect_pipe.pipeline.results.feature_file import FORMATS, Origin, file_of_block, file_of_table
from affect_pipe.pipeline.results.feature_formats import write_feature_file


@pytest.fixture
def origin(tmp_path):
    media = Media(tmp_path / "clip.mp4", "d1", "mp4", 9.0, None, None)
    return Origin(media, "free to use")


def spec_of(columns):
    return FeatureSpec("pitch", "acoustic", len(columns), columns, "3", {"a": [1]}, backend="b 1")


@pytest.fixture
def block_file(origin):
    utterances = [
        Utterance(0, 0.1, 1.7, '=HYPERLINK("x"), "quoted", \U0001f600'),
        Utterance(1, 2.0, 3.0, "two\nlines", speaker="Ann"),
        Utterance(2, 1 / 3, 4.0, ""),
    ]
    awkward = [[0.1, -1e-30, 3.0], [1 / 3, 16777216.0, 3e38], [0, 0, 0]]
    block = FeatureBlock(
        spec=spec_of(("f0", "level", "x")),
        values=np.array(awkward, np.float32),
        present=np.array([True, True, False]),
        reasons=(None, None, "silence"),
        quality={"snr_db": np.array([0.1, np.nan, np.nan], np.float32)},
    )
    return file_of_block(block, utterances, ("Hz", "dB", ""), origin)


@pytest.fixture
def table_file(origin):
    table = FrameTable(
        spec=spec_of(("mean",)),
        columns=("f0", "level"),
        units=("Hz", "dB"),
        time_s=np.array([0.0, 0.1, 0.1]),
        values=np.array([[1 / 3, -np.inf], [np.nan, 2.0], [1e300, 5e-324]]),
        end_s=np.array([0.1, 0.2, 0.3]),
        labels={"track": (0, 1, 2), "utterance": (None, 0, 0), "word": ("a", None, "c")},
    )
    return file_of_table(table, origin)


def read_csv(path, dtype):
    """Header, and columns as numbers of ``dtype`` where they are numbers."""
    with path.open(newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))

    def numbers(name):
        return np.array([float(cell or "nan") for cell in columns[name]], np.float64).astype(dtype)

    return header, columns, numbers


def test_utterances_in_csv(block_file, tmp_path):
    path = tmp_path / "a.csv"
    write_feature_file(block_file, path, "csv")
    header, columns, numbers = read_csv(path, np.float32)
    assert header == [
        *("start_s", "end_s", "text", "speaker", "present", "reason", "snr_db", "f0", "level", "x")
    ]
    assert restore(columns["text"][0]) == block_file.leading["text"][0]
    assert columns["text"][0].startswith("'=")
    assert columns["text"][1] == "two\nlines"
    assert columns["speaker"] == ("", "Ann", "")
    assert columns["present"] == ("true", "true", "false")
    assert columns["reason"] == ("", "", "silence")
    assert [float(cell) for cell in columns["start_s"]] == [0.1, 2.0, 1 / 3]
    for k, name in enumerate(("f0", "level", "x")):
        np.testing.assert_array_equal(numbers(name), block_file.values[:, k])
        assert columns[name][2] == ""
    beside = json.loads((tmp_path / "a.csv.json").read_text("utf-8"))
    assert [c["name"] for c in beside["columns"]] == header
    assert {c["name"]: c["unit"] for c in beside["columns"]}["level"] == "dB"
    assert beside["feature"]["settings"] == {"a": [1]}
    assert beside["licence"] == "free to use"


def test_frames_in_csv(table_file, tmp_path):
    write_feature_file(table_file, tmp_path / "a.csv", "csv")
    header, columns, numbers = read_csv(tmp_path / "a.csv", np.float64)
    assert header == ["time_s", "end_s", "track", "utterance", "word", "f0", "level"]
    assert columns["utterance"] == ("", "0", "0")
    assert columns["word"] == ("a", "", "c")
    np.testing.assert_array_equal(numbers("f0"), table_file.values[:, 0])
    np.testing.assert_array_equal(numbers("level"), table_file.values[:, 1])


@pytest.mark.parametrize("which", ["block_file", "table_file"])
def test_parquet_has_the_same_numbers(which, request, tmp_path):
    file = request.getfixturevalue(which)
    path = tmp_path / "a.parquet"
    write_feature_file(file, path, "parquet")
    table = pq.read_table(path)
    assert table.column_names == [*file.leading, *file.columns]
    for k, name in enumerate(file.columns):
        column = table[name].to_numpy()
        assert column.dtype == file.values.dtype
        np.testing.assert_array_equal(column, file.values[:, k])
    for name, cells in file.leading.items():
        found = table[name].to_pylist()
        if isinstance(cells, tuple):
            assert tuple(found) == cells
        else:
            np.testing.assert_array_equal(np.array(found), cells)
    assert json.loads(table.schema.metadata[b"affect_pipe"]) == file.metadata
    units = {f.name: (f.metadata or {}).get(b"unit", b"").decode() for f in table.schema}
    assert [units[name] for name in file.columns] == list(file.column_units)
    assert units[next(iter(file.leading))] == "s"


@pytest.mark.parametrize("which", ["block_file", "table_file"])
def test_npz_needs_no_pickle(which, request, tmp_path):
    file = request.getfixturevalue(which)
    write_feature_file(file, tmp_path / "a.npz", "npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        np.testing.assert_array_equal(found["values"], file.values)
        assert found["values"].dtype == file.values.dtype
        assert tuple(found["columns"]) == file.columns
        assert tuple(found["units"]) == file.column_units
        assert json.loads(str(found["metadata"])) == file.metadata
        for name, cells in file.leading.items():
            if name == "utterance":
                assert found[name].tolist() == [-1, 0, 0]
            elif isinstance(cells, tuple):
                assert found[name].tolist() == ["" if c is None else c for c in cells]
            else:
                np.testing.assert_array_equal(found[name], cells)


@pytest.mark.parametrize("which", ["block_file", "table_file"])
def test_hdf5_has_the_same_numbers(which, request, tmp_path):
    file = request.getfixturevalue(which)
    write_feature_file(file, tmp_path / "a.hdf5", "hdf5")
    with h5py.File(tmp_path / "a.hdf5") as store:
        np.testing.assert_array_equal(store["values"][:], file.values)
        assert tuple(store["columns"].asstr()[:]) == file.columns
        assert tuple(store["units"].asstr()[:]) == file.column_units
        assert json.loads(store.attrs["metadata"]) == file.metadata
        assert store.attrs["feature"] == "pitch"
        assert store.attrs["licence"] == "free to use"
        first = next(iter(file.leading))
        assert store[first].attrs["unit"] == "s"
        np.testing.assert_array_equal(store[first][:], file.leading[first])
        if "text" in store:
            assert tuple(store["text"].asstr()[:]) == file.leading["text"]
            assert store["present"][:].tolist() == [True, True, False]


@pytest.mark.parametrize("format_", FORMATS)
def test_nothing_to_tell_is_a_file_with_a_header(format_, origin, tmp_path):
    none = FrameTable(spec_of(("a",)), ("f0", "x"), ("Hz", ""), np.zeros(0), np.zeros((0, 2)),
                      labels={"track": (), "word": ()})  # fmt: skip
    path = tmp_path / f"a.{format_}"
    write_feature_file(file_of_table(none, origin), path, format_)
    if format_ == "csv":
        assert path.read_bytes() == b"time_s,track,word,f0,x\r\n"
    elif format_ == "parquet":
        table = pq.read_table(path)
        assert table.num_rows == 0
        assert [str(f.type) for f in table.schema] == [
            *("double", "int64", "string", "double", "double")
        ]
    elif format_ == "npz":
        with np.load(path, allow_pickle=False) as found:
            assert found["values"].shape == (0, 2)
    else:
        with h5py.File(path) as store:
            assert store["values"].shape == (0, 2)


@pytest.mark.parametrize("format_", FORMATS)
def test_the_same_again_is_the_same_bytes(format_, block_file, tmp_path, monkeypatch):
    paths = [tmp_path / f"{n}.{format_}" for n in "ab"]
    write_feature_file(block_file, paths[0], format_)
    # A format that writes down when it was written would show here.
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_feature_file(block_file, paths[1], format_)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    if format_ == "npz":
        assert {entry.date_time[0] for entry in zipfile.ZipFile(paths[0]).infolist()} == {1980}


@pytest.mark.parametrize("format_", FORMATS)
def test_an_older_file_stays_where_the_new_one_fails(format_, block_file, tmp_path, monkeypatch):
    path = tmp_path / f"a.{format_}"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ResultError, match="No space left"):
        write_feature_file(block_file, path, format_)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("format_", FORMATS)
def test_words_no_format_can_hold_do_not_stop_the_file(format_, origin, tmp_path):
    block = FeatureBlock(
        spec_of(("f0",)), np.ones((1, 1), np.float32), np.ones(1, bool), (None,), {}
    )
    file = file_of_block(block, [Utterance(0, 0, 1, "a\0b\ud800c")], ("",), origin)
    path = tmp_path / f"a.{format_}"
    write_feature_file(file, path, format_)
    assert file.leading["text"] == ("a\N{REPLACEMENT CHARACTER}b?c",)


def test_two_columns_of_one_name_are_refused(origin):
    block = FeatureBlock(
        spec_of(("text",)), np.ones((1, 1), np.float32), np.ones(1, bool), (None,), {}
    )
    with pytest.raises(ValueError, match="columns are called text"):
        file_of_block(block, [Utterance(0, 0, 1, "")], ("",), origin)


def test_long_tables_are_written_in_parts(origin, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 3)).astype(np.float32)
    table = FrameTable(spec_of(("a",)), ("x", "y", "z"), ("", "", ""), np.arange(50.0), values)
    file = file_of_table(table, origin)
    for module, name in (("feature_csv", "_CHUNK"), ("feature_parquet", "_GROUP_CELLS")):
        monkeypatch.setattr(f"affect_pipe.pipeline.results.{module}.{name}", 16)
    write_feature_file(file, tmp_path / "a.parquet", "parquet")
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups > 5
    np.testing.assert_array_equal(pq.read_table(tmp_path / "a.parquet")["z"].to_numpy(),
                                  values[:, 2])  # fmt: skip
    write_feature_file(file, tmp_path / "a.csv", "csv")
    read = np.loadtxt(tmp_path / "a.csv", delimiter=",", skiprows=1, dtype=np.float32)
    np.testing.assert_array_equal(read[:, 1:], values)
