"""A result as its JSON file tells it: what every export is made from.

Reading is by the published shape (``affect-pipe-1.schema.json``); what exports do not need is
passed through in `Result.published`. A file that was edited by hand is checked like any other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from affect_pipe.pipeline.errors import AffectPipeError, UsageError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.records import MODALITIES, Modality, VideoResult
from affect_pipe.pipeline.results.json_result import SCHEMA, to_json

#: What `affect-pipe run` calls its results.
SUFFIX = ".affect.json"
# An hour of video is about 2 MB.
MAX_BYTES = 512 * 2**20

# No day of video is longer than this many.
_Seconds = Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)]
_Number = Annotated[float, Field(allow_inf_nan=False)]


class BadResultError(AffectPipeError):
    """A file is no result of this program, or was damaged."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Sentiment(_Part):
    """Class and intensity, each None where the model does not predict it."""

    label: str | None
    probabilities: Mapping[str, _Number] | None
    intensity: _Number | None


class Emotion(_Part):
    """One emotion of an utterance; parts the model does not predict are None."""

    probability: _Number | None
    present: bool | None
    intensity: _Number | None


class Classes(_Part):
    """One class of several: arousal or valence."""

    label: str
    probabilities: Mapping[str, _Number]


class Evidence(_Part):
    """Whether an utterance can carry its prediction, and why not."""

    sufficient: bool
    reasons: tuple[str, ...]


class Sense(_Part):
    """Whether words, voice or face could be used, and why not."""

    present: bool
    reason: str | None


class Face(_Part):
    """The face that was described."""

    track: int
    chosen_by: str
    confidence: _Number
    doubt: str | None


class Judged(_Part):
    """An utterance with what was predicted of it."""

    index: int
    start_s: _Seconds
    end_s: _Seconds
    text: str
    speaker: str | None = None
    sentiment: Sentiment | None = None
    emotions: Mapping[str, Emotion] | None = None
    arousal: Classes | None = None
    valence: Classes | None = None
    evidence: Evidence | None = None
    face: Face | None = None
    modalities: Mapping[Modality, Sense]

    @model_validator(mode="after")
    def _forward(self) -> Judged:
        if self.end_s < self.start_s:
            raise ValueError("it ends before it starts")
        if set(self.modalities) != set(MODALITIES):
            raise ValueError(f"its modalities are not {', '.join(MODALITIES)}")
        return self


class _Media(_Part):
    file: Annotated[str, Field(min_length=1)]
    digest: str
    duration_s: _Seconds
    video: Mapping[str, Any] | None


class _Asr(_Part):
    language: str | None


class _Model(_Part):
    name: str
    digest: str


class _Document(_Part):
    media: _Media
    asr: _Asr
    model: _Model
    utterances: tuple[Judged, ...]


@dataclass(frozen=True)
class Result:
    """One video's result.

    Attributes
    ----------
    stem : str
        What its files are called: the name of the result without its ending.
    media : str
        Name of the media file, without folders.
    duration_s : float
        Of the media, in seconds.
    published : mapping
        The whole JSON document.
    """

    stem: str
    media: str
    media_digest: str
    model: str
    model_digest: str
    language: str | None
    duration_s: float
    has_video: bool
    utterances: tuple[Judged, ...]
    published: Mapping[str, Any] = field(repr=False)

    @property
    def speakers(self) -> tuple[str | None, ...]:
        """Who speaks, in order of first words; None for the utterances that name nobody."""
        return tuple(dict.fromkeys(u.speaker for u in self.utterances))


def result_of(found: VideoResult) -> Result:
    """Return a result that was just computed."""
    return _result(to_json(found), found.media.path.stem)


def read_result(path: Path) -> Result:
    """Read a JSON result.

    Raises
    ------
    UsageError
        If there is no such file, or it cannot be read.
    BadResultError
        If it is no result; the message names the place that is wrong.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"the result {path} cannot be read ({reason}): check the path.") from error
    if len(data) > MAX_BYTES:
        raise BadResultError(f"{path} has more than {MAX_BYTES} bytes: it is no result of a video.")
    try:
        document = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadResultError(
            f"{path} is no JSON ({str(error)[:80]}): name a result, <video>{SUFFIX}."
        ) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise BadResultError(
            f"{path} is no result of a video: its schema is {quoted(schema)}, not {SCHEMA!r}."
        )
    try:
        return _result(document, path.name.removesuffix(SUFFIX).removesuffix(".json"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadResultError(
            f"{path} is damaged: {where}: {first['msg']}; analyse the video again."
        ) from error


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _result(document: Mapping[str, Any], stem: str) -> Result:
    found = _Document.model_validate(document)
    return Result(
        stem=stem,
        media=found.media.file,
        media_digest=found.media.digest,
        model=found.model.name,
        model_digest=found.model.digest,
        language=found.asr.language,
        duration_s=found.media.duration_s,
        has_video=found.media.video is not None,
        utterances=found.utterances,
        published=document,
    )
