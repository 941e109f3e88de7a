"""What pages and programs are shown of jobs."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jinja2

from affect_pipe.pipeline.batch.display import duration
from affect_pipe.pipeline.sizes import format_size
from affect_pipe.serving.jobs import Job
from affect_pipe.serving.states import State

_PACKAGE = "affect_pipe.serving"
_REPORT_ASSETS = "affect_pipe.pipeline.results.report"

STATIC = {
    # Of the reports: one look for all pages.
    "theme.css": (_REPORT_ASSETS, "assets/theme.css", "text/css"),
    "theme.js": (_REPORT_ASSETS, "assets/theme.js", "text/javascript"),
    "serve.css": (_PACKAGE, "static/serve.css", "text/css"),
    "serve.js": (_PACKAGE, "static/serve.js", "text/javascript"),
    "icon.svg": (_PACKAGE, "static/icon.svg", "image/svg+xml"),
}
"""Every file that is served as it is: package, name in it, type."""

_STAGES = {
    "voice-activity": "finding speech",
    "speech": "finding the words",
    "face-tracks": "following faces",
    "features-text": "describing the words",
    "features-acoustic": "describing the voice",
    "features-visual": "describing the face",
    "fusion": "predicting",
}


def static(name: str) -> tuple[bytes, str] | None:
    """Return a file of `STATIC` and its type, if there is one of that name."""
    if name not in STATIC:
        return None
    package, path, kind = STATIC[name]
    return (resources.files(package) / path).read_bytes(), kind


@dataclass(frozen=True)
class Views:
    """Templates and what they are given.

    Attributes
    ----------
    max_bytes : int
        Of one upload.
    """

    max_bytes: int

    def page(self, jobs: Sequence[tuple[Job, State]], trouble: str, refused: str = "") -> str:
        """Return the whole page.

        Parameters
        ----------
        refused : str
            What the last upload was refused with, where it was sent without a script.
        """
        return self._render(
            "page.html",
            jobs=[_shown(*pair) for pair in jobs],
            trouble=trouble,
            refused=refused,
            max_bytes=self.max_bytes,
            max_size=format_size(self.max_bytes),
            stages=_STAGES,
        )

    def jobs(self, jobs: Sequence[tuple[Job, State]], trouble: str) -> str:
        """Return the list of the page."""
        return self._render("jobs.html", jobs=[_shown(*pair) for pair in jobs], trouble=trouble)

    def job(self, job: Job, state: State) -> str:
        """Return one entry of the list."""
        return self._render("job.html", job=_shown(job, state))

    def _render(self, template: str, **context: Any) -> str:
        return _environment().get_template(template).render(**context)


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def published(job: Job, state: State) -> dict[str, Any]:
    """Return a job as JSON for programs."""
    return {
        "id": job.id,
        "title": job.title,
        "size_bytes": job.size_bytes,
        "duration_s": round(job.duration_s, 3),
        "received": job.received,
        "phase": state.phase,
        "stage": state.stage,
        "fraction": round(state.fraction, 4),
        "reason": state.reason,
        "utterances": state.done.utterances if state.done is not None else None,
        "warnings": list(state.done.warnings) if state.done is not None else [],
        "report": state.report,
    }


def _shown(job: Job, state: State) -> dict[str, Any]:
    said = {"waiting": "waiting", "running": "being analysed", "done": "done", "failed": "failed"}
    facts = [duration(job.duration_s), format_size(job.size_bytes)]
    if state.done is not None:
        n = state.done.utterances
        facts.append("1 utterance" if n == 1 else f"{n} utterances")
    if job.transcript is not None:
        facts.append("with a transcript")
    if job.diarisation is not None:
        facts.append("with a diarisation")
    return {
        **published(job, state),
        "said": said[state.phase],
        "facts": ", ".join(facts),
        "stage_said": _STAGES.get(state.stage, state.stage) or "starting",
        "percent": round(100 * state.fraction),
        "trouble": state.trouble,
    }
