"""Computational sequences, written with h5py in the layout of CMU-MultimodalSDK."""

from __future__ import annotations

import json

import numpy as np
import pytest

from affect_pipe.fusion.config import EMOTIONS
from affect_pipe.fusion.datasets.cmu import mean_row, read_cmu
from affect_pipe.fusion.datasets.csd import open_csd
from affect_pipe.fusion.datasets.files import CorpusError
from affect_pipe.fusion.datasets.folds import installed_folds, read_folds
from affect_pipe.pipeline.errors import UsageError

h5py = pytest.importorskip("h5py")

# The order in the published CMU_MOSEI_Labels.csd.
MOSEI = ["sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear"]


def write_csd(path, root, entries, names=None):
    """What the SDK's deploy writes: gzip, one text a metadata key."""
    with h5py.File(path, "w") as file:
        group = file.create_group(root)
        data = group.create_group("data")
        for name, (features, intervals) in entries.items():
            entry = data.create_group(name)
            options = {"compression": "gzip", "compression_opts": 9}
            entry.create_dataset("features", data=features, **options)
            entry.create_dataset("intervals", data=np.asarray(intervals, float), **options)
        metadata = group.create_group("metadata")
        for key, value in {"root name": root, "dimension names": names}.items():
            text = metadata.create_dataset(key, (1,), dtype=h5py.string_dtype())
            text[0] = json.dumps(value)
    return path


@pytest.fixture(name="mosei")
def _mosei(tmp_path):
    """Two videos; the segments of the first are stored out of order."""
    labels = {
        "vidA": (
            # second in time, then first
            [[-3.0, 0, 0, 3.0, 0, 1.5, 0], [1.0, 2.0, 0, 0, 0, 0, 0]],
            [[2.0, 4.0], [0.0, 2.0]],
        ),
        "vidB": ([[0.0, 0, 0, 0, 0, 0, 0]], [[1.0, 3.0]]),
        "vidC": ([[0.5, 0, 0, 0, 0, 0, 0.3]], [[0.0, 1.0]]),
    }
    vectors = {
        "vidA": (
            # Words of 0.5 s; the fourth ends on the border, the fifth spans it (middle inside 2-4).
            [[1, 10], [3, 10], [0, 0], [5, 10], [7, 20], [9, 40]],
            [[0, 0.5], [0.5, 1], [1, 1.5], [1.5, 2], [1.9, 2.4], [3, 3.5]],
        ),
        "vidB": ([[2, 2]], [[1.0, 1.5]]),
        "vidC": ([[4, 4]], [[0, 1]]),
    }
    frames = {
        "vidA": (
            [[1.0, -np.inf, 1], [3.0, 5.0, 1], [np.nan, np.inf, 2], [4.0, 1e300, 4]],
            [[0, 1], [1, 2], [2, 3], [3, 4]],
        ),
        # no acoustic rows of vidB at all
        "vidC": ([[1.0, 2.0, 3.0]], [[0, 1]]),
    }
    words = {
        "vidA": (
            np.array([[b"good"], [b"day"], [b"sp"], [b"sir"], [b"no"], [b"way"]], dtype="S32"),
            vectors["vidA"][1],
        ),
        "vidB": (np.array([[b"sp"]], dtype="S32"), [[1.0, 1.5]]),
        "vidC": (np.array([[b"well"]], dtype="S32"), [[0, 1]]),
    }
    folds = tmp_path / "folds.json"
    folds.write_text(json.dumps({"train": ["vidA", "vidZ"], "valid": ["vidB"], "test": []}))
    return {
        "labels": write_csd(tmp_path / "labels.csd", "All Labels", labels, MOSEI),
        "text": write_csd(tmp_path / "glove.csd", "glove_vectors", vectors),
        "acoustic": write_csd(tmp_path / "covarep.csd", "COVAREP", frames, ["F0", "VUV", "NAQ"]),
        "words": write_csd(tmp_path / "words.csd", "words", words),
        "folds": read_folds(folds, "CMU-MOSEI"),
    }


def read(mosei, **options):
    features = {m: mosei[m] for m in ("text", "acoustic") if m not in options.pop("without", ())}
    return read_cmu("CMU-MOSEI", mosei["labels"], features, mosei["folds"], **options)


def test_mosei_loads_to_the_expected_utterances(mosei):
    corpus = read(mosei)
    assert corpus.description.splits == {"train": 1, "dev": 1}
    assert corpus.description.dims == {"text": 2, "acoustic": 3}
    assert corpus.description.modalities["acoustic"].columns == ("F0", "VUV", "NAQ")
    (a,), (b,) = corpus.dialogues["train"], corpus.dialogues["dev"]
    # Segment 0-2 s: words 1, 2 and 4 (the third is a pause of zeros); 2-4 s: words 5 and 6.
    np.testing.assert_allclose(a.features["text"], [[3, 10], [8, 30]])
    # -inf, NaN and numbers beyond float32 count for nothing, column by column.
    np.testing.assert_allclose(a.features["acoustic"], [[2, 5, 1], [4, 0, 3]])
    np.testing.assert_allclose(a.targets["sentiment_intensity"][:, 0], [1 / 3, -1])
    np.testing.assert_array_equal(a.targets["sentiment_class"][:, 0], [2, 0])
    degrees = dict(zip(EMOTIONS, a.targets["emotion_intensity"].T, strict=True))
    np.testing.assert_allclose(degrees["happy"], [2 / 3, 0])
    np.testing.assert_allclose(degrees["anger"], [0, 1])
    np.testing.assert_allclose(degrees["disgust"], [0, 0.5])
    # anger, disgust, fear, happy, sad, surprise, no-emotion
    np.testing.assert_array_equal(
        a.targets["emotion_class"], [[0, 0, 0, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0]]
    )
    np.testing.assert_array_equal(b.targets["emotion_class"], [[0, 0, 0, 0, 0, 0, 1]])
    np.testing.assert_array_equal(b.present, [[True, False, False]])
    assert not b.features["acoustic"].any()
    warnings = " ".join(corpus.description.warnings)
    assert "1 labelled videos are in no fold" in warnings
    assert "1 of 3 utterances have no acoustic features" in warnings


def test_words_go_through_an_encoder_without_pauses(mosei):
    asked = []

    def encode(texts):
        asked.extend(texts)
        return np.array([[len(text), 1, 2, 3] for text in texts], dtype=np.float32)

    corpus = read(mosei, without=("text",), words=mosei["words"], encode=encode)
    assert "good day sir" in asked
    assert "no way" in asked
    (a,), (b,) = corpus.dialogues["train"], corpus.dialogues["dev"]
    np.testing.assert_array_equal(a.features["text"][:, 0], [12, 6])
    assert not b.present.any(), "a pause is no text"


def test_seven_classes_round_the_annotators_mean(mosei):
    (a,) = read(mosei, classes=7).dialogues["train"]
    np.testing.assert_array_equal(a.targets["sentiment_class"][:, 0], [4, 0])


def test_files_that_the_sdk_aligned_are_read_by_their_segments(tmp_path, mosei):
    labels = write_csd(
        tmp_path / "l.csd",
        "All Labels",
        {f"vidA[{k}]": ([[float(s), 0, 0, 0, 0, 0, 0]], [[k, k + 1]]) for k, s in ((0, 1), (1, 2))},
    )
    text = write_csd(
        tmp_path / "t.csd",
        "glove_vectors",
        # No row lies in the segment by its time: the name alone says where it belongs.
        {"vidA[1]": ([[1, 1], [3, 3]], [[90, 91], [91, 92]]), "vidA[0]": ([[7, 7]], [[80, 81]])},
    )
    corpus = read_cmu("CMU-MOSEI", labels, {"text": text}, {"vidA": "train"})
    (a,) = corpus.dialogues["train"]
    np.testing.assert_array_equal(a.features["text"], [[7, 7], [2, 2]])


def test_mosi_has_sentiment_alone(tmp_path, mosei):
    labels = write_csd(
        tmp_path / "o.csd", "Opinion Segment Labels", {"vidB": ([[2.4]], [[1.0, 3.0]])}
    )
    corpus = read_cmu("CMU-MOSI", labels, {"text": mosei["text"]}, {"vidB": "test"})
    assert corpus.description.labels == ("sentiment_class", "sentiment_intensity")
    np.testing.assert_allclose(
        corpus.dialogues["test"][0].targets["sentiment_intensity"], [[0.8]], rtol=1e-6
    )
    with pytest.raises(CorpusError, match="1 labels an utterance"):
        read_cmu("CMU-MOSEI", labels, {"text": mosei["text"]}, {"vidB": "test"})


def test_emotion_columns_of_facet_are_warned_of(tmp_path, mosei):
    names = ["anger", "joy", "au1"]
    facet = write_csd(tmp_path / "f.csd", "FACET 4.2", {"vidA": ([[1.0, 2, 3]], [[0.5, 1]])}, names)
    nameless = write_csd(tmp_path / "g.csd", "FACET 4.2", {"vidA": ([[1.0, 2, 3]], [[0.5, 1]])})
    for path, expected in ((facet, r"\(anger, joy\)"), (nameless, "without names")):
        corpus = read_cmu("CMU-MOSEI", mosei["labels"], {"visual": path}, mosei["folds"])
        with pytest.raises(AssertionError, match=expected):
            assert not corpus.description.warnings


def test_labels_outside_their_scale_are_named(tmp_path, mosei):
    labels = write_csd(tmp_path / "x.csd", "O", {"vidA": ([[7.0]], [[0, 1]])})
    with pytest.raises(CorpusError, match="sentiment 7 in 'vidA', expected -3 to 3"):
        read_cmu("CMU-MOSI", labels, {}, {"vidA": "train"})


def test_the_mean_of_rows():
    np.testing.assert_array_equal(mean_row(np.array([[0.0, 0], [2, -np.inf], [4, 6]])), [3, 6])
    assert np.isnan(mean_row(np.zeros((3, 2)))).all()
    assert np.isnan(mean_row(np.zeros((0, 2)))).all()


# Hostile files


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file, file["glove_vectors/data/vidA"])
    return path


def _replace(entry, make):
    del entry["features"]
    make(entry)


def _external_storage(file, entry):
    import os

    secret = os.path.join(os.path.dirname(file.filename), "secret.bin")
    with open(secret, "wb") as stream:
        stream.write(bytes(96))
    _replace(
        entry,
        lambda e: e.create_dataset("features", (6, 2), "f8", external=[(secret, 0, 96)]),
    )


def _virtual(file, entry):
    layout = h5py.VirtualLayout((6, 2), "f8")
    layout[:] = h5py.VirtualSource("/etc/elsewhere.h5", "x", (6, 2))
    _replace(entry, lambda e: e.create_virtual_dataset("features", layout))


HOSTILE = {
    "external link": (
        lambda f, e: _replace(
            e, lambda e: e.__setitem__("features", h5py.ExternalLink("/etc/x.h5", "/y"))
        ),
        "link to /etc/x.h5",
    ),
    "soft link": (
        lambda f, e: _replace(e, lambda e: e.__setitem__("features", h5py.SoftLink("/nowhere"))),
        "is a link",
    ),
    "external storage": (_external_storage, "lies in another file"),
    "virtual": (_virtual, "lies in another file"),
    # A file of a few bytes that claims terabytes.
    "huge": (
        lambda f, e: _replace(
            e, lambda e: e.create_dataset("features", (10**9, 1000), "f8", chunks=(100, 100))
        ),
        "1000000000000 values",
    ),
    "no rows for intervals": (
        lambda f, e: _replace(e, lambda e: e.create_dataset("features", data=np.zeros((3, 2)))),
        r"features \[3, 2\] and intervals \[6, 2\]",
    ),
    "three axes": (
        lambda f, e: _replace(e, lambda e: e.create_dataset("features", data=np.zeros((6, 2, 2)))),
        r"expected \[n, d\]",
    ),
    "references": (
        lambda f, e: _replace(
            e, lambda e: e.create_dataset("features", (6, 2), dtype=h5py.ref_dtype)
        ),
        "expected numbers or text",
    ),
    "intervals backwards": (
        lambda f, e: e["intervals"].__setitem__((0, 0), 99.0),
        "ends before it starts",
    ),
    "intervals unknown": (
        lambda f, e: e["intervals"].__setitem__((0, 0), np.nan),
        "not all finite",
    ),
    "group for array": (
        lambda f, e: _replace(e, lambda e: e.create_group("features")),
        "no array",
    ),
    "two groups": (lambda f, e: f.create_group("other") and None, "2 groups at the top"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused_in_one_sentence(mosei, kind):
    change, match = HOSTILE[kind]
    edit(mosei["text"], change)
    with pytest.raises(CorpusError, match=match) as caught:
        read(mosei)
    assert str(mosei["text"]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_hdf5_at_all(tmp_path):
    path = tmp_path / "x.csd"
    path.write_bytes(b"no HDF5 " * 100)
    with pytest.raises(CorpusError, match="not a computational sequence"), open_csd(path):
        pass
    with pytest.raises(UsageError, match="there is no file"), open_csd(tmp_path / "y.csd"):
        pass


def test_truncated_files_never_come_back_as_features(mosei, tmp_path):
    whole = mosei["text"].read_bytes()
    for cut in range(0, len(whole), max(1, len(whole) // 12)):
        path = tmp_path / "cut.csd"
        path.write_bytes(whole[:cut])
        with pytest.raises(CorpusError):
            read_cmu("CMU-MOSEI", mosei["labels"], {"text": path}, mosei["folds"])


# Folds


def test_folds_of_the_sdk_are_parsed_and_never_run(tmp_path):
    module = tmp_path / "cmu_mosei_std_folds.py"
    module.write_text(
        "import os\nos.mkdir('ran')\n"
        "standard_train_fold=['a','b']\nstandard_valid_fold=['c']\nstandard_test_fold=['d']\n"
    )
    assert read_folds(module, "X") == {"a": "train", "b": "train", "c": "dev", "d": "test"}
    assert not (tmp_path / "ran").exists()
    module.write_text("standard_train_fold = __import__('os').listdir('.')\n")
    with pytest.raises(CorpusError, match="gives no folds"):
        read_folds(module, "X")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"train": ["a"], "test": ["a"]}', "'a' into train and into test"),
        ('{"train": ["a"], "rest": ["b"]}', "'rest', expected train, dev or test"),
        ('{"test": ["a"]}', "no list of training videos"),
        ('{"train": "a"}', "no list of video names"),
        ("[1]", "no lists by name"),
        ("[" * 100_000, "gives no folds"),
    ],
)
def test_wrong_folds_are_told(tmp_path, text, match):
    path = tmp_path / "folds.json"
    path.write_text(text)
    with pytest.raises(CorpusError, match=match):
        read_folds(path, "X")


def test_folds_of_an_installed_sdk_are_found_without_importing_it(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"cmu_mosi_std_folds\.py"):
        installed_folds("CMU-MOSI")
    folder = tmp_path / "mmsdk" / "mmdatasdk" / "dataset" / "standard_datasets" / "CMU_MOSI"
    folder.mkdir(parents=True)
    (tmp_path / "mmsdk" / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "cmu_mosi_std_folds.py").write_text("standard_train_fold = ['v']")
    monkeypatch.syspath_prepend(tmp_path)
    assert read_folds(installed_folds("CMU-MOSI"), "CMU-MOSI") == {"v": "train"}
