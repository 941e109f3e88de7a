"""A small grid from a data folder to its files: kept cells, broken cells, failures, processes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from affect_pipe.fusion.reproduce import reproduce as reproduce_module
from affect_pipe.fusion.reproduce import run as run_module
from affect_pipe.fusion.reproduce.plan import make_plan, parse_combination
from affect_pipe.fusion.reproduce.reproduce import reproduce
from affect_pipe.fusion.reproduce.tables import EC, SC, SI, Entry, Table
from affect_pipe.pipeline.errors import UsageError


@pytest.fixture(name="run")
def _run(data, table, encode, tmp_path, monkeypatch):
    """Run the made table; counts trained cells."""
    trained = []
    original = run_module.run_cell

    def counting(setup, seed, *arguments):
        trained.append((setup.row, seed))
        return original(setup, seed, *arguments)

    monkeypatch.setattr(run_module, "run_cell", counting)

    def run(table=table, out=tmp_path / "out", n_seeds=2, **options):
        monkeypatch.setattr(reproduce_module, "load_table", lambda name: table)
        trained.clear()
        options = {"workers": 1, **options}
        report = reproduce("made", data, out, encode, n_seeds=n_seeds, **options)
        return report, list(trained)

    return run


def test_results_and_files(run, tmp_path):
    events = []
    report, trained = run(listener=events.append)
    # Three setups, two seeds.
    assert len(trained) == 6
    assert not report.failures
    content = json.loads((tmp_path / "out" / "made.json").read_text())
    assert content["format"] == "affect-pipe/reproduce/1"
    cim, f1, majority, clean = content["entries"]
    assert cim["paper"] == 79.3
    assert set(cim["by_seed"]) == {"1", "2"}
    assert cim["interval"][0] <= cim["mean"] <= cim["interval"][1]
    assert (f1["metric"], majority["row"], clean["source"]) == (
        "weighted_f1",
        "majority",
        "mosi-clean",
    )
    assert content["tests"][0]["seeds"] == 2
    markdown = (tmp_path / "out" / "made.md").read_text()
    assert "| CIM | T+A |" in markdown
    assert "79.3" in markdown
    assert "Nobody 2000" in markdown
    assert "A note." in markdown
    assert events[-1].done == events[-1].total == 6
    assert events[-1].fraction == 1.0
    assert events[-1].remaining_s == 0.0
    fractions = [event.fraction for event in events]
    assert all(0 <= fraction <= 1 for fraction in fractions)


def test_finished_cells_are_not_run_again(run, tmp_path):
    run(n_seeds=1)
    first = (tmp_path / "out" / "made.json").read_bytes()
    _, trained = run(n_seeds=1)
    assert trained == []
    assert (tmp_path / "out" / "made.json").read_bytes() == first
    _, trained = run(n_seeds=2)
    assert sorted(trained) == [("CIM", 2), ("CIM", 2), ("majority", 2)]


def test_a_broken_cell_is_run_again(run, tmp_path):
    run(n_seeds=1)
    for path in (tmp_path / "out" / "cells").iterdir():
        path.write_bytes(b"garbage" + path.read_bytes()[:100])
    _, trained = run(n_seeds=1)
    assert len(trained) == 3


def test_other_data_is_another_cell(run, data, tmp_path):
    import numpy as np

    run(n_seeds=1)
    path = data / "mosi" / "mosi_mmmuba.npz"
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["text"] = arrays["text"] + np.float32(1)
    np.savez(path, **arrays)
    _, trained = run(n_seeds=1)
    # The clean track reads transcripts and openSMILE columns, which are what they were.
    assert sorted(trained) == [("CIM", 1), ("majority", 1)]


def test_processes_give_the_same_bytes(run, table, tmp_path):
    small = replace(table, entries=table.entries[:3])
    run(table=small, n_seeds=1)
    run(table=small, n_seeds=1, workers=2, out=tmp_path / "other")
    for name in ("made.json", "made.md"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_a_failed_cell_is_told_and_the_others_go_on(run, table, setup_of, tmp_path):
    # A learning rate that blows up the loss.
    broken = setup_of("broken", learning_rate=1e30)
    entries = (Entry(broken, "sentiment_class", "accuracy"), *table.entries)
    report, _ = run(table=replace(table, entries=entries), n_seeds=1)
    assert list(report.failures) == ["broken, T+A, seed 1"]
    assert "lower the learning rate" in report.failures["broken, T+A, seed 1"]
    assert [found.entry.setup.row for found in report.scores] == [
        "CIM",
        "CIM",
        "majority",
        "CIM",
    ]
    assert "Failed: broken" in (tmp_path / "out" / "made.md").read_text()


def test_majority_cross_fitted_is_the_larger_class_of_the_other_half(run, table):
    report, _ = run(table=replace(table, entries=table.entries[2:3]), n_seeds=1)
    (found,) = report.scores
    # Of two classes, one that is chosen on the other half.
    assert 0 <= found.mean <= 100
    assert found.by_seed[1] == pytest.approx(found.mean)


def test_rows_and_columns_can_be_chosen(table, data):
    plan = make_plan(table, data, n_seeds=1, models=["majority"])
    assert {entry.setup.model for entry in plan.entries} == {"majority"}
    with pytest.raises(UsageError, match="no model 'cia': it has cim, majority"):
        make_plan(table, data, n_seeds=1, models=["cia"])
    with pytest.raises(UsageError, match=r"no column T\+A\+V: it has T\+A\."):
        make_plan(table, data, n_seeds=1, combinations=[parse_combination("v+a+t")])
    with pytest.raises(UsageError, match="no combination"):
        parse_combination("T+X")


@pytest.mark.parametrize(
    ("options", "match"),
    [({"n_seeds": 0}, "0 seeds"), ({"workers": 0}, "0 worker processes")],
)
def test_senseless_numbers_are_refused(run, options, match):
    with pytest.raises(UsageError, match=match):
        run(**options)


def test_missing_datasets_are_left_out_and_named(run, table, setup_of, tmp_path):
    absent = Entry(
        setup_of("CIM", source="moud", protocol="validation"), "sentiment_class", "accuracy", 82.4
    )
    report, _ = run(table=replace(table, entries=(absent, *table.entries[2:3])), n_seeds=1)
    assert list(report.plan.absent) == ["moud"]
    assert "Left out: MOUD" in (tmp_path / "out" / "made.md").read_text()


def test_single_against_multitask_utterances(run, setup_of, tmp_path):
    # The made corpus has no intensities: their labels are empty, predictions are there.
    single = setup_of("STL SC", protocol="validation", source="mosi-clean")
    both = setup_of("MTL SC,SI", protocol="validation", source="mosi-clean", tasks=(SC, SI))
    entries = tuple(Entry(s, "sentiment_class", "accuracy") for s in (single, both))
    table = Table("made", "A made table", "Nobody 2000", entries)
    run(table=table, n_seeds=1)
    lines = (tmp_path / "out" / "made-utterances.csv").read_text().splitlines()
    assert lines[0].split(",")[:3] == ["video", "utterance", "sentiment_class: label"]
    assert '"sentiment_class: MTL SC,SI (T+A)"' in lines[0]
    # Videos v06 to v09 of 3, 4, 5 and 3 utterances.
    assert len(lines) == 1 + 15
    first = lines[1].split(",")
    assert first[:2] == ["v06", "1"]
    assert first[2] in ("negative", "non-negative")


def test_a_hand_written_utterance_table(setup_of):
    import numpy as np

    from affect_pipe.fusion.reproduce.cells import CellResult
    from affect_pipe.fusion.reproduce.utterances import side_by_side

    target = np.array([[1, 0, 0, 0, 1, 0, 0], [np.nan] * 7], np.float32)
    values = np.array([[0.5, 0.39, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0.9]], np.float32)
    result = CellResult(
        ("a", "b"), np.array([0, 1]), {"emotion_class": target}, {"emotion_class": values}
    )
    table = side_by_side({"STL EC": (setup_of("STL EC", tasks=(EC,)), result)})
    assert table.columns == (
        "video",
        "utterance",
        "emotion_class: label",
        "emotion_class: STL EC (T+A)",
    )
    assert table.rows == (("a", "1", "anger;sad", "anger"), ("b", "1", "", "no-emotion"))


def test_published_corpus_reads(data_dir: Path):
    """The real file, where it is."""
    from affect_pipe.fusion.reproduce.source import Request
    from affect_pipe.fusion.reproduce.sources import SOURCES

    source = SOURCES["mosi-published"]
    assert source.absent(data_dir) is None
    assert source.read is not None
    splits = source.read(data_dir, Request("mosi-published"), lambda texts: NotImplemented)
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (62, 0, 31)
    assert sum(map(len, splits.test)) == 752
