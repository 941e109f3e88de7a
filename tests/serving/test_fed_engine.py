"""A batch that is fed while it works."""

import sys
import threading
from pathlib import Path

from affect_pipe.pipeline.batch.engine import Abandoned, Added, Began, Succeeded
from affect_pipe.pipeline.batch.local import LocalEngine
from affect_pipe.pipeline.batch.records import Item, Task

sys.path.insert(0, str(Path(__file__).parent))

from napping_work import Naps


class Tap:
    """A feed that is opened and closed by hand."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tasks, self.unwanted, self.closed = [], set(), False

    def pour(self, target, seconds=0.0):
        with self.lock:
            self.tasks.append(Task(Item(str(seconds), target)))

    def take(self):
        with self.lock:
            tasks, self.tasks = self.tasks, []
        return tasks

    def is_open(self):
        return not self.closed

    def is_wanted(self, item):
        return item.target not in self.unwanted


def test_tasks_that_come_later_are_done_and_unwanted_ones_are_let_go():
    tap, heard = Tap(), []

    def hear(event):
        heard.append(event)
        if isinstance(event, Succeeded) and event.item.target == "first":
            tap.pour("endless", 3600.0)
        if isinstance(event, Began) and event.item.target == "endless":
            tap.pour("queued")
            tap.pour("last")
            tap.unwanted |= {"endless", "queued"}
        if isinstance(event, Succeeded) and event.item.target == "last":
            tap.closed = True

    tap.pour("first")
    LocalEngine(1, feed=tap).run(Naps(), [], hear, threading.Event())
    assert [e.item.target for e in heard if isinstance(e, Succeeded)] == ["first", "last"]
    assert [e.item.target for e in heard if isinstance(e, Abandoned)] == ["endless"]
    added = [e.item.target for e in heard if isinstance(e, Added)]
    assert added == ["first", "endless", "queued", "last"]


def test_what_was_poured_in_before_the_feed_closed_is_done():
    tap, heard = Tap(), []
    for number in range(5):
        tap.pour(f"t{number}")
    tap.closed = True
    LocalEngine(2, feed=tap).run(Naps(), [], heard.append, threading.Event())
    assert {e.value for e in heard if isinstance(e, Succeeded)} == {f"t{n}" for n in range(5)}
