"""The page of one video, made in a process of its own when the video is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from affect_pipe.pipeline.batch.engine import Attempt, Stop, Told
from affect_pipe.pipeline.batch.records import Failure, Item
from affect_pipe.pipeline.errors import AffectPipeError
from affect_pipe.pipeline.preflight import SUFFIX
from affect_pipe.pipeline.settings import RunSettings
from affect_pipe.serving.jobs import Job, JobFolder
from affect_pipe.serving.looking import apart

_SUFFIX = ".report.html"
_LONGEST_S = 3600.0


@dataclass(frozen=True)
class ReportWork:
    """Makes a page: a `pipeline.batch.engine.Work` of its path.

    Attributes
    ----------
    result, out : Path
    settings : RunSettings
        Of the run that made the result.
    """

    result: Path
    out: Path
    settings: RunSettings

    @contextmanager
    def open(self) -> Iterator[Attempt[Path]]:
        """Give the function that makes the page."""
        from affect_pipe.reporting import ReportOptions, report

        def make(item: Item, tell: Callable[[Told], None]) -> Path:
            options = ReportOptions(media=Path(item.video), run=self.settings)
            return report(self.result, self.out, options)

        yield make


@dataclass(frozen=True)
class ReportMaker:
    """Makes reports beside the videos, which they play by their name alone.

    Attributes
    ----------
    settings : RunSettings
        Of the batch.
    """

    settings: RunSettings

    def path(self, folder: JobFolder, job: Job) -> Path:
        """Return where the report of a job is, or is going to be."""
        return folder.folder(job) / f"{Path(job.file).stem}{_SUFFIX}"

    def make(self, folder: JobFolder, job: Job, stop: Stop) -> str:
        """Make the report of a job; return why that cannot be, or an empty text."""
        result = folder.results / f"{job.target}{SUFFIX}"
        work = ReportWork(result, self.path(folder, job), self.settings)
        item = Item(str(folder.folder(job) / job.file), job.target)
        try:
            made = apart(work, item, _LONGEST_S, stop)
        except AffectPipeError as error:
            return str(error)
        return made.reason if isinstance(made, Failure) else ""
