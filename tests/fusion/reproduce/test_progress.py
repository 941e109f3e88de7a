"""Time left, from the pace of cells of the same kind."""

import pytest

from affect_pipe.fusion.reproduce.progress import Progress


def heard(workers=1):
    events = []
    progress = Progress(4, 1, workers, events.append)
    for group in ("fast", "fast", "slow"):
        progress.expect(group, 10)
    return progress, events


def test_nothing_is_promised_before_the_first_epoch():
    progress, events = heard()
    progress.tell()
    assert (events[-1].done, events[-1].total, events[-1].kept) == (1, 4, 1)
    assert events[-1].remaining_s is None
    assert events[-1].fraction == 0.0


def test_unknown_kinds_take_the_usual_pace():
    progress, events = heard()
    progress.tick("fast", 2.0)
    # 19 epochs of the fast and 10 of the slow at 2 s.
    assert events[-1].remaining_s == pytest.approx(58.0)
    progress.tick("slow", 5.0)
    assert events[-1].remaining_s == pytest.approx(19 * 2.0 + 9 * 5.0)
    assert events[-1].fraction == pytest.approx(7 / (7 + 83))


def test_workers_share_the_work():
    progress, events = heard(workers=2)
    progress.tick("fast", 2.0)
    assert events[-1].remaining_s == pytest.approx(29.0)


def test_cells_that_stop_early_foretell_their_like():
    progress, events = heard()
    for _ in range(4):
        progress.tick("fast", 1.0)
    progress.finished("fast", "fast, seed 1")
    assert events[-1].label == "fast, seed 1"
    # One cell took 4 epochs; so will the other. The slow one is unknown: 10 at 1 s.
    assert events[-1].remaining_s == pytest.approx(4 + 10)


def test_the_end():
    progress, events = heard()
    for group in ("fast", "fast", "slow"):
        progress.finished(group, "x")
    assert (events[-1].fraction, events[-1].remaining_s) == (1.0, 0.0)
