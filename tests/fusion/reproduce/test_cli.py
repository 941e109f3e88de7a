"""The command: what it prints, writes and exits with."""

import json

import pytest

from affect_pipe.cli import main
from affect_pipe.fusion.reproduce.display import duration


def test_a_table_beside_the_papers_numbers(data, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["reproduce", "mosi", "--data", str(data), "--out", str(out), "--seeds", "1"]
    chosen = ["--models", "majority,logistic", "--modalities", "T+A+V", "--workers", "1"]
    assert main([*arguments, *chosen]) == 0
    said = capsys.readouterr()
    assert "majority class" in said.out
    assert "logistic regression" in said.out
    assert f"wrote {out / 'mosi'}.md and .json" in said.out
    # No terminal: a line a cell.
    assert "2 of 2 cells" in said.err
    content = json.loads((out / "mosi.json").read_text())
    assert [entry["row"] for entry in content["entries"]] == [
        "majority class",
        "logistic regression",
    ]
    assert main([*arguments, *chosen, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == content


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ("cim-3", "github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK"),
        ("muse-2", "www.muse-challenge.org"),
        ("mosi", "MMMU-BA"),
    ],
)
def test_an_absent_dataset_says_where_to_get_it(table, where, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["reproduce", table, "--data", str(tmp_path), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert where in said
    assert f"affect-pipe reproduce {table} --data DIR" in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_bad_use_is_told_in_a_sentence(tmp_path, capsys):
    assert main(["reproduce", "cim-9", "--data", str(tmp_path)]) == 2
    assert "unknown table 'cim-9'" in capsys.readouterr().err
    assert main(["reproduce", "mosi", "--data", str(tmp_path / "nowhere")]) == 2
    assert "there is no folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.4, "4 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
