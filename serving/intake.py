"""From a request to a job: received, looked into, then accepted whole or refused."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from affect_pipe.extractors.speech.text_file import decode, read_bytes
from affect_pipe.extractors.speech.transcript import FORMATS
from affect_pipe.pipeline.batch.records import Failure, Seen
from affect_pipe.pipeline.container import MediaLimits
from affect_pipe.pipeline.errors import AffectPipeError
from affect_pipe.serving.jobs import Job, JobFolder, new_id
from affect_pipe.serving.looking import look_into
from affect_pipe.serving.names import safe_stem, safe_suffix, shown_name
from affect_pipe.serving.queue import Queue
from affect_pipe.serving.refused import RefusedError
from affect_pipe.serving.space import Space
from affect_pipe.serving.upload import Part, check_length, receive

BESIDE = {"transcript": FORMATS, "diarisation": (".rttm",)}
"""Endings of the files that may come with a video, by the field of the form."""
# Each look is a process that decodes.
_LOOKS = 2


@dataclass(frozen=True)
class Intake:
    """Takes uploads in.

    Attributes
    ----------
    folder : JobFolder
    queue : Queue
    space : Space
    max_bytes : int
        Of one upload.
    limits : MediaLimits
    """

    folder: JobFolder
    queue: Queue
    space: Space
    max_bytes: int
    limits: MediaLimits
    _looks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LOOKS))

    async def __call__(self, request: Request) -> Job:
        """Receive a video and queue it.

        Raises
        ------
        RefusedError
            If it is too large, no recording, or there is no room; nothing is left of it then.
        """
        length = check_length(request, self.max_bytes)
        await run_in_threadpool(self.space.recount)
        self.space.check(length)
        job_id = new_id()
        try:
            folder = await run_in_threadpool(self.folder.incoming, job_id)
            parts = await receive(request, folder, self.max_bytes, self.space.take)
            named = await run_in_threadpool(_named, folder, parts)
            seen = await self._look(folder, named["video"], shown_name(_video(parts).given))
            job = _job(job_id, _video(parts), named, seen)
            await run_in_threadpool(self.folder.accept, job)
        except OSError as error:
            raise RefusedError(507, f"The file cannot be kept ({error.strerror}).") from error
        finally:
            self.folder.refuse(job_id)
        self.queue.add(job)
        return job

    async def _look(self, folder: Path, name: str, shown: str) -> Seen:
        async with self._looks:
            try:
                path = folder / name
                seen = await run_in_threadpool(look_into, path, self.limits, self.queue.stop)
            except AffectPipeError as error:
                raise RefusedError(500, str(error)) from error
        if isinstance(seen, Seen):
            return seen
        if seen is None:
            raise RefusedError(503, "The server is being stopped: send the video again later.")
        raise RefusedError(422, _of_name(seen, path, shown))


def _of_name(failure: Failure, path: Path, shown: str) -> str:
    """Return why a file is refused, with its user's name for it."""
    if failure.kind == "refused":
        return failure.reason.replace(str(path), shown)
    if failure.kind == "timeout":
        return f"{shown}: it takes too long to look into; converting it with ffmpeg may help."
    return f"{shown}: a codec crashed on it; converting it with ffmpeg may help."


def _video(parts: list[Part]) -> Part:
    for part in parts:
        if part.field == "video":
            return part
    raise RefusedError(400, "Choose a video first: the form has none.")


def _named(folder: Path, parts: list[Part]) -> dict[str, str]:
    """Give the files names that say what they are; return them by field."""
    video = _video(parts)
    stem = safe_stem(video.given)
    names = {}
    for part in parts:
        if part.field == "video":
            suffix = safe_suffix(part.given)
        else:
            suffix = Path(shown_name(part.given)).suffix.lower()
            if suffix not in BESIDE[part.field]:
                raise RefusedError(
                    422,
                    f"{shown_name(part.given)}: a {part.field} ends in "
                    f"{' or '.join(BESIDE[part.field])}.",
                )
        if not part.size_bytes:
            raise RefusedError(422, f"{shown_name(part.given)} is empty (0 bytes).")
        if part.field != "video":
            _check_text(part)
        names[part.field] = part.path.rename(folder / f"{stem}{suffix}").name
    return names


def _check_text(part: Part) -> None:
    """Refuse what is no text now, not when its video is analysed."""
    shown = shown_name(part.given)
    try:
        text, _ = decode(read_bytes(part.path), part.path)
    except AffectPipeError as error:
        raise RefusedError(422, str(error).replace(str(part.path), shown)) from error
    if not text.strip():
        raise RefusedError(422, f"{shown} is empty: it holds no words.")


def _job(job_id: str, video: Part, named: dict[str, str], seen: Seen) -> Job:
    return Job(
        id=job_id,
        title=shown_name(video.given) or named["video"],
        file=named["video"],
        transcript=named.get("transcript"),
        diarisation=named.get("diarisation"),
        size_bytes=video.size_bytes,
        duration_s=seen.duration_s,
        width_px=seen.width_px,
        height_px=seen.height_px,
        received=datetime.now(UTC).isoformat(timespec="microseconds"),
    )
