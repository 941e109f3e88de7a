"""Files of word vectors in the published formats, read by another, naive way and by this one."""

import gzip
import json
import pickle
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from affect_pipe.extractors.text.glove.extractor import GloVe
from affect_pipe.extractors.text.glove.kept import left_out
from affect_pipe.pipeline.errors import CacheError, MissingWeightsError, UsageError

# As in the 840B release: words with spaces (plain and hard), words of several fields of which one
# is a number, bytes that are no text, a word that comes twice; and what a bad copy adds.
ODD_LINES = b"""\
, -0.082752 0.67204 -0.14987
. . . -0.1573 -0.29517 0.30453
at name@domain.com 0.0061218 0.39595 0.1
.\xc2\xa0.\xc2\xa0. 0.5 0.25 -0.125
1 1/2 0.1 0.2 0.3
the 0.27204 -0.06203 -0.1884
\xff\xfe\x80 1 2 3

   \t
the 9 9 9
0.1 0.2 0.3
lonely
short 0.1 0.2
bad 0.1 x 0.3
gap 0.1  0.2 0.3
big 1e400 0 0
nan nan 0 0
under 1_0 0 0
tab\t0.5\t0.5\t0.5
trail 1 2 3 \r
The +1 -.5 2e-3
last 7 8 9"""


def naive(data: bytes, dim: int) -> dict[str, np.ndarray]:
    """The obvious reading, all of it in memory."""
    table: dict[str, np.ndarray] = {}
    for line in data.split(b"\n"):
        fields = line.rstrip(b" \t\r").rsplit(b" ", dim)
        if len(fields) != dim + 1 or b"" in fields:
            fields = line.split()
            fields = [b" ".join(fields[:-dim]), *fields[-dim:]]
        try:
            word = fields[0].decode()
            numbers = np.array([float(field) for field in fields[1:]]).astype(np.float32)
        except ValueError:
            continue
        # Python alone reads 1_0 as ten.
        sound = np.isfinite(numbers).all() and b"_" not in b"".join(fields[1:])
        if word and len(numbers) == dim and sound:
            table.setdefault(word, numbers)
    return table


def kept(folder, data: bytes, name="own.txt"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return GloVe("own", folder=folder).table


def assert_same(table, expected):
    assert len(table) == len(expected)
    rows = table.find(list(expected))
    assert (rows >= 0).all()
    np.testing.assert_array_equal(table.vectors(rows), np.array(list(expected.values())))
    assert [table.word(row) for row in rows] == list(expected)


@pytest.mark.filterwarnings("ignore:overflow")
def test_odd_lines_as_in_the_840b_release(tmp_path, caplog):
    table = kept(tmp_path / "a", ODD_LINES)
    expected = naive(ODD_LINES, 3)
    assert {". . .", "at name@domain.com", "1 1/2", ".\xa0.\xa0.", "gap", "tab"} <= expected.keys()
    assert_same(table, expected)
    counts = dict(table.counts)
    assert (counts["blank"], counts["duplicates"], counts["utf8"]) == (2, 1, 1)
    # Three fields without a word, one field, too few; and four lines with a bad number.
    assert (counts["fields"], counts["numbers"], counts["spaced"]) == (3, 4, 3)
    assert counts["lines"] == 22
    assert counts["words"] == len(expected) == 22 - 2 - 1 - 1 - 3 - 4
    assert "left out 3 without a word" in left_out(counts)
    assert "left out" in caplog.text


def test_what_is_not_there_is_not_found(tmp_path):
    table = kept(tmp_path / "a", ODD_LINES)
    assert (table.find(["THE", "", ".", "bad", "lonely", "\ud800", "nan"]) == -1).all()
    assert table.find([]).shape == (0,)


numbers = st.floats(-1e3, 1e3, width=32).map(lambda value: f"{value:.6g}".encode())
words = st.text(st.characters(exclude_characters="\n\r\t ", exclude_categories=["Cs"]), max_size=6)
lines = st.one_of(
    st.tuples(words.map(str.encode), st.lists(numbers, min_size=4, max_size=4)).map(
        lambda row: b" ".join([row[0], *row[1]])
    ),
    st.binary(max_size=12).filter(lambda raw: b"\n" not in raw),
    st.tuples(words.map(str.encode), words.map(str.encode), st.lists(numbers, max_size=5)).map(
        lambda row: b" ".join([row[0], row[1], *row[2]])
    ),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(lines, max_size=30))
def test_streaming_equals_the_naive_reading(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("table")
    # Without enough whole lines nobody could tell how many columns there are.
    data = b"\n".join([*(b"w%d 1 2 3 4" % i for i in range(32)), *rows])
    assert_same(kept(folder, data), naive(data, 4))


def test_many_blocks_and_exact_rounding(tmp_path):
    random = np.random.default_rng(0)
    # Decimals near halfway between two float32 show double rounding.
    values = random.normal(0, 1, (3000, 200))
    data = b"\n".join(
        b" ".join([b"w%d" % i, *(b"%.17g" % v for v in row)]) for i, row in enumerate(values)
    )
    assert len(data) > 10_000_000
    table = kept(tmp_path / "a", data)
    rows = table.find([f"w{i}" for i in range(3000)])
    np.testing.assert_array_equal(table.vectors(rows), values.astype(np.float32))


def test_memory_does_not_grow_with_the_file(tmp_path):
    numbers = [b" %.5g" % v for v in np.random.default_rng(0).normal(0, 1, 300)] * 2
    path = tmp_path / "a" / "own.txt"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.writelines(
            b"w%d%s\n" % (i, b"".join(numbers[i % 300 : i % 300 + 300])) for i in range(32_000)
        )
    assert path.stat().st_size > 75e6
    tracemalloc.start()
    table = GloVe("own", folder=path.parent).table
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(table) == 32_000
    assert peak < 35e6


def test_the_kept_table_is_a_safetensors_file(tmp_path, models):
    table = kept(tmp_path / "a", b"one 1 2 3\ntwo 4 5 6\nthree 7 8 9\n")
    assert table.path.parent == models / ".tables"
    arrays = load_file(table.path)
    np.testing.assert_array_equal(arrays["vectors"], [[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    assert arrays["words"].tobytes() == b"onetwothree"
    assert (np.diff(arrays["hashes"].astype(object)) > 0).all()


def test_it_is_converted_once_and_again_when_damaged(tmp_path, caplog):
    first = kept(tmp_path / "a", b"one 1 2\ntwo 3 4\n").path
    stamp = first.stat().st_mtime_ns
    assert GloVe("own", folder=tmp_path / "a").table.path == first
    assert first.stat().st_mtime_ns == stamp
    whole = first.read_bytes()
    for damaged in (whole[:-3], b"", b"x" * 5000, whole.replace(b"word table 1", b"word table 9")):
        first.write_bytes(damaged)
        table = GloVe("own", folder=tmp_path / "a").table
        np.testing.assert_array_equal(table.vectors(table.find(["two"])), [[3, 4]])
        assert first.read_bytes() == whole
    assert "damaged" in caplog.text


def test_it_travels_to_another_process_as_a_path(tmp_path):
    table = kept(tmp_path / "a", b"".join(b"w%d 1 2\n" % i for i in range(10_000)))
    sent = pickle.dumps(table)
    assert len(sent) < 1000
    assert pickle.loads(sent).find(["w9999"]) == [9999]


def test_a_store_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AFFECT_PIPE_MODELS", str(tmp_path / "file" / "models"))
    table = kept(tmp_path / "a", b"one 1 2\n")
    assert table.path.parent == tmp_path / "cache" / ".tables"
    monkeypatch.setenv("AFFECT_PIPE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(CacheError, match=r"cannot be kept in .*models nor in .*cache"):
        kept(tmp_path / "b", b"one 1 2\n")


def test_another_source_of_the_same_name_is_another_table(tmp_path):
    a = kept(tmp_path / "a", b"one 1 2\n")
    b = kept(tmp_path / "a", b"one 1 3\n")
    assert b.vectors(b.find(["one"])).tolist() == [[1, 3]]
    assert a.vectors(a.find(["one"])).tolist() == [[1, 2]]


CONVERT = """
import json, sys
from pathlib import Path
from affect_pipe.extractors.text.glove.extractor import GloVe
sys.stdin.readline()
table = GloVe("own", folder=Path(sys.argv[1])).table
print(json.dumps([str(table.path), table.vectors(table.find(["w7", "w19999"])).tolist()]))
"""


def test_several_processes_at_once(tmp_path, models):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "own.txt").write_text("".join(f"w{i} {i} {-i}\n" for i in range(20_000)))
    command = [sys.executable, "-c", CONVERT, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(command, **pipes) for _ in range(3)]
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    found = [json.loads(worker.communicate(timeout=120)[0]) for worker in workers]
    assert len({path for path, _ in found}) == 1
    assert all(rows == [[7, -7], [19999, -19999]] for _, rows in found)
    assert len(list((models / ".tables").iterdir())) == 1


def write_zip(path, members, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_the_member_of_an_archive_that_was_named(models):
    """The layout of glove.6B.zip: four tables, each asked for by its own name."""
    folder = models / "glove.6B"
    folder.mkdir(parents=True)
    tables = {
        f"glove.6B.{n}d.txt": "".join(f"{w}{' 0.5' * n}\n" for w in ("the", "of")) for n in (2, 3)
    }
    write_zip(folder / "glove.6B.zip", {**tables, "__MACOSX/._glove.6B.2d.txt": "x"})
    assert GloVe("glove.6B.2d").spec().dim == 2
    assert GloVe("glove.6B.3d").table.vectors(np.array([0])).shape == (1, 3)
    with pytest.raises(UsageError, match=r"no table 'glove.6B.9d' but glove.6B.2d, glove.6B.3d"):
        GloVe("glove.6B.9d").spec()
    # The plain file under its own name comes before the archive.
    own = models / "glove.6B.3d"
    own.mkdir()
    (own / "glove.6B.3d.txt").write_text("a 1 2 3\n")
    assert GloVe("glove.6B.3d").table.vectors(np.array([0])).tolist() == [[1, 2, 3]]


# Written by gensim 4.4.0, KeyedVectors.save_word2vec_format; float32 of 0.1, 1e-7 and 3e10.
GENSIM_TEXT = "3 3\ncafé 1.0 -2.0 0.5\nNew_York 0.1 1e-07 3e+10\ndo 0.0 0.0 1.0\n".encode()
GENSIM_BINARY = (
    b"3 3\ncaf\xc3\xa9 \x00\x00\x80?\x00\x00\x00\xc0\x00\x00\x00?New_York \xcd\xcc\xcc=\x95\xbf"
    b"\xd63v\x84\xdfPdo \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80?"
)
GENSIM = {"café": [1, -2, 0.5], "New_York": [0.1, 1e-7, 3e10], "do": [0, 0, 1]}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("own.txt", GENSIM_TEXT),
        ("own.vec", GENSIM_TEXT.replace(b"\n", b" \n")),
        ("own.bin", GENSIM_BINARY),
        # The original program ends each vector with a line feed.
        ("own.bin", GENSIM_BINARY.replace(b"?New", b"?\nNew").replace(b"Pdo", b"P\ndo") + b"\n"),
        ("own.bin.gz", gzip.compress(GENSIM_BINARY)),
        ("own.txt.gz", gzip.compress(GENSIM_TEXT)),
    ],
)
def test_word2vec_as_gensim_writes_it(tmp_path, name, data):
    table = kept(tmp_path / "a", data, name)
    assert_same(table, {word: np.float32(row) for word, row in GENSIM.items()})


def test_a_large_binary_table(tmp_path):
    values = np.random.default_rng(0).normal(0, 1, (30_000, 50)).astype("<f4")
    data = b"30000 50\n" + b"".join(
        b"w%d " % i + row.tobytes() + b"\n" for i, row in enumerate(values)
    )
    table = kept(tmp_path / "a", data, "own.bin")
    np.testing.assert_array_equal(
        table.vectors(table.find([f"w{i}" for i in range(30_000)])), values
    )


def test_a_table_of_one_column_whose_first_line_looks_like_a_header(tmp_path):
    table = kept(tmp_path / "a", b"5 7\nsix 8\n")
    assert table.vectors(table.find(["5", "six"])).tolist() == [[7], [8]]


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [
        ("own.bin", GENSIM_BINARY[:-5], "announces 3 words and ends after 2: fetch it again"),
        ("own.txt", GENSIM_TEXT[:-20], "announces 3 words and ends after 2"),
        ("own.txt", b"", "is no table of word vectors"),
        ("own.txt", b"Call me Ishmael. Some years ago\nnever mind how long\n", "is no table"),
        ("own.txt", b"a 1 2\n" + b"b" * 9_000_000, "endless line"),
        ("own.bin", b"\x00\x01\x02\xff" * 1000, "is no table"),
        ("own.zip", b"PK\x03\x04 and no more", "no sound zip archive"),
        ("own.txt.gz", gzip.compress(GENSIM_TEXT)[:-9], "is damaged"),
        ("own.txt.gz", b"plain", "is damaged"),
        ("own.rar", b"", "holds no table of word vectors"),
    ],
)
def test_files_that_are_no_tables(tmp_path, name, data, match, models):
    with pytest.raises(UsageError, match=match):
        kept(tmp_path / "a", data, name)
    assert not list((models / ".tables").glob("*")) if (models / ".tables").exists() else True


def test_an_archive_that_unpacks_to_far_more_than_it_holds(tmp_path):
    (tmp_path / "a").mkdir()
    write_zip(tmp_path / "a" / "own.zip", {"own.txt": b"a 1 2\n" + b"0" * 80_000_000})
    with pytest.raises(UsageError, match="unpacks to 100 times its size"):
        GloVe("own", folder=tmp_path / "a").spec()


def test_a_damaged_archive(tmp_path):
    (tmp_path / "a").mkdir()
    rows = b"".join(b"w%d 0.%d 0.5\n" % (i, i * 7919 % 9973) for i in range(60_000))
    path = tmp_path / "a" / "own.zip"
    write_zip(path, {"own.txt": rows})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UsageError, match="is damaged"):
        _ = GloVe("own", folder=tmp_path / "a").table


def test_other_columns_than_the_name_says(tmp_path):
    (tmp_path / "own.300d.txt").write_text("the 1 2 3\n")
    with pytest.raises(UsageError, match="has 3 columns, not the 300 its name says"):
        GloVe("own.300d", folder=tmp_path).spec()


@pytest.mark.parametrize(
    ("table", "weights"),
    [
        ("glove.6B.300d", "glove.6B"),
        ("glove.twitter.27B.25d", "glove.twitter.27B"),
        ("glove.840B.300d", "glove.840B.300d"),
        ("own.50d", "own.50d"),
    ],
)
def test_which_weights_a_table_lies_in(table, weights):
    assert [w.name for w in GloVe(table).weights()] == [weights]


def test_no_table_says_both_ways_to_get_it():
    with pytest.raises(MissingWeightsError, match=r"glove\.6B.*models pull glove\.6B.*models load"):
        GloVe().spec()
    with pytest.raises(MissingWeightsError, match=r"my-table.*models add my-table PATH"):
        GloVe("my-table").spec()
