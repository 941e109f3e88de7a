"""Audacity labels, JSON Lines, CSV and Parquet from a result's JSON alone."""

from __future__ import annotations

import csv
import io
import json

import pyarrow.parquet as pq
import pytest

from affect_pipe.pipeline.results.csv_result import csv_bytes, published_csv
from affect_pipe.pipeline.results.exports.audacity import audacity_bytes
from affect_pipe.pipeline.results.exports.json_lines import json_lines_bytes
from affect_pipe.pipeline.results.json_result import to_json
from affect_pipe.pipeline.results.utterance_dataset import columns, published_bytes


def test_audacity_labels_are_three_fields_a_line(talk):
    rows = [line.split("\t") for line in audacity_bytes(talk).decode("utf-8").splitlines()]
    assert all(len(row) == 3 for row in rows)
    assert [(float(a), float(b)) for a, b, _ in rows] == [
        (u["start_s"], u["end_s"]) for u in talk.published["utterances"]
    ]
    assert rows[0][2] == "[happy 2.1, surprise 2.1, positive +1.2] Ann: I am glad to see you!"


def test_a_line_of_json_is_a_whole_utterance(talk):
    said = talk.published["utterances"]
    rows = [json.loads(line) for line in json_lines_bytes(talk).decode("utf-8").splitlines()]
    assert [{k: row[k] for k in said[i]} for i, row in enumerate(rows)] == said
    assert {row["media"] for row in rows} == {"two & more.mp4"}


@pytest.mark.parametrize("name", ["levels_result", "seven_result"])
def test_csv_of_the_json_is_the_csv_of_the_run(request, name):
    result = request.getfixturevalue(name)
    assert published_csv(to_json(result)) == csv_bytes(result)


def test_csv_of_nobody_has_the_usual_header(nobody):
    header = next(csv.reader(io.StringIO(published_csv(nobody.published).decode())))
    assert header[:7] == [
        *("index", "start_s", "end_s", "speaker", "text", "sentiment", "sentiment_intensity")
    ]


def test_parquet_has_the_columns_of_a_batch(talk, tmp_path):
    (tmp_path / "t.parquet").write_bytes(published_bytes(talk.published, talk.stem))
    table = pq.read_table(tmp_path / "t.parquet")
    assert table.column_names == list(columns())
    assert table["happy_intensity"].to_pylist()[:3] == [2.0876, 0.05, 0.05]
