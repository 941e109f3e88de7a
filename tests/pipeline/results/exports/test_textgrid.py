"""TextGrids read by Praat itself, as parselmouth brings it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from affect_pipe.pipeline.results.exports.textgrid import write_textgrid

parselmouth = pytest.importorskip("parselmouth")


def intervals(grid, number):
    call = parselmouth.praat.call
    return [
        (
            call(grid, "Get start time of interval", number, i),
            call(grid, "Get end time of interval", number, i),
            call(grid, "Get label of interval", number, i),
        )
        for i in range(1, int(call(grid, "Get number of intervals", number)) + 1)
    ]


@pytest.fixture
def grid(talk, tmp_path):
    path = tmp_path / "talk.TextGrid"
    write_textgrid(talk, path)
    return parselmouth.read(str(path))


def tier(grid, name):
    call = parselmouth.praat.call
    n = int(call(grid, "Get number of tiers"))
    number = next(i for i in range(1, n + 1) if call(grid, "Get tier name", i) == name)
    return intervals(grid, number)


def test_every_tier_tiles_the_whole_duration(grid):
    call = parselmouth.praat.call
    # The last utterance ends a rounding after the media does.
    assert call(grid, "Get end time") == pytest.approx(60.001)
    for number in range(1, int(call(grid, "Get number of tiers")) + 1):
        found = intervals(grid, number)
        assert found[0][0] == 0.0
        assert found[-1][1] == pytest.approx(60.001)
        assert all(a[1] == b[0] for a, b in pairwise(found))


def test_praat_reads_text_and_predictions(grid):
    assert [i for i in tier(grid, "text@Ann") if i[2]] == [(0.5, 2.0, "I am glad to see you!")]
    assert [i for i in tier(grid, "happy intensity@Ann") if i[2]] == [(0.5, 2.0, "2.0876")]
    assert [i[2] for i in tier(grid, "text@Bo B (2)") if i[2]] == ["Who is there?"]
    last = tier(grid, "text")[-1]
    assert last[2].startswith('Tab here, "quoted" \N{GRINNING FACE} ÄÖß')


def test_nobody_speaking_gives_a_grid_praat_can_open(nobody, tmp_path):
    write_textgrid(nobody, tmp_path / "n.TextGrid")
    grid = parselmouth.read(str(tmp_path / "n.TextGrid"))
    assert [i[2] for i in tier(grid, "text")] == [""]
