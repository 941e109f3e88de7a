"""Batches on real media: what is done, what is refused, and what survives which death."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading

import duckdb
import jsonschema
import pandas
import psutil
import pyarrow.dataset
import pytest

from affect_pipe.api import BatchOptions, RunSettings, analyze, batch
from affect_pipe.batch import Batch
from affect_pipe.cli import main
from affect_pipe.fusion.checkpoint import resolve
from affect_pipe.pipeline.batch import events
from affect_pipe.pipeline.batch.ledger import read_ledger
from affect_pipe.pipeline.cache import Cache
from affect_pipe.pipeline.digest_memo import DigestMemo
from affect_pipe.pipeline.results.json_result import to_json

GOOD = ("a", "sub/b", "silent")
BAD = ("cut", "empty", "text")


@pytest.fixture(scope="module")
def videos(tmp_path_factory, sample, ffmpeg):
    """Three good clips and three that are none."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "sub").mkdir()
    small = ("-vf", "scale=160:160,fps=5")
    ffmpeg("-t", 4, "-i", sample, *small, folder / "a.mp4")
    ffmpeg("-ss", 4.5, "-t", 3, "-i", sample, *small, folder / "sub" / "b.mkv")
    ffmpeg("-t", 1, "-i", sample, *small, "-an", folder / "silent.mp4")
    cue = "1\n00:00:00,500 --> 00:00:02,500\n{}\n"
    (folder / "a.srt").write_text(cue.format("I took my old bicycle to the shop."))
    (folder / "sub" / "b.srt").write_text(cue.format("I love it!"))
    (folder / "silent.srt").write_text(cue.replace("02,5", "00,9").format("Nobody hears this."))
    (folder / "cut.mp4").write_bytes((folder / "a.mp4").read_bytes()[:2000])
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no video")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def first(videos, cache, tmp_path_factory):
    """The result folder and the events of a first batch."""
    out = tmp_path_factory.mktemp("out")
    heard = []
    summary = batch(
        videos,
        out,
        RunSettings(cache_dir=cache),
        options=BatchOptions(workers=1),
        listener=heard.append,
    )
    return out, heard, summary


def contents(out):
    """What a batch wrote, but for its ledger and the times it took."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and not path.name.startswith((".batch", "batch.jsonl")):
            data = path.read_bytes()
            if path.name.endswith(".affect.json"):
                published = json.loads(data)
                del published["timings_s"]
                data = json.dumps(published)
            found[str(path.relative_to(out))] = data
    return found


def started(heard):
    return [event.target for event in heard if event.name == "started"]


def test_exactly_the_defective_are_refused(first):
    _, _, summary = first
    assert {item.target for item in summary.done} == set(GOOD)
    assert {item.target: why.kind for item, why in summary.failed} == dict.fromkeys(BAD, "refused")


def test_results_are_those_of_a_single_run(first, videos, cache):
    out, _, _ = first
    single = json.loads(
        json.dumps(to_json(analyze(videos / "a.mp4", RunSettings(cache_dir=cache))))
    )
    batched = json.loads((out / "a.affect.json").read_text())
    assert {**single, "timings_s": 0} == {**batched, "timings_s": 0}


def test_the_ledger_and_the_events_are_of_the_published_shape(first):
    out, heard, _ = first
    validator = jsonschema.Draft202012Validator(events.schema())
    for line in (out / "batch.jsonl").read_text().splitlines():
        validator.validate(json.loads(line))
    for event in heard:
        validator.validate(json.loads(events.to_line(event, "0" * 16)))
    overall = [event for event in heard if event.name == "progress"]
    assert overall[-1].done == len(GOOD)
    assert overall[-1].remaining_s == 0
    assert "face-tracks" in overall[-1].stage_speeds


def test_a_batch_makes_pages_and_their_index(first, videos, cache, tmp_path, capsys):
    out = tmp_path / "out"
    shutil.copytree(first[0], out)
    asked = ["batch", str(videos), "--out", str(out), "--cache-dir", cache, "--progress", "none"]
    assert main([*asked, "--report"]) == 1  # three are no videos
    assert "3 pages made, 0 kept" in capsys.readouterr().out
    index = (out / "index.html").read_text("utf-8")
    for target in GOOD:
        assert f'href="{target}.report.html"' in index
        # The pages of videos that are here, with what only the cache has.
        page = (out / f"{target}.report.html").read_text("utf-8")
        assert "is not beside the result" not in page
    for name in BAD:
        assert str(videos / f"{name}.mp4") in index
    assert main([*asked, "--report"]) == 1
    assert "0 pages made, 3 kept" in capsys.readouterr().out


def test_the_dataset_has_every_utterance_once(first):
    out, _, _ = first
    table = pyarrow.dataset.dataset(out / "utterances", partitioning="hive").to_table().to_pylist()
    expected = [
        (target, utterance["index"], utterance["text"], utterance["start_s"])
        for target in GOOD
        for utterance in json.loads((out / f"{target}.affect.json").read_text())["utterances"]
    ]
    assert len(expected) >= 2
    found = [(row["video"], row["index"], row["text"], row["start_s"]) for row in table]
    assert sorted(found) == sorted(expected)
    chosen = json.loads((out / "a.affect.json").read_text())["utterances"][0]
    (row,) = [row for row in table if row["video"] == "a" and row["index"] == 0]
    assert row["p_positive"] == chosen["sentiment"]["probabilities"]["positive"]
    assert row["no_emotion_present"] == chosen["emotions"]["no-emotion"]["present"]


def test_duckdb_and_pandas_read_the_dataset_as_one_table(first):
    out, _, _ = first
    expected = sorted(
        (target, utterance["index"], utterance["sentiment"]["probabilities"]["positive"])
        for target in GOOD
        for utterance in json.loads((out / f"{target}.affect.json").read_text())["utterances"]
    )
    found = pandas.read_parquet(out / "utterances").sort_values(["video", "index"])
    assert [*found[["video", "index", "p_positive"]].itertuples(index=False, name=None)] == expected
    # The names that a query uses: the partition, a map's entry, a list, a null.
    rows = duckdb.sql(
        f"""SELECT video, "index", p_positive, length(part::VARCHAR) > 0, quality['speech_s'],
        len(evidence_reasons), speaker FROM read_parquet('{out}/utterances/**/*.parquet',
        hive_partitioning = true) ORDER BY video, "index" """
    ).fetchall()
    assert [row[:3] for row in rows] == expected
    assert all(row[3] for row in rows)
    described = dict(zip(found["video"], found["quality"].map(dict), strict=True))
    assert {row[0]: row[4] for row in rows} == {
        video: quality.get("speech_s") for video, quality in described.items()
    }


def test_a_second_batch_does_only_what_is_left(first, videos, cache, tmp_path):
    out = shutil.copytree(first[0], tmp_path / "out")
    before = contents(out)
    settings, options = RunSettings(cache_dir=cache), BatchOptions(workers=1)
    heard = []
    summary = batch(videos, out, settings, options=options, listener=heard.append)
    assert started(heard) == []
    assert len(summary.plan.done) == len(GOOD)
    # A result that is gone, or is not what was written, and words that have changed, are due.
    (out / "a.affect.csv").unlink()
    dataset = json.loads((out / "silent.affect.json").read_text())
    (out / "silent.affect.json").write_text(json.dumps(dataset))
    heard.clear()
    batch(videos, out, settings, options=options, listener=heard.append)
    assert started(heard) == ["a", "silent"]
    assert contents(out) == before


def test_what_changes_the_result_makes_a_video_due(first, videos, cache, tmp_path):
    out = shutil.copytree(first[0], tmp_path / "out")
    changed = shutil.copytree(videos, tmp_path / "videos")
    (changed / "a.srt").write_text("1\n00:00:00,500 --> 00:00:02,500\nI hate it!\n")

    def due(settings):
        asked = Batch([changed], out, settings, options=BatchOptions(workers=1))
        plan = asked.plan(asked.items(), asked.history(), threading.Event())
        return {task.item.target for task in plan.due}

    assert due(RunSettings(cache_dir=cache)) == {"a"}
    assert due(RunSettings(cache_dir=cache, segmentation={"max_pause_s": 0.4})) == set(GOOD)
    model = shutil.copytree(resolve("starter"), tmp_path / "model")
    assert due(RunSettings(cache_dir=cache, model=str(model))) == {"a"}
    config = model / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "licence": "of another"}))
    assert due(RunSettings(cache_dir=cache, model=str(model))) == set(GOOD)


def test_the_plan_says_what_is_in_the_cache(first, videos, cache, tmp_path):
    # By now nobody can have changed them within a tick of the clock: their digests are kept.
    memo = DigestMemo(Cache(cache).digest_folder())
    for name in GOOD:
        memo.digest(next(videos.glob(f"{name}.m*")))
    asked = (videos, "--dry-run", "--out", tmp_path / "out", "--workers", 1, "--cache-dir")

    def plan(place, *more):
        run = command(*asked, place, *more, stdout=subprocess.PIPE, text=True)
        return run.communicate()[0]

    count = "6 videos found: 0 done before, 3 due ({} of them in the cache), 3 unreadable"
    assert count.format(3) in plan(cache)
    assert f"due (in the cache): {videos / 'a.mp4'}" in plan(cache)
    assert count.format(0) in plan(tmp_path / "cold")
    # Faces alone are not enough, where other words are wanted.
    assert count.format(0) in plan(cache, "--asr", "pocketsphinx")
    assert not (tmp_path / "out").exists()
    planned = read_ledger(first[0] / "batch.jsonl").planned
    assert planned.cached == 0


def test_what_is_due_again_is_looked_at_again(first, videos, cache, tmp_path):
    """Its length decides how long it may take, and its size how much memory it is thought to."""
    out = shutil.copytree(first[0], tmp_path / "out")
    (out / "a.affect.csv").unlink()
    asked = Batch([videos], out, RunSettings(cache_dir=cache), options=BatchOptions(workers=1))
    plan = asked.plan(asked.items(), asked.history(), threading.Event())
    (task,) = plan.due
    assert task.seen.duration_s == pytest.approx(4.0, abs=0.3)
    assert task.seen.width_px == 160


def workers_of(process):
    """The leaders of workers' groups among the children of a process."""
    return [child for child in process.children() if os.getpgid(child.pid) == child.pid]


def test_workers_that_die_or_hang_are_replaced_and_the_rest_goes_on(videos, cache, tmp_path):
    heard = []

    def harm(event):
        heard.append(event)
        if event.name != "stage" or event.state != "cached" or event.stage != "speech":
            return
        (worker,) = workers_of(psutil.Process())
        attempt = sum(e.name == "started" and e.target == event.target for e in heard)
        if event.target == "a":
            worker.send_signal(signal.SIGKILL)
        elif event.target == "silent" and attempt == 1:
            worker.send_signal(signal.SIGSTOP)

    given = [videos / name for name in ("a.mp4", "silent.mp4", "sub/b.mkv")]
    # A stage of them takes far less than this, also on a busy machine.
    options = BatchOptions(workers=1, retries=1, stage_timeout_s=10.0)
    summary = batch(
        given, tmp_path / "out", RunSettings(cache_dir=cache), options=options, listener=harm
    )
    assert {item.target for item in summary.done} == {"silent", "b"}
    ((item, why),) = summary.failed
    assert (item.target, why.kind) == ("a", "crash")
    assert "SIGKILL" in why.reason
    told = [(e.target, e.attempt, e.kind, e.final) for e in heard if e.name == "failed"]
    assert sorted(told) == [
        ("a", 1, "crash", False),
        ("a", 2, "crash", True),
        ("silent", 1, "timeout", False),
    ]
    # It failed for good: only who asks for it has it tried again.
    plan = Batch(given, tmp_path / "out", RunSettings(cache_dir=cache))
    found = plan.plan(plan.items(), plan.history(), threading.Event())
    assert [item.target for item, _ in found.failed] == ["a"]
    done = command("retry", tmp_path / "out", "--progress", "none")
    assert done.wait() == 0
    assert read_ledger(tmp_path / "out" / "batch.jsonl").accounts["a"].failed is None


def test_videos_wait_for_memory_and_what_never_fits_fails(videos, cache, tmp_path):
    heard = []
    given = [videos / "a.mp4", videos / "silent.mp4"]
    settings = RunSettings(cache_dir=cache)
    # Room for what one is thought to need, not for two.
    options = BatchOptions(workers=2, memory_bytes=1_200_000_000)
    batch(given, tmp_path / "o1", settings, options=options, listener=heard.append)
    order = [e.name for e in heard if e.name in ("started", "done")]
    assert order == ["started", "done"] * 2
    heard.clear()
    # Enough to look at a video, not to work on one.
    cold = RunSettings(cache_dir=str(tmp_path / "cold"))
    tiny = BatchOptions(memory_bytes=400_000_000)
    summary = batch(given[:1], tmp_path / "o2", cold, options=tiny, listener=heard.append)
    ((_, why),) = summary.failed
    assert why.kind == "memory"
    assert started(heard) == ["a"]


def command(*arguments, **options):
    line = [sys.executable, "-m", "affect_pipe.cli", "batch", *map(str, arguments)]
    return subprocess.Popen(line, **{"stdout": subprocess.DEVNULL, **options})


def gone(processes):
    _, alive = psutil.wait_procs(processes, timeout=20)
    return not alive


def test_killed_and_stopped_batches_go_on_to_the_same_results(first, videos, tmp_path):
    out, cache = tmp_path / "out", tmp_path / "cold"
    line = (videos, "--out", out, "--cache-dir", cache, "--workers", 1, "--progress", "json")

    def until(name, count):
        """Start a batch and return it at an event of this name."""
        run = command(*line, stderr=subprocess.PIPE)
        for told in run.stderr:
            with contextlib.suppress(ValueError):
                count -= json.loads(told)["event"] == name
            if not count:
                return run
        raise AssertionError("the batch ended before")

    run = until("stage", 3)
    workers = psutil.Process(run.pid).children(recursive=True)
    run.kill()
    run.communicate()
    assert gone(workers)
    run = until("done", 1)
    workers = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGINT)
    run.communicate()
    assert run.returncode == 130
    assert gone(workers)
    history = read_ledger(out / "batch.jsonl")
    assert history.ended is not None
    assert history.ended.abandoned >= 1
    last = command(*line, stderr=subprocess.PIPE)
    _, told = last.communicate()
    assert last.returncode == 1
    assert b"Traceback" not in told
    assert contents(out) == contents(first[0])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nowhere",), 2),
        (("v", "--workers", "none"), 2),
        (("v", "--memory", "much"), 2),
        (("v", "--timeout", "-1"), 2),
        (("status", "nowhere"), 2),
        (("retry",), 2),
    ],
)
def test_bad_use_is_told_in_a_sentence(tmp_path, arguments, code):
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "a.mp4").touch()
    run = command(*arguments, stderr=subprocess.PIPE, cwd=tmp_path)
    _, told = run.communicate()
    assert run.returncode == code
    assert told.count(b"\n") == 1
    assert not (tmp_path / "affect-results").exists()
