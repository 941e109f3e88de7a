"""The ledger against its published schema, against torn writes, and what it remembers."""

import json
import sys
import threading
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from affect_pipe.pipeline.batch import events
from affect_pipe.pipeline.batch.ledger import History, Ledger, read_ledger
from affect_pipe.pipeline.batch.local import LocalEngine
from affect_pipe.pipeline.batch.lock import is_held, only_one
from affect_pipe.pipeline.batch.records import Item, Plan, Request, Task
from affect_pipe.pipeline.batch.report import report_lines, status, status_lines
from affect_pipe.pipeline.batch.runner import run_plan
from affect_pipe.pipeline.errors import ResultError, StageError, UsageError

sys.path.insert(0, str(Path(__file__).parent))

from telling_work import Unopened

RUN = "0123456789abcdef"
PLANNED = events.Planned(
    3, 0, 3, 0, 0, "local", 2, 12.5, ("/videos",), {"model": "starter"}, cached=1
)
STARTED = events.AttemptStarted("/videos/a.mp4", "a", 1, "w1")
DONE = events.ItemDone(
    "/videos/a.mp4",
    "a",
    1,
    "id-a",
    {"a.affect.json": "0" * 32},
    1.5,
    4.0,
    2,
    ("doubt",),
    {"x": 1.0},
)
CRASHED = events.ItemFailed("/videos/b.mp4", "b", 1, "crash", "it died.", final=False)
REFUSED = events.ItemFailed("/videos/b.mp4", "b", 2, "refused", "it is text.", final=True)
ALL = (
    PLANNED,
    STARTED,
    events.StageStep("/videos/a.mp4", "a", "speech", "progress", 0.5, 0.1),
    DONE,
    CRASHED,
    REFUSED,
    events.ItemAbandoned("/videos/c.mp4", "c", 1, "the batch was stopped"),
    events.Overall(3, 1, 1, 2.0, 4.0, 3.5, 2.0, {"speech": 8.0}),
    events.Ended(1, 1, 1, 2.0, 10),
    replace(REFUSED, kind="memory", limited_by="memory", limit=6e8),
    replace(PLANNED, gone=("old",), back=("found again",)),
    events.Ended(1, 1, 1, 2.0, 10, "the disk is full."),
)


def write(path, *told, run=RUN):
    with Ledger(path, run) as ledger:
        for event in told:
            ledger.write(event)


@pytest.mark.parametrize("event", ALL, ids=lambda e: e.name)
def test_every_event_is_of_the_published_shape_and_comes_back(event):
    line = events.to_line(event, RUN)
    validator = jsonschema.Draft202012Validator(events.schema())
    validator.validate(json.loads(line))
    back = events.from_line(line)
    assert back.event == event
    assert back.run == RUN


def test_the_schema_refuses_what_lacks_a_field():
    line = json.loads(events.to_line(DONE, RUN))
    del line["identity"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(events.schema()).validate(line)


def test_only_what_is_worth_keeping_is_kept(tmp_path):
    write(tmp_path / "l", *ALL)
    names = [json.loads(line)["event"] for line in (tmp_path / "l").read_text().splitlines()]
    assert names == [e.name for e in ALL if e.name not in ("stage", "progress")]


def test_a_ledger_cut_anywhere_says_what_its_whole_lines_say(tmp_path):
    write(tmp_path / "whole", PLANNED, STARTED, DONE)
    whole = (tmp_path / "whole").read_bytes()
    last = whole.rstrip(b"\n").rindex(b"\n") + 1
    for cut in (last + 1, (last + len(whole)) // 2, len(whole) - 2):
        path = tmp_path / f"cut{cut}"
        path.write_bytes(whole[:cut])
        history = read_ledger(path)
        assert history.damaged == 1
        assert history.accounts["a"].done is None
        assert history.accounts["a"].running == STARTED
        # What is appended to a torn line does not become part of it.
        write(path, PLANNED, DONE, run="f" * 16)
        after = read_ledger(path)
        assert after.accounts["a"].done == DONE
        assert after.run == "f" * 16


def test_a_last_line_that_only_lacks_its_end_counts(tmp_path):
    write(tmp_path / "l", PLANNED, DONE)
    (tmp_path / "l").write_bytes((tmp_path / "l").read_bytes()[:-1])
    assert read_ledger(tmp_path / "l").accounts["a"].done == DONE


@pytest.mark.parametrize(
    "junk", [b"\xff\xfe\n", b"[1]\n", b"null\n", b'{"schema": 1}\n', b"[" * 5000]
)
def test_lines_of_something_else_are_passed_over(tmp_path, junk):
    (tmp_path / "l").write_bytes(junk + b"\n")
    write(tmp_path / "l", PLANNED, DONE)
    assert read_ledger(tmp_path / "l").accounts["a"].done == DONE


def test_failed_attempts_are_counted_across_runs_until_the_last(tmp_path):
    write(tmp_path / "l", PLANNED, CRASHED)
    write(tmp_path / "l", PLANNED)
    assert read_ledger(tmp_path / "l").accounts["b"].attempts == 1
    write(tmp_path / "l", REFUSED)
    account = read_ledger(tmp_path / "l").accounts["b"]
    assert (account.attempts, account.failed) == (0, REFUSED)


def test_status_tells_killed_from_ended(tmp_path):
    write(tmp_path / "l", PLANNED, STARTED, DONE, STARTED)
    found = status(read_ledger(tmp_path / "l"), held=False)
    assert (found.state, found.done, found.due) == ("killed", 1, 2)
    assert found.running == (STARTED,)
    write(tmp_path / "l", events.Ended(1, 0, 2, 1.0))
    assert status(read_ledger(tmp_path / "l"), held=False).state == "stopped"


def test_a_run_that_an_error_ended_is_not_called_killed(tmp_path):
    write(
        tmp_path / "l", PLANNED, STARTED, events.Ended(0, 0, 3, 1.0, error="no room for workers.")
    )
    history = read_ledger(tmp_path / "l")
    found = status(history, held=False)
    assert found.state == "broken off"
    assert "broken off: no room for workers." in status_lines(found, history)


def test_the_end_is_told_where_a_full_disk_took_only_a_part_of_the_line_before(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "l"
    write(path, PLANNED)
    long = replace(DONE, warnings=("x" * 5000,))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Ledger(path, RUN) as ledger:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 1000, limits[1]))
        try:
            with pytest.raises(ResultError, match="cannot be written"):
                ledger.write(long)
            ledger.write(events.Ended(0, 0, 3, 1.0, error="no room."))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    history = read_ledger(path)
    assert (history.damaged, history.ended.error) == (0, "no room.")


def test_what_ends_a_run_early_is_in_its_ledger(tmp_path):
    request, engine = Request(("/videos",)), LocalEngine(1)
    plan = Plan(due=(Task(Item("/videos/a.mp4", "a")),))
    with Ledger(tmp_path / "l", RUN) as ledger, pytest.raises(StageError):
        run_plan(
            plan, request, History(), Unopened(), engine, ledger, events.ignore, threading.Event()
        )
    ended = read_ledger(tmp_path / "l").ended
    assert (ended.abandoned, ended.error) == (1, "it cannot be opened.")


def test_a_report_tells_each_warning_once(tmp_path):
    done = [
        replace(DONE, video=f"/v/{n}.mp4", target=str(n), warnings=("dark", "dark"))
        for n in range(5)
    ]
    done.append(replace(DONE, video="/v/s.mp4", target="s", warnings=("silent",)))
    write(tmp_path / "l", PLANNED, *done)
    told = [line for line in report_lines(read_ledger(tmp_path / "l")) if "warning" in line]
    assert told == [
        "warning of 5 videos: dark (/v/0.mp4, /v/1.mp4, /v/2.mp4, ...)",
        "warning of 1 video: silent (/v/s.mp4)",
    ]


def test_a_report_leaves_out_what_is_no_longer_there(tmp_path):
    write(tmp_path / "l", PLANNED, DONE)
    assert next(report_lines(read_ledger(tmp_path / "l"))).startswith("1 videos done")
    write(tmp_path / "l", replace(PLANNED, gone=("a",)))
    assert next(report_lines(read_ledger(tmp_path / "l"))).startswith("0 videos done")
    write(tmp_path / "l", replace(PLANNED, back=("a",)))
    assert next(report_lines(read_ledger(tmp_path / "l"))).startswith("1 videos done")


def test_one_batch_at_a_time(tmp_path):
    assert not is_held(tmp_path)
    with only_one(tmp_path):
        assert is_held(tmp_path)
        with pytest.raises(UsageError, match="another batch"), only_one(tmp_path):
            pass
    assert not is_held(tmp_path)
