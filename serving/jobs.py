"""Uploaded videos on the disk: a folder each, which is there as a whole or not at all.

``uploads/<id>/`` has the video, what was dropped with it, and ``job.json``. It is made aside and
takes its name at once, so that a folder that is there is a video that was accepted. What came of
it is below ``results/``, where the ledger of the batch tells about it.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from affect_pipe.pipeline.atomic import atomic_write
from affect_pipe.pipeline.batch.records import Item, Seen, Task
from affect_pipe.pipeline.results.utterance_dataset import dataset_name

RECORD = "job.json"
_ID = re.compile(r"[0-9a-f]{32}")
_UPLOADS, _INCOMING, _TRASH, _RESULTS = "uploads", ".incoming", ".trash", "results"


class Job(BaseModel):
    """One uploaded video.

    Attributes
    ----------
    id : str
        32 hex characters that nobody can guess.
    title : str
        The name its user gave it, fit to be shown.
    file : str
        Its name in the job's folder.
    transcript, diarisation : str, optional
        Names in the job's folder.
    size_bytes : int
    duration_s : float
    width_px, height_px : int
        Zero without pictures.
    received : str
        When, in UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: str
    title: str
    file: str
    transcript: str | None = None
    diarisation: str | None = None
    size_bytes: int
    duration_s: float
    width_px: int = 0
    height_px: int = 0
    received: str

    @property
    def target(self) -> str:
        """What the names of its results begin with, below ``results/``."""
        return f"{self.id}/{Path(self.file).stem}"


def new_id() -> str:
    """Return an id that was never given before and cannot be guessed."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class JobFolder:
    """The folder of a server, ``--out``.

    Attributes
    ----------
    root : Path
        Absolute.
    """

    root: Path

    @property
    def results(self) -> Path:
        """The result folder of the batch."""
        return self.root / _RESULTS

    def prepare(self) -> None:
        """Make what is missing, and remove what an interrupted upload left.

        Raises
        ------
        OSError
            If that cannot be done.
        """
        shutil.rmtree(self.root / _INCOMING, ignore_errors=True)
        for name in (_UPLOADS, _INCOMING, _TRASH, _RESULTS):
            (self.root / name).mkdir(exist_ok=True)
        known = {job.id for job in (*self.jobs(), *self.discarded())}
        for folder in self.results.iterdir():
            if _ID.fullmatch(folder.name) and folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def jobs(self) -> Iterator[Job]:
        """Yield what was accepted, in the order it came; what is no job's folder is passed over."""
        yield from sorted(_read(self.root / _UPLOADS), key=lambda job: (job.received, job.id))

    def discarded(self) -> Iterator[Job]:
        """Yield what was discarded and has not been removed yet."""
        yield from _read(self.root / _TRASH)

    def places(self, job_id: str) -> tuple[Path, ...]:
        """Return the folders that errors about a job may name, the innermost first."""
        return (
            self.root / _UPLOADS / job_id,
            self.root / _INCOMING / job_id,
            self.results / job_id,
            self.root,
        )

    def incoming(self, job_id: str) -> Path:
        """Make and return the folder in which an upload is put together."""
        folder = self.root / _INCOMING / job_id
        folder.mkdir()
        return folder

    def folder(self, job: Job) -> Path:
        """Return the folder of an accepted job."""
        return self.root / _UPLOADS / job.id

    def accept(self, job: Job) -> None:
        """Turn a folder of `incoming` into the job's.

        Raises
        ------
        OSError
            If the disk is full.
        """
        incoming = self.root / _INCOMING / job.id
        atomic_write(incoming / RECORD, [job.model_dump_json(indent=1).encode("utf-8")])
        os.rename(incoming, self.folder(job))

    def refuse(self, job_id: str) -> None:
        """Remove a folder of `incoming`, if it is still there."""
        shutil.rmtree(self.root / _INCOMING / job_id, ignore_errors=True)

    def discard(self, job: Job) -> Path:
        """Take a job's folder out of the way, so that a restart does not find it.

        Returns
        -------
        Path
            Where its video is until `remove`.
        """
        trash = self.root / _TRASH / job.id
        if not trash.exists():
            try:
                os.rename(self.folder(job), trash)
            except OSError:  # Windows moves no folder with an open file in it
                (self.folder(job) / RECORD).unlink(missing_ok=True)
                return self.folder(job) / job.file
        return trash / job.file

    def remove(self, job: Job) -> None:
        """Remove what a discarded job left, results included."""
        shutil.rmtree(self.root / _TRASH / job.id, ignore_errors=True)
        shutil.rmtree(self.folder(job), ignore_errors=True)
        shutil.rmtree(self.results / job.id, ignore_errors=True)
        with suppress(OSError):
            (self.results / dataset_name(job.target)).unlink()

    def task(self, job: Job) -> Task:
        """Return a job as the batch takes it."""
        folder = self.folder(job)

        def beside(name: str | None) -> Path | None:
            return None if name is None else folder / name

        item = Item(
            str(folder / job.file), job.target, beside(job.transcript), beside(job.diarisation)
        )
        return Task(item, seen=Seen(None, job.duration_s, job.width_px, job.height_px))


def _read(folder: Path) -> Iterator[Job]:
    """Yield the jobs whose folders lie in one."""
    for one in folder.iterdir():
        with suppress(OSError, ValidationError, UnicodeError):
            job = Job.model_validate_json((one / RECORD).read_bytes())
            names = (job.file, *filter(None, (job.transcript, job.diarisation)))
            if job.id == one.name and _ID.fullmatch(job.id) and all(map(_is_plain, names)):
                yield job


def _is_plain(name: str) -> bool:
    return name == Path(name).name and name not in (".", "..", RECORD)
