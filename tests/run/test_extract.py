"""affect-pipe extract on real media, its files read back by other readers."""

import csv
import json
import shutil

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from affect_pipe import api
from affect_pipe.cli import main
from affect_pipe.extractors.licences import licence_as_set
from affect_pipe.extractors.registry import build
from affect_pipe.extractors.weights.catalogue import wanted
from affect_pipe.extractors.weights.own import add
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.settings import RunSettings

FEATURES = ("egemaps", "minilm", "facemesh")
# The visual feature of the untrained checkpoint: see conftest.
AS_TRAINED = json.dumps({"facemesh": {"functionals": ["mean"]}})


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("extract-cache"))


def extract(cache, *arguments):
    return main(["extract", *map(str, arguments), "--cache-dir", cache])


@pytest.fixture(scope="module")
def heard_clip(clip, tmp_path_factory, ffmpeg):
    """Sound alone."""
    path = tmp_path_factory.mktemp("sound") / "clip.wav"
    ffmpeg("-i", clip, "-vn", path)
    shutil.copy(clip.with_suffix(".srt"), path.with_suffix(".srt"))
    return path


@pytest.fixture(scope="module")
def result(clip, untrained, cache):
    """What a run with a checkpoint found in the clip."""
    return api.analyze(clip, RunSettings(model=str(untrained), cache_dir=cache))


@pytest.fixture(scope="module")
def files(clip, cache, tmp_path_factory):
    """Every feature of the clip at the level of utterances in every format."""
    out = tmp_path_factory.mktemp("features")
    for format_ in ("parquet", "csv", "npz", "hdf5"):
        options = ["--features", ",".join(FEATURES), "--format", format_, "--out", out]
        assert extract(cache, clip, *options, "--feature-settings", AS_TRAINED) == 0
    return out


def test_one_file_a_feature_with_the_names_that_are_promised(files):
    found = {p.name for p in files.iterdir()}
    endings = ("parquet", "csv", "csv.json", "npz", "hdf5")
    assert found == {f"clip.{f}.utterance.{e}" for f in FEATURES for e in endings}


@pytest.mark.parametrize("feature", FEATURES)
def test_the_vectors_are_those_a_run_used(feature, files, result):
    (block,) = [b for b in result.features.blocks.values() if b.spec.name == feature]
    table = pq.read_table(files / f"clip.{feature}.utterance.parquet")
    values = np.stack([table[name].to_numpy() for name in block.spec.columns], axis=1)
    assert block.present.all()
    np.testing.assert_array_equal(values, block.values)
    assert table["start_s"].to_pylist() == [u.start_s for u in result.features.utterances]
    assert table["text"].to_pylist() == [u.text for u in result.features.utterances]
    for name, column in block.quality.items():
        np.testing.assert_array_equal(table[name].to_numpy(), column)


@pytest.mark.parametrize("feature", FEATURES)
def test_every_format_has_the_same_numbers(feature, files):
    table = pq.read_table(files / f"clip.{feature}.utterance.parquet")
    with np.load(files / f"clip.{feature}.utterance.npz", allow_pickle=False) as arrays:
        values, columns = arrays["values"], arrays["columns"].tolist()
        text, metadata = arrays["text"].tolist(), json.loads(str(arrays["metadata"]))
    parquet = np.stack([table[name].to_numpy() for name in columns], axis=1)
    np.testing.assert_array_equal(parquet, values)
    with h5py.File(files / f"clip.{feature}.utterance.hdf5") as store:
        np.testing.assert_array_equal(store["values"][:], values)
        assert store.attrs["media_digest"] == metadata["media"]["digest"]
    with (files / f"clip.{feature}.utterance.csv").open(newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    assert header == table.column_names
    assert header[-len(columns) :] == columns
    read = np.array([row[-len(columns) :] for row in rows], np.float64).astype(np.float32)
    np.testing.assert_array_equal(read, values)
    assert [row[header.index("text")] for row in rows] == text
    beside = json.loads((files / f"clip.{feature}.utterance.csv.json").read_text("utf-8"))
    assert beside.pop("columns")
    assert beside == metadata


def test_a_file_says_where_its_numbers_come_from(files, result):
    table = pq.read_table(files / "clip.egemaps.utterance.parquet")
    metadata = json.loads(table.schema.metadata[b"affect_pipe"])
    assert metadata["media"]["digest"] == result.media.digest
    assert metadata["feature"]["backend"].startswith("opensmile ")
    assert "research" in metadata["licence"]
    assert metadata["transcript"]["source"] == "srt"
    assert metadata["segmentation"]["max_pause_s"] == 0.8
    assert table.schema.field("F1frequency_sma3nz_amean").metadata == {b"unit": b"Hz"}


def test_the_same_again_gives_the_same_bytes_in_place_of_the_old(clip, cache, files, tmp_path):
    old = tmp_path / "clip.egemaps.utterance.npz"
    old.write_bytes(b"old")
    options = ("--features", "egemaps", "--format", "npz", "--out", tmp_path)
    assert extract(cache, clip, *options) == 0
    assert old.read_bytes() == (files / old.name).read_bytes()


def test_faces_by_the_frame(clip, cache, tmp_path, result):
    options = ("--features", "facemesh", "--level", "frame", "--out", tmp_path)
    assert extract(cache, clip, *options) == 0
    table = pq.read_table(tmp_path / "clip.facemesh.frame.parquet")
    time_s = table["time_s"].to_numpy()
    assert (np.diff(time_s) >= 0).all()
    assert len(time_s) > 60
    for number, utterance in enumerate(result.features.utterances):
        inside = (time_s >= utterance.start_s) & (time_s < utterance.end_s)
        assert {n for n, i in zip(table["utterance"].to_pylist(), inside, strict=True) if i} == {
            number
        }
    # One person is in view: the face of every utterance, and nobody's between them.
    assert set(table["speaking"].to_pylist()) == {1, None}
    # Means over an utterance's frames are what a run takes.
    (block,) = [b for b in result.features.blocks.values() if b.spec.name == "facemesh"]
    rows = np.array([n == 0 for n in table["utterance"].to_pylist()])
    for column in ("AU12", "yaw_deg", "shape_003"):
        mean = table[column].to_numpy()[rows].astype(np.float64).mean()
        at = block.spec.columns.index(f"{column}_mean")
        assert mean == pytest.approx(block.values[0, at], rel=1e-5)
    units = {f.name: (f.metadata or {}).get(b"unit") for f in table.schema}
    assert units["yaw_deg"] == b"deg"
    assert units["face_size_px"] == b"px"


def test_settings_reach_the_feature(clip, cache, tmp_path):
    settings = tmp_path / "features.toml"
    settings.write_text('[facemesh]\nrate_hz = 2\ngroups = ["pose"]\n')
    options = ("--level", "frame", "--out", tmp_path, "--feature-settings", settings)
    assert extract(cache, clip, "--features", "facemesh", *options, "--format", "npz") == 0
    with np.load(tmp_path / "clip.facemesh.frame.npz") as found:
        assert np.median(np.diff(found["time_s"])) == pytest.approx(0.5, abs=0.05)
        assert found["columns"].tolist()[:4] == ["yaw_deg", "pitch_deg", "roll_deg", "mouth_open"]


def test_sound_alone(heard_clip, cache, tmp_path, capsys):
    assert extract(cache, heard_clip, "--out", tmp_path, "--format", "csv") == 0
    with (tmp_path / "clip.facemesh.utterance.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["present"] for row in rows] == ["false", "false"]
    assert {row["reason"] for row in rows} == {"no video track"}
    # Zeros would pass for measurements.
    assert {row["AU12_mean"] for row in rows} == {""}
    with (tmp_path / "clip.egemaps.utterance.csv").open(newline="") as stream:
        assert {row["present"] for row in csv.DictReader(stream)} == {"true"}
    options = ("--features", "facemesh", "--level", "frame", "--out", tmp_path)
    assert extract(cache, heard_clip, *options) == 0
    table = pq.read_table(tmp_path / "clip.facemesh.frame.parquet")
    assert table.num_rows == 0
    assert "AU12" in table.column_names
    assert "no video track in this file: no rows of facemesh." in capsys.readouterr().err


def test_a_picture_without_sound_has_no_rows_of_sound(cache, tmp_path, make_media, capsys):
    mute = make_media("mute.mp4", "-f", "lavfi", "-i", "testsrc=s=64x64:r=5:d=1")
    options = ("--features", "egemaps,covarep", "--level", "frame", "--out", tmp_path)
    assert extract(cache, mute, *options) == 0
    assert "no audio track in this file: no rows of egemaps, covarep." in capsys.readouterr().err


def test_frames_of_sound_ask_nobody_for_words(heard_clip, cache, tmp_path):
    alone = shutil.copy(heard_clip, tmp_path / "alone.wav")
    heard = []
    found = api.extract(
        alone,
        ["egemaps"],
        level="frame",
        settings=RunSettings(cache_dir=str(tmp_path / "fresh")),
        listener=lambda event: heard.append(event.stage),
    )
    assert len(found["egemaps"].values) > 700
    assert "speech" not in heard
    assert "transcript" not in found["egemaps"].metadata


def test_nobody_speaks(cache, tmp_path, make_media, capsys):
    quiet = make_media("quiet.wav", "-f", "lavfi", "-i", "anullsrc=r=16000", "-t", 2)
    assert extract(cache, quiet, "--features", "egemaps,minilm", "--out", tmp_path) == 0
    assert "no speech was found in this file" in capsys.readouterr().err
    table = pq.read_table(tmp_path / "quiet.egemaps.utterance.parquet")
    assert table.num_rows == 0
    assert table.num_columns == 8 + 88


def test_a_folder_with_a_broken_video(clip, heard_clip, cache, tmp_path, capsys):
    folder = tmp_path / "in"
    (folder / "a").mkdir(parents=True)
    (folder / "b").mkdir()
    shutil.copy(clip, folder / "a" / "clip.mp4")
    shutil.copy(heard_clip, folder / "b" / "clip.wav")
    for name in ("a", "b"):
        shutil.copy(clip.with_suffix(".srt"), folder / name / "clip.srt")
    (folder / "broken.mp4").write_text("no video at all")
    out = tmp_path / "out"
    assert extract(cache, folder, "--features", "egemaps", "--format", "csv", "--out", out) == 1
    told = capsys.readouterr()
    assert "broken.mp4" in told.err
    assert "skipped" not in told.err  # the transcripts are used
    assert "Traceback" not in told.err
    assert told.out.count("wrote") == 2
    found = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.csv"))
    assert found == ["a/clip.egemaps.utterance.csv", "b/clip.egemaps.utterance.csv"]


def test_a_file_that_vanished_from_a_folder_is_work_that_failed(clip, cache, tmp_path, capsys):
    shutil.copy(clip, tmp_path / "clip.mp4")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    options = ("--features", "egemaps", "--level", "frame", "--out", tmp_path / "out")
    assert extract(cache, tmp_path, *options) == 1
    assert "gone.mp4 does not exist" in capsys.readouterr().err


def test_a_feature_that_fails_leaves_the_others(clip, cache, tmp_path, capsys):
    """A transcript that is none stops what needs words, not the sound."""
    alone = shutil.copy(clip, tmp_path / "alone.mp4")
    (tmp_path / "alone.srt").write_text("no cues at all")
    options = ("--features", "egemaps,facemesh", "--level", "frame", "--out", tmp_path / "out")
    assert extract(cache, alone, *options) == 1
    told = capsys.readouterr()
    assert "facemesh of alone.mp4 was not extracted: " in told.err
    assert "alone.egemaps.frame.parquet" in told.out
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["alone.egemaps.frame.parquet"]


def test_from_python_many_files_come_as_what_was_written(clip, cache, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video at all")
    settings = RunSettings(cache_dir=cache)
    first, second = api.extract_to_files(
        [broken, clip], tmp_path / "out", ["egemaps"], format="npz", settings=settings
    )
    assert not first.paths
    assert "broken.mp4" in str(first.failures[0][1])
    assert [path.name for path in second.paths] == ["clip.egemaps.utterance.npz"]
    assert second.paths[0].is_file()


def test_what_is_no_path_or_no_list_is_one_sentence(clip, tmp_path):
    with pytest.raises(
        UsageError, match=r"text 'covarep': expected a list of names, \['covarep'\]"
    ):
        api.extract(clip, "covarep")
    for call in (api.extract, api.analyze, lambda media: api.extract_to_files(media, tmp_path)):
        with pytest.raises(UsageError, match="media is 5: expected the path of a video"):
            call(5)
    with pytest.raises(UsageError, match="empty name"):
        api.extract_to_files(clip, "", ["egemaps"])


def test_a_checkpoint_trained_with_settings_asks_for_them(clip, cache, tmp_path):
    """The settings of a training reach the contract of its checkpoint."""
    labels = "video,start_s,end_s,text,speaker,sentiment\n"
    for n, name in enumerate("abc"):
        shutil.copy(clip, tmp_path / f"{name}.mp4")
        with (tmp_path / f"{name}.mp4").open("ab") as stream:
            stream.write(bytes([n]))
        labels += f"{name},0.8,3.9,I took my bicycle,{name},1\n{name},4.6,8,It rides,{name},-1\n"
    (tmp_path / "labels.csv").write_text(labels)
    settings = {"egemaps": {"speech_level_db": -20.0}}
    arguments = ["train", "--videos", tmp_path, "--labels", tmp_path / "labels.csv"]
    arguments += ["--out", tmp_path / "run", "--features", "egemaps", "--epochs", 1]
    arguments += ["--backbone-settings", '{"gru_width": 4, "dense_width": 4}']
    arguments += ["--feature-settings", json.dumps(settings), "--cache-dir", cache]
    assert main(list(map(str, arguments))) == 0
    config = json.loads((tmp_path / "run" / "checkpoint" / "config.json").read_text())
    (spec,) = config["features"]
    assert spec["settings"] == {"speech_level_db": -20.0}


@pytest.mark.parametrize(
    ("options", "code", "part"),
    [
        (["--features", "egmaps"], 2, "did you mean 'egemaps'?"),
        (["--features", ","], 2, "no feature is named"),
        (["--features", "minilm", "--level", "frame"], 2, "minilm has no frame level"),
        (["--format", "xlsx"], 2, "unknown format 'xlsx'"),
        (["--asr", "nosuch"], 2, "unknown recogniser"),
        (["--feature-settings", "{"], 2, "not valid JSON"),
        (["--feature-settings", '{"egemaps": 1}'], 2, "expected a table"),
        (["--feature-settings", "[1]"], 2, "neither JSON that begins"),
        (["--feature-settings", "nosuch.toml"], 2, "nor a file that can be read"),
        (["--feature-settings", '{"nosuch": {}}'], 2, "unknown feature 'nosuch'"),
        (["--feature-settings", '{"facemesh": {}}'], 2, "not among the features"),
        (["--feature-settings", '{"egemaps": {"speech_level": 1}}'], 2, "did you mean"),
        (["--feature-settings", '{"egemaps": {"folder": "x"}}'], 2, "has no setting 'folder'"),
        (["--feature-settings", '{"egemaps": {"speech_level_db": "x"}}'], 2, "a number or null"),
        (["--feature-settings", '{"egemaps": {"speech_level_db": 9}}'], 2, "from -100 to 0"),
        (["--feature-settings", '{"egemaps": {"speech_level_db": NaN}}'], 2, "no number of JSON"),
        (["--feature-settings", '{"egemaps": {}, "egemaps": {}}'], 2, "'egemaps' comes twice"),
        (["--out", ""], 2, "--out is given as an empty name"),
        (["--max-pause", "-1"], 2, "max_pause_s"),
        (["--transcript", "nosuch.srt"], 2, "nosuch.srt"),
    ],
)
def test_bad_use_is_one_sentence(clip, cache, tmp_path, capsys, options, code, part):
    features = [] if "--features" in options else ["--features", "egemaps"]
    out = tmp_path / "out"
    assert extract(cache, clip, *features, "--out", out, *options) == code
    err = capsys.readouterr().err
    assert part in err
    assert err.count("\n") == 1, err
    assert not out.exists() or not list(out.iterdir())


def licence_in(path):
    return json.loads(pq.read_table(path).schema.metadata[b"affect_pipe"])["licence"]


def test_own_word_vectors_have_no_licence_of_others(clip, cache, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("bicycle 1.0 2.0\nbad 1\nshop 0.5 0.25\n")
    assert main(["models", "add", "mine", str(tmp_path / "mine.txt")]) == 0
    capsys.readouterr()
    given = ["--features", "glove", "--feature-settings", '{"glove": {"table": "mine"}}']
    for level in ("utterance", "frame"):
        out = tmp_path / level
        assert extract(cache, clip, *given, "--level", level, "--out", out) == 0
        assert licence_in(out / f"clip.glove.{level}.parquet") == (
            "not stated: your own files (mine)"
        )
    # A line that was left out is told once, as every warning is.
    assert capsys.readouterr().err.splitlines() == [
        "affect-pipe: warning: mine: of 3 lines, left out 1 without a word and as many numbers as "
        "the table has columns."
    ]


def test_a_licence_that_came_with_the_weights_is_written(tmp_path):
    """Of an encoder from an archive, and of published ones."""
    given = tmp_path / "given"
    given.mkdir()
    (given / "config.json").write_text('{"hidden_size": 8}')
    (given / "model.safetensors").write_bytes(b"weights")
    add(WeightsStore(), "mine", given)
    mine = build("bert", {"model": "mine"})
    assert licence_as_set(mine) == "not stated: your own files (mine)"
    path = WeightsStore().folder(wanted("mine")) / ".affect-pipe.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"licence": "CC-BY-4.0"}))
    assert licence_as_set(mine) == "CC-BY-4.0 (the weights mine)"
    for name, licence in (
        ("roberta-base", "MIT (the weights roberta-base)"),
        ("some/encoder", "not stated: see https://huggingface.co/some/encoder"),
    ):
        folder = WeightsStore().folder(wanted(name))
        folder.mkdir(parents=True)
        for file in ("config.json", "model.safetensors"):
            shutil.copy(given / file, folder)
        assert licence_as_set(build("bert", {"model": name})) == licence
    (tmp_path / "t.txt").write_text("good 1.0 2.0\n")
    folder = WeightsStore().folder(wanted("glove.6B"))
    folder.mkdir()
    shutil.copy(tmp_path / "t.txt", folder / "glove.6B.2d.txt")
    (folder / "glove.6B.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    table = build("glove", {"table": "glove.6B.2d"})
    assert licence_as_set(table) == "PDDL-1.0 (the weights glove.6B)"
    # The user's own under that name comes first.
    add(WeightsStore(), "glove.6B.2d", tmp_path / "t.txt")
    table = build("glove", {"table": "glove.6B.2d"})
    assert licence_as_set(table) == "not stated: your own files (glove.6B.2d)"


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ([], "needs a video or audio file"),
        (["nosuch.mp4"], "does not exist"),
        (["empty"], "no file in"),
        (["one/x.mp4", "two/x.mp4"], "would both write"),
        (["one/x.mp4", "two/y.mp4", "--transcript", "a.srt"], "belongs to one file"),
        (["one/x.mp4", "--out", "one/x.mp4"], "is a file"),
    ],
)
def test_bad_files_are_one_sentence(cache, tmp_path, monkeypatch, capsys, given, part):
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "one", "two"):
        (tmp_path / name).mkdir()
    for name in ("one/x.mp4", "two/x.mp4", "two/y.mp4"):
        (tmp_path / name).write_text("no video")
    assert extract(cache, *given, "--features", "egemaps") == 2
    err = capsys.readouterr().err
    assert part in err
    assert err.count("\n") == 1, err


def test_a_format_whose_library_is_missing(clip, cache, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    assert extract(cache, clip, "--format", "hdf5", "--out", tmp_path / "out") == 1
    err = capsys.readouterr().err
    assert 'pip install "affect-pipe[hdf5]"' in err
    assert "parquet, csv and npz work without it" in err


def test_a_name_too_long_for_its_results(clip, cache, tmp_path, capsys):
    long = shutil.copy(clip, tmp_path / f"{'n' * 240}.mp4")
    assert extract(cache, long, "--features", "egemaps", "--out", tmp_path / "out") == 2
    assert "rename the video" in capsys.readouterr().err


def test_the_list_tells_what_each_feature_needs(capsys, monkeypatch):
    # The command sets it for itself; here it must not outlive the test.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["extract", "--list"]) == 0
    out = capsys.readouterr().out
    for name in FEATURES:
        assert f"{name}: " in out
    assert "licence: openSMILE: research use only" in out
    assert "levels: utterance, frame" in out
