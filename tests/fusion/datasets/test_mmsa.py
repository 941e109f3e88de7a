"""MMSA's feature files and the unpickler in front of them."""

from __future__ import annotations

import collections
import contextlib
import datetime
import os
import pathlib
import pickle
import struct
import subprocess

import numpy as np
import pytest

from affect_pipe.fusion.datasets.array_pickle import load_arrays
from affect_pipe.fusion.datasets.files import CorpusError
from affect_pipe.fusion.datasets.mmsa import read_mmsa
from affect_pipe.pipeline.errors import UsageError

STEPS = 4


def split(ids, labels, seed=0, lengths=None):
    """One split as MMSA writes it; padded behind, ones at real steps but for a rising column."""
    rng = np.random.default_rng(seed)
    n = len(ids)
    lengths = np.full(n, STEPS) if lengths is None else np.asarray(lengths)
    real = np.arange(STEPS) < lengths[:, None]
    rising = np.broadcast_to(np.arange(1.0, STEPS + 1), (n, STEPS))
    text = np.stack([np.ones((n, STEPS)), rising, np.repeat(np.arange(n), STEPS).reshape(n, -1)])
    return {
        "raw_text": np.array([f"words of {name}" for name in ids]),
        "audio": np.where(real[..., None], rng.normal(size=(n, STEPS, 5)), 0),
        "vision": np.where(real[..., None], rng.normal(size=(n, STEPS, 3)), 0),
        "id": list(ids),
        "text": (np.moveaxis(text, 0, 2) * real[..., None]).astype(np.float32),
        "text_bert": np.stack([np.full((n, STEPS), 7), real, np.zeros((n, STEPS))], axis=1),
        "annotations": np.array(["Positive" if x > 0 else "Negative" for x in labels]),
        "classification_labels": np.sign(np.array(labels)) + 1.0,
        "regression_labels": np.array(labels, dtype=np.float32),
    }


def aligned():
    return {
        # Clips in the alphabet's order, as some files have them: 10 before 2.
        "train": split(["v1$_$10", "v1$_$2", "v0$_$1"], [1.8, -3.0, 0.0], lengths=[4, 2, 1]),
        "valid": split(["v2$_$1"], [0.4]),
        "test": split(["v3$_$1"], [2.0]),
    }


def save(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_clips_load_to_dialogues_in_order(tmp_path, protocol):
    content = aligned()
    corpus = read_mmsa(save(tmp_path / "aligned_50.pkl", content, protocol))
    assert corpus.description.splits == {"train": 2, "dev": 1, "test": 1}
    assert corpus.description.dims == {"text": 3, "acoustic": 5, "visual": 3}
    v0, v1 = corpus.dialogues["train"]
    assert (v0.id, v1.id) == ("v0", "v1")
    # Clip 2 (row 1, two real steps) stands before clip 10 (row 0, four).
    np.testing.assert_allclose(v1.features["text"], [[1, 1.5, 1], [1, 2.5, 0]])
    np.testing.assert_allclose(
        v1.features["acoustic"][0], content["train"]["audio"][1, :2].mean(axis=0), rtol=1e-5
    )
    np.testing.assert_allclose(v1.targets["sentiment_intensity"][:, 0], [-1, 0.6])
    np.testing.assert_array_equal(v1.targets["sentiment_class"][:, 0], [0, 2])
    np.testing.assert_array_equal(v0.targets["sentiment_class"][:, 0], [1])
    assert v1.present.all()


def test_lengths_of_unaligned_files_count(tmp_path):
    content = aligned()
    train = content["train"]
    train["audio"] = np.arange(3 * STEPS * 2, dtype=float).reshape(3, STEPS, 2) + 1
    train["audio_lengths"] = [2, 9, 0]
    train["vision_lengths"] = np.array([4, 2, 1])
    v0, v1 = read_mmsa(save(tmp_path / "u.pkl", {"train": train})).dialogues["train"]
    np.testing.assert_allclose(v1.features["acoustic"][1], train["audio"][0, :2].mean(axis=0))
    # Longer than the array: it was cut to 50 steps, its length was not.
    np.testing.assert_allclose(v1.features["acoustic"][0], train["audio"][1].mean(axis=0))
    np.testing.assert_array_equal(v0.present, [[True, False, True]])
    assert not v0.features["acoustic"].any()


def test_padding_before_the_steps_is_padding_too(tmp_path):
    train = split(["v$_$1"], [1.0])
    train["vision"] = np.zeros((1, STEPS, 2))
    train["vision"][0, 2:] = [[2, 4], [4, 8]]
    train["vision_lengths"] = [2]
    (v,) = read_mmsa(save(tmp_path / "u.pkl", {"train": train})).dialogues["train"]
    np.testing.assert_array_equal(v.features["visual"], [[3, 6]])


def test_text_can_be_encoded_anew(tmp_path):
    content = aligned()
    del content["train"]["text"]
    path = save(tmp_path / "a.pkl", {"train": content["train"]})
    bare = read_mmsa(path)
    assert "text" not in bare.description.modalities
    assert any("text_bert holds token numbers" in w for w in bare.description.warnings)
    encoded = read_mmsa(path, encode=lambda t: np.array([[len(x)] for x in t], dtype=np.float32))
    np.testing.assert_array_equal(
        encoded.dialogues["train"][1].features["text"], [[len("words of v1$_$2")], [16]]
    )


def test_other_scales_and_classes(tmp_path):
    path = save(tmp_path / "sims.pkl", {"train": split(["v$_$1", "v$_$2"], [-0.2, 1.0])})
    (v,) = read_mmsa(path, sentiment_scale=1, classes=5).dialogues["train"]
    np.testing.assert_allclose(v.targets["sentiment_intensity"][:, 0], [-0.2, 1], rtol=1e-6)
    np.testing.assert_array_equal(v.targets["sentiment_class"][:, 0], [1, 4])
    with pytest.raises(CorpusError, match=r"its train: the label -0\.3 is outside the scale"):
        read_mmsa(
            save(tmp_path / "b.pkl", {"train": split(["v$_$1"], [-0.3])}), sentiment_scale=0.1
        )


def test_videos_in_two_splits_are_told(tmp_path):
    content = {"train": split(["v$_$1"], [1.0]), "test": split(["v$_$2"], [1.0])}
    corpus = read_mmsa(save(tmp_path / "a.pkl", content))
    assert "1 videos have clips in several splits" in corpus.description.warnings[0]
    assert [d.id for part in corpus.dialogues.values() for d in part] == ["v (train)", "v (test)"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda c: c.update(rest={}), "'rest' is none of train, valid and test"),
        (lambda c: c.update(train=[1]), "'train' is none of"),
        (lambda c: c["train"].update(id=["a", "b", "c"]), r"the id 'a' is not video\$_\$clip"),
        (lambda c: c["train"].update(audio=np.zeros((2, 4, 5))), r"expected \[3, l, d\]"),
        (lambda c: c["train"].update(audio=np.array(["a"] * 3)), "audio is <U1"),
        (lambda c: c["train"].update(regression_labels=[1.0]), "expected 3 numbers"),
        (lambda c: c["valid"].update(text=np.zeros((1, 4, 9))), "9 columns where 3"),
        (
            lambda c: [c["train"].pop(k) for k in ("regression_labels", "classification_labels")],
            "neither regression_labels nor",
        ),
    ],
)
def test_other_layouts_are_told(tmp_path, change, match):
    content = aligned()
    change(content)
    with pytest.raises(CorpusError, match=match):
        read_mmsa(save(tmp_path / "a.pkl", content))


# The unpickler


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Built:
    def __init__(self):
        self.anything = 1


MALICIOUS = {
    "os.system": (lambda ran: Calls(os.system, f"touch {ran}"), "posix.system|nt.system"),
    "eval": (lambda ran: Calls(eval, f"open({str(ran)!r}, 'w')"), r"\.eval"),
    "exec": (lambda ran: Calls(exec, f"open({str(ran)!r}, 'w')"), r"\.exec"),
    "getattr": (lambda ran: Calls(getattr, "a", "upper"), "getattr"),
    "open": (lambda ran: Calls(open, str(ran), "w"), r"io\.open|\.open"),
    "subprocess": (
        lambda ran: Calls(subprocess.Popen, ["touch", str(ran)]),
        r"(subprocess|commands)\.Popen",
    ),
    "numpy.load": (lambda ran: Calls(np.load, str(ran)), "numpy.load"),
    "numpy.fromfile": (lambda ran: Calls(np.fromfile, str(ran)), "fromfile"),
    "numpy.save": (lambda ran: Calls(np.save, str(ran), [1]), "numpy.save"),
    "numpy.memmap": (lambda ran: Calls(np.memmap, str(ran), "f4", "w+"), "memmap"),
    "object array": (
        lambda ran: np.array([1, Calls(os.system, f"touch {ran}")], dtype=object),
        "system",
    ),
    "object array of lists": (lambda ran: np.array([[1], "a", None], dtype=object), "type list"),
    "instance": (lambda ran: Built(), "Built|copyreg|_reconstructor"),
    "path": (lambda ran: pathlib.PurePosixPath("/etc"), "PurePosixPath"),
    "date": (lambda ran: datetime.date(2020, 1, 1), "datetime.date"),
    "ordered": (lambda ran: collections.OrderedDict(a=1), "OrderedDict"),
    "record array": (lambda ran: np.zeros(2, dtype="i4,f4"), "dtype with fields"),
    "dates": (lambda ran: np.zeros(2, dtype="M8[s]"), "dtype 'M8'"),
    "void": (lambda ran: np.zeros(2, dtype="V8"), "dtype 'V8'"),
    "gigabytes": (lambda ran: Calls(bytearray, 2**62), "made of something else"),
    "function": (lambda ran: {"train": np.dtype}, "a function or a dtype"),
    "dtype": (lambda ran: {"train": np.dtype("f4")}, "a function or a dtype"),
}


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("kind", MALICIOUS)
def test_malicious_pickles_are_refused_and_do_not_run(tmp_path, kind, protocol):
    make, named = MALICIOUS[kind]
    path, ran = tmp_path / "x.pkl", tmp_path / "ran"
    save(path, {"train": make(ran)} if kind != "function" else make(ran), protocol)
    with pytest.raises(CorpusError, match=named) as caught:
        load_arrays(path, "X")
    assert "refused" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not ran.exists()


def _op(text):
    """Opcodes by hand: a marker for protocol 4 and a full stop around them."""
    return b"\x80\x04" + text + b"."


def _short(text):
    return b"\x8c" + bytes([len(text)]) + text.encode()


FORGED = {
    # A name put together on the stack, where no GLOBAL shows it.
    "stack global": (_op(_short("os") + _short("system") + b"\x93"), r"os\.system"),
    # Names with dots reach into modules: numpy.core.multiarray -> anything.
    "dotted": (
        _op(_short("numpy.core.multiarray") + _short("_reconstruct.__globals__") + b"\x93"),
        "__globals__",
    ),
    "persistent id": (b"Psomething\n.", "PERSID"),
    "instance": (b"(ios\nsystem\n.", r"os\.system"),
    "extension": (b"\x80\x02\x82\x01.", "EXT1"),
    # Python makes room for every place below the one that is named.
    "far place": (b"Nr\xff\xff\xff\x7f.", "place 2147483647"),
    # Changes to what is admitted would reach everybody who unpickles after.
    "state of a function": (
        _op(_short("numpy") + _short("dtype") + b"\x93" + b"}" + _short("a") + b"Nsb"),
        "change of numpy.dtype",
    ),
    "array of another type": (
        _op(
            _short("numpy.core.multiarray")
            + _short("_reconstruct")
            + b"\x93"
            + _short("numpy")
            + _short("ndarray")
            + b"\x93"
            + b")\x85R"
            + b"."
        )[:-2],
        "without content|cannot be read",
    ),
}


@pytest.mark.parametrize("kind", FORGED)
def test_forged_opcodes_are_refused(tmp_path, kind):
    content, named = FORGED[kind]
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=named):
        load_arrays(path, "X")


def test_a_dtype_that_lies_about_its_flags_makes_no_pointers(tmp_path):
    """numpy trusts a dtype's flags: objects marked as plain bytes would be read as addresses."""

    class Lying:
        def __reduce__(self):
            # flags 0: "holds no objects"
            return np.dtype, ("O8", False, True), (3, "|", None, None, None, -1, -1, 0)

    class Forged:
        def __reduce__(self):
            made = (np.ndarray, (0,), b"b")
            return (
                np.core.multiarray._reconstruct,
                made,
                (1, (1,), Lying(), False, struct.pack("Q", 0x4141414141414141)),
            )

    with pytest.raises(CorpusError, match="objects that are not listed"):
        load_arrays(save(tmp_path / "x.pkl", {"train": Forged()}), "X")


@pytest.mark.parametrize("module", ["numpy.core", "numpy._core"])
def test_both_numpys_names_are_known(tmp_path, module):
    path = tmp_path / "x.pkl"
    content = pickle.dumps({"a": np.arange(3.0), "b": np.float32(2)}, protocol=2)
    path.write_bytes(content.replace(b"cnumpy.core.", b"c" + module.encode() + b"."))
    loaded = load_arrays(path, "X")
    np.testing.assert_array_equal(loaded["a"], [0, 1, 2])
    assert loaded["b"] == 2
    assert type(loaded["b"]) is np.float32


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_come_back_as_they_were(tmp_path, protocol):
    arrays = {
        "f8": np.linspace(0, 1, 6).reshape(2, 3),
        "big": np.arange(4, dtype=">i4"),
        "fortran": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        "slice": np.arange(10)[::3],
        "empty": np.zeros((0, 50, 3)),
        "none": np.array(5.0),
        "bool": np.array([True, False]),
        "text": np.array(["a", "αβγ"]),
        "bytes": np.array([b"ab", b"c"]),
        "objects": np.array(["text", None, 3, 2.5, b"x"], dtype=object),
    }
    loaded = load_arrays(save(tmp_path / "x.pkl", {"in": [arrays]}, protocol), "X")["in"][0]
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype.kind == array.dtype.kind
        assert loaded[name].shape == array.shape


def test_broken_files_are_told(tmp_path):
    path = tmp_path / "x.pkl"
    whole = pickle.dumps(aligned())
    for content in (b"", b"junk", whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(content)
        with pytest.raises(CorpusError, match="cannot be read as a pickle"):
            load_arrays(path, "X")
    with pytest.raises(UsageError, match="there is no file"):
        load_arrays(tmp_path / "y.pkl", "X")


def test_flipped_bytes_never_run_anything(tmp_path):
    """Of damaged files each is read or refused, none escapes the two."""
    rng = np.random.default_rng(5)
    whole = pickle.dumps({"a": np.arange(4.0), "b": ["x", 1], "c": np.array(["q"])}, protocol=4)
    path = tmp_path / "x.pkl"
    for _ in range(200):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged)
        with contextlib.suppress(CorpusError):
            load_arrays(path, "X")
