"""The routes. Files are found by the id of a job, never by a path that a request names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from affect_pipe.pipeline.preflight import REPORT_SUFFIX, SUFFIXES
from affect_pipe.serving.channel import Channel
from affect_pipe.serving.guard import REPORT_POLICY, Guard, KnownHosts
from affect_pipe.serving.intake import Intake
from affect_pipe.serving.jobs import Job, JobFolder
from affect_pipe.serving.queue import Queue
from affect_pipe.serving.refused import RefusedError
from affect_pipe.serving.reports import ReportMaker
from affect_pipe.serving.states import State
from affect_pipe.serving.views import Views, published, static

_RESULTS = dict(zip(("json", "csv"), SUFFIXES, strict=True))
_KINDS = {"json": "application/json", "csv": "text/csv"}
# After a refusal the rest of an upload may still be on its way: nobody waits for it.
_CLOSE = {"connection": "close"}


class App:
    """What the routes answer.

    Parameters
    ----------
    folder : JobFolder
    queue : Queue
    channel : Channel
    intake : Intake
    reports : ReportMaker
    """

    def __init__(
        self,
        folder: JobFolder,
        queue: Queue,
        channel: Channel,
        intake: Intake,
        reports: ReportMaker,
    ) -> None:
        self._folder, self._queue, self._channel = folder, queue, channel
        self._intake, self._reports = intake, reports
        self._views = Views(intake.max_bytes)

    def asgi(self, hosts: Sequence[str]) -> Starlette:
        """Return the application.

        Parameters
        ----------
        hosts : sequence of str
            Names by which it may be asked, without a port.
        """
        return Starlette(
            routes=[
                Route("/", self.page),
                Route("/events", self.events),
                Route("/static/{name}", self.static),
                Route("/list", self.list),
                Route("/jobs", self.jobs, methods=["GET"]),
                Route("/jobs", self.upload, methods=["POST"]),
                Route("/jobs/{id}", self.job),
                Route("/jobs/{id}/entry", self.entry),
                Route("/jobs/{id}/report", self.report),
                Route("/jobs/{id}/result.{kind}", self.result),
                Route("/jobs/{id}/delete", self.delete, methods=["POST"]),
                Route("/jobs/{id}/retry", self.retry, methods=["POST"]),
                Route("/jobs/{id}/{name}", self.media),
            ],
            middleware=[Middleware(Guard), Middleware(KnownHosts, hosts=hosts)],
            exception_handlers={RefusedError: self.refused, HTTPException: _no_route},
        )

    async def page(self, request: Request) -> Response:
        """Answer with the page."""
        return HTMLResponse(self._views.page(self._queue.all(), self._queue.trouble))

    async def list(self, request: Request) -> Response:
        """Answer with the list of the page."""
        return HTMLResponse(self._views.jobs(self._queue.all(), self._queue.trouble))

    async def entry(self, request: Request) -> Response:
        """Answer with one entry of the list."""
        return HTMLResponse(self._views.job(*self._found(request)))

    async def jobs(self, request: Request) -> Response:
        """Answer with all jobs as JSON."""
        return JSONResponse([published(*pair) for pair in self._queue.all()])

    async def job(self, request: Request) -> Response:
        """Answer with one job as JSON."""
        return JSONResponse(published(*self._found(request)))

    async def upload(self, request: Request) -> Response:
        """Take a video in."""
        job = await self._intake(request)
        if _is_page(request):
            return RedirectResponse("/", 303)
        found = self._queue.get(job.id)
        return JSONResponse(published(job, found[1] if found else State()), 201)

    async def delete(self, request: Request) -> Response:
        """Remove a job with all its files."""
        job, _ = self._found(request)
        await run_in_threadpool(self._queue.delete, job.id)
        return RedirectResponse("/", 303) if _is_page(request) else Response(status_code=204)

    async def retry(self, request: Request) -> Response:
        """Queue a job once more that has failed."""
        job, _ = self._found(request)
        if not self._queue.retry(job.id):
            raise RefusedError(409, "Only what has failed can be tried again.")
        return RedirectResponse("/", 303) if _is_page(request) else Response(status_code=204)

    async def report(self, request: Request) -> Response:
        """Answer with the report of a video."""
        job, _ = self._found(request)
        headers = {"content-security-policy": REPORT_POLICY}
        path = self._reports.path(self._folder, job)
        return self._file(
            path,
            media_type="text/html",
            headers=headers,
            # Shown where it is opened, and called so where it is kept.
            filename=Path(job.file).stem + REPORT_SUFFIX,
            content_disposition_type="inline",
        )

    async def result(self, request: Request) -> Response:
        """Answer with a result file, to be kept."""
        job, _ = self._found(request)
        kind = request.path_params["kind"]
        if kind not in _RESULTS:
            raise _nothing()
        path = self._folder.results / f"{job.target}{_RESULTS[kind]}"
        return self._file(path, media_type=_KINDS[kind], filename=path.name)

    async def media(self, request: Request) -> Response:
        """Answer with the video, which a report plays by its name alone."""
        job, _ = self._found(request)
        if request.path_params["name"] != job.file:
            raise _nothing()
        return self._file(self._folder.folder(job) / job.file)

    async def static(self, request: Request) -> Response:
        """Answer with a style, script or picture of the page."""
        found = static(request.path_params["name"])
        if found is None:
            raise _nothing()
        content, kind = found
        return Response(content, media_type=kind)

    async def events(self, request: Request) -> Response:
        """Answer with all that happens, as it happens."""
        return StreamingResponse(self._channel.join(), media_type="text/event-stream")

    async def refused(self, request: Request, error: Exception) -> Response:
        """Answer with why a request is refused."""
        assert isinstance(error, RefusedError)
        if _is_page(request) and request.url.path == "/jobs":
            page = self._views.page(self._queue.all(), self._queue.trouble, error.sentence)
            return HTMLResponse(page, error.status, _CLOSE)
        return JSONResponse({"error": error.sentence}, error.status, _CLOSE)

    def _found(self, request: Request) -> tuple[Job, State]:
        found = self._queue.get(request.path_params["id"])
        if found is None:
            raise _nothing()
        return found

    def _file(self, path: Path, **how: object) -> Response:
        if path.is_symlink() or not path.is_file():
            raise _nothing()
        return FileResponse(path, **how)  # type: ignore[arg-type]


async def _no_route(request: Request, error: Exception) -> Response:
    """Answer where no route fits a request: its path or its method."""
    assert isinstance(error, HTTPException)
    said = {404: _nothing().sentence, 405: f"{request.method} is nothing that can be done here."}
    sentence = said.get(error.status_code, error.detail)
    return JSONResponse({"error": sentence}, error.status_code, error.headers)


def _nothing() -> RefusedError:
    return RefusedError(404, "There is nothing here: it may have been deleted.")


def _is_page(request: Request) -> bool:
    """Return whether a form was sent by a browser itself, not by the page's script."""
    return "text/html" in request.headers.get("accept", "")
