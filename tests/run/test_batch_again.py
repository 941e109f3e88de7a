"""What is due again after a failure, what is told of names, and how a batch is stopped."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time

import jsonschema
import psutil
import pytest

from affect_pipe.api import BatchOptions, RunSettings, batch
from affect_pipe.batch import Batch
from affect_pipe.cli import main
from affect_pipe.pipeline.batch import events
from affect_pipe.pipeline.batch.ledger import read_ledger

RAY_OPTIONS = (
    "--address auto",
    "--worker-cpus 1",
    "--worker-gpus 0",
    "--resources speech:gpus=1",
    "--installed",
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory, sample, ffmpeg):
    """One second of pictures, with words beside it."""
    folder = tmp_path_factory.mktemp("clip")
    ffmpeg("-t", 1, "-i", sample, "-vf", "scale=160:160,fps=5", "-an", folder / "a.mp4")
    (folder / "a.srt").write_text("1\n00:00:00,100 --> 00:00:00,900\nNobody hears this.\n")
    return folder / "a.mp4"


def command(*arguments, **options):
    line = [sys.executable, "-m", "affect_pipe.cli", "batch", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize(
    ("name", "tight", "ample"),
    [
        ("memory_bytes", 400_000_000, 3_000_000_000),
        ("stage_timeout_s", 0.001, 60.0),
        ("timeout_s", 0.001, None),
    ],
)
def test_what_failed_for_a_limit_is_due_when_that_is_larger(clip, tmp_path, name, tight, ample):
    settings = RunSettings(cache_dir=str(tmp_path / "cache"))

    def asked(limit, **more):
        options = BatchOptions(workers=1, retries=0, **{name: limit}, **more)
        return Batch([clip], tmp_path / "out", settings, options=options)

    def plan(limit, **more):
        one = asked(limit, **more)
        found = one.plan(one.items(), one.history(), threading.Event())
        return len(found.due), len(found.failed)

    summary = asked(tight).run(threading.Event())
    ((_, why),) = summary.failed
    option = {"memory_bytes": "memory", "timeout_s": "timeout"}.get(name, "stage-timeout")
    assert (why.limited_by, why.limit) == (option, tight)
    assert f"--{option}" in why.reason
    last = read_ledger(tmp_path / "out" / "batch.jsonl").accounts["a"].failed
    assert (last.limited_by, last.limit) == (option, tight)
    for line in (tmp_path / "out" / "batch.jsonl").read_text().splitlines():
        jsonschema.validate(json.loads(line), events.schema())
    # More of something else would not help.
    other = {"threads": 2} if name == "timeout_s" else {"timeout_s": 1e6}
    assert plan(tight, **other) == (0, 1)
    assert plan(ample) == (1, 0)


def test_a_video_that_failed_for_a_limit_is_done_with_more_of_it(clip, tmp_path):
    out = tmp_path / "my results"
    line = (clip, "--out", out, "--cache-dir", tmp_path / "cache", "--workers", 1)
    quiet = ("--progress", "none", "--retries", 0)
    assert command(*line, *quiet, "--stage-timeout", 0.001).returncode == 1
    again = command(*line, *quiet, "--stage-timeout", 0.001)
    assert f"batch retry {shlex.quote(str(out))}" in again.stdout
    assert "failed before (timeout)" in again.stderr
    last = command(*line, *quiet, "--stage-timeout", 60)
    assert last.returncode == 0, last.stderr
    assert "1 of 1 videos done" in last.stdout


def test_looking_at_a_video_is_not_held_against_the_memory(clip, tmp_path):
    settings = RunSettings(cache_dir=str(tmp_path / "cache"))
    options = BatchOptions(workers=1, memory_bytes=1000)
    asked = Batch([clip], tmp_path / "out", settings, options=options)
    plan = asked.plan(asked.items(), asked.history(), threading.Event())
    assert (len(plan.due), len(plan.unreadable)) == (1, 0)


def test_names_that_results_cannot_have_are_told_and_stop_nothing_else(clip, tmp_path):
    names = {
        "utterances/a": "dataset",
        "Utterances/b": "dataset",
        "batch.jsonl/c": "ledger",
        ".batch.lock/d": "lock",
        "x" * 249: "rename the video",
        "good.affect.json/e": "good.mp4",
    }
    for name in (*names, "good"):
        path = tmp_path / "v" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(clip.read_bytes())
    listed = tmp_path / "v" / "list.txt"
    listed.write_text("".join(f"{name}.mp4\n" for name in (*names, "good")))
    settings = RunSettings(cache_dir=str(tmp_path / "cache"))
    asked = Batch([listed], tmp_path / "out", settings, options=BatchOptions(workers=1))
    plan = asked.plan(asked.items(), asked.history(), threading.Event())
    assert [task.item.target for task in plan.due] == ["good"]
    found = {item.target: why for item, why in plan.unreadable}
    assert set(found) == set(names)
    for name, part in names.items():
        assert found[name].kind == "refused"
        assert part in found[name].reason
        assert "rename" in found[name].reason


def test_a_video_that_is_gone_is_told_apart_from_those_that_failed(tmp_path, capsys):
    videos = tmp_path / "v"
    videos.mkdir()
    for name in ("empty", "text"):
        (videos / f"{name}.mp4").write_text(name)
    out = tmp_path / "out"
    settings = RunSettings(cache_dir=str(tmp_path / "cache"))

    def told():
        batch(videos, out, settings, options=BatchOptions(workers=1))
        main(["batch", "status", str(out)])
        return capsys.readouterr().out

    first = told()
    assert "2 videos: 0 done, 2 failed, 0 due\n" in first
    # Each is named once on its line.
    assert [line.count(str(videos)) for line in first.splitlines() if "failed (" in line] == [1, 1]
    (videos / "text.mp4").unlink()
    assert "1 videos: 0 done, 1 failed, 0 due; 1 no longer there\n" in told()
    assert "1 no longer there" in told()
    gone = [line for line in (out / "batch.jsonl").read_text().splitlines() if '"gone": ["' in line]
    assert len(gone) == 1
    jsonschema.validate(json.loads(gone[0]), events.schema())
    (videos / "text.mp4").write_text("again")
    assert "2 videos: 0 done, 2 failed, 0 due\n" in told()
    assert main(["batch", str(videos), "--out", str(out), "--dry-run"]) == 1
    plan = capsys.readouterr().out
    assert [line.count(str(videos)) for line in plan.splitlines()[1:]] == [1, 1]
    # What is refused is refused again.
    assert "retry" not in plan


_FINALISED = """
import signal, threading
from affect_pipe.commands.batch import _stopped_by_signals
class Finalised:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
class Broken:
    def __del__(self):
        raise ValueError("told")
with _stopped_by_signals(threading.Event()):
    signal.raise_signal(signal.SIGINT)
    Finalised()
    Broken()
signal.raise_signal(signal.SIGINT)
raise AssertionError("not ended")
"""


def test_a_second_interrupt_in_a_finaliser_prints_no_traceback():
    run = subprocess.run(
        [sys.executable, "-c", _FINALISED], capture_output=True, text=True, check=False
    )
    assert run.returncode == 130
    assert "KeyboardInterrupt" not in run.stderr
    assert "ValueError: told" in run.stderr


def test_two_interrupts_end_a_batch_without_a_traceback(clip, tmp_path):
    line = [sys.executable, "-m", "affect_pipe.cli", "batch", str(clip), "--workers", "1"]
    line += ["--out", str(tmp_path / "out"), "--cache-dir", str(tmp_path / "c")]
    line += ["--progress", "json"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        while b'"started"' not in run.stderr.readline():
            assert run.poll() is None
        workers = psutil.Process(run.pid).children(recursive=True)
        run.send_signal(signal.SIGINT)
        time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        _, told = run.communicate()
    assert run.returncode == 130
    assert b"Traceback" not in told
    assert b"ignored" not in told
    assert not psutil.wait_procs(workers, timeout=20)[1]


@pytest.mark.parametrize(
    "options",
    [
        "--progress foo",
        "--progress json:",
        "--progress json:/nonexist/x",
        "--memory 0",
        "--out v/a.mp4",
        *RAY_OPTIONS,
    ],
)
def test_a_dry_run_refuses_what_a_run_would(tmp_path, monkeypatch, capsys, options):
    monkeypatch.chdir(tmp_path)
    os.mkdir("v")
    (tmp_path / "v" / "a.mp4").touch()
    for more in ([], ["--dry-run"]):
        assert main(["batch", "v", *more, *options.split()]) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert options.split()[0] in told
    assert not (tmp_path / "affect-results").exists()


@pytest.mark.parametrize("verb", ["status", "retry", "report"])
def test_each_verb_on_a_ledger_has_a_help_of_its_own(capsys, verb):
    with pytest.raises(SystemExit, match="0"):
        main(["batch", verb, "--help"])
    told = capsys.readouterr().out
    assert told.startswith(f"usage: affect-pipe batch {verb} RESULTS")
    assert "--engine" not in told
