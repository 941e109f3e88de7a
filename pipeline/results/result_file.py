"""Reading a JSON result back: the parts that tables and indexes need, checked.

A result file may come from anywhere: by mail, from another version, from a copy that broke off.
What is read of it is therefore checked against the published shape
(``affect-pipe-1.schema.json``), and every fault is one sentence that names the file.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from affect_pipe.pipeline.errors import ResultError
from affect_pipe.pipeline.fingerprint import digest_bytes
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.records import Modality
from affect_pipe.pipeline.results.json_result import SCHEMA

SUFFIX = ".affect.json"
MAX_BYTES = 1 << 28
"""Largest file that is read: ten times the result of a two-hour talk with everything explained."""

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]
SentimentIntensity = Annotated[float, Field(ge=-3, le=3)]
EmotionIntensity = Annotated[float, Field(ge=0, le=3)]


class _Part(BaseModel):
    # Strict: "3" is no number. What a later version of the shape adds is passed over.
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class MediaPart(_Part):
    """The file that was analysed: name without folders, digest, length in seconds."""

    file: str = Field(min_length=1)
    digest: str
    duration_s: Seconds
    audio: dict[str, Any] | None
    video: dict[str, Any] | None


class AsrPart(_Part):
    """Where the words come from."""

    source: str
    model: str
    language: str | None
    guesses: bool


class ModelPart(_Part):
    """The checkpoint that predicted."""

    name: str
    digest: str
    backbone: str
    licence: str


class SentimentPart(_Part):
    """Class and intensity, in [-3, 3], of one utterance; None where the model has no such part."""

    label: str | None
    probabilities: dict[str, Probability] | None
    intensity: SentimentIntensity | None


class EmotionPart(_Part):
    """One emotion of one utterance; the intensity is in [0, 3]."""

    probability: Probability | None
    present: bool | None
    intensity: EmotionIntensity | None


class ClassPart(_Part):
    """One class of several: arousal, valence. Probabilities are in the order of the classes."""

    label: str
    probabilities: dict[str, Probability]


class EvidencePart(_Part):
    """Whether an utterance offers enough to judge by."""

    sufficient: bool
    reasons: tuple[str, ...] = Field(strict=False)


class ModalityPart(_Part):
    """Whether a modality was there, and why not."""

    present: bool
    reason: str | None


class UtterancePart(_Part):
    """One utterance: what was said and what was predicted.

    A part that the model does not predict is absent from `model_fields_set`; None is one that
    could not be judged.
    """

    index: int = Field(ge=0)
    start_s: Seconds
    end_s: Seconds
    text: str
    speaker: str | None = None
    sentiment: SentimentPart | None = None
    emotions: dict[str, EmotionPart] | None = None
    arousal: ClassPart | None = None
    valence: ClassPart | None = None
    evidence: EvidencePart | None = None
    modalities: dict[Modality, ModalityPart]


class ResultFile(_Part):
    """What was read of a JSON result.

    Attributes
    ----------
    media, asr, model
    utterances : tuple of UtterancePart
        In order of time.
    warnings : tuple of str
    """

    media: MediaPart
    asr: AsrPart
    model: ModelPart
    utterances: tuple[UtterancePart, ...] = Field(strict=False)
    warnings: tuple[str, ...] = Field(strict=False)


def read_result(path: Path) -> tuple[ResultFile, str]:
    """Read a JSON result.

    Returns
    -------
    ResultFile
    str
        Digest of the file's bytes (blake2b, 128 bits, hex).

    Raises
    ------
    ResultError
        If it cannot be read, is too large, or is no result of this version.
    """
    data = result_bytes(path)
    return parse_result(data, str(path)), digest_bytes(data)


def result_bytes(path: Path) -> bytes:
    """Return the bytes of a regular file of no more than `MAX_BYTES`.

    Raises
    ------
    ResultError
        If it cannot be read, is no regular file, or is larger.
    """
    try:
        # A named pipe would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ResultError(f"{path} is no regular file: give a JSON result.")
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ResultError(f"{path} cannot be read: {reason}.") from error
    if len(data) > MAX_BYTES:
        raise ResultError(
            f"{path} is larger than {MAX_BYTES >> 20} MiB, more than any result: it is not read."
        )
    return data


_BINARY = getattr(os, "O_BINARY", 0)


def parse_result(data: bytes, name: str) -> ResultFile:
    """Return what the bytes of a JSON result say.

    Parameters
    ----------
    name : str
        The file's, for the message.

    Raises
    ------
    ResultError
        If they are no JSON, or no result of this version.
    """
    found = _json(data, name)
    schema = found.get("schema") if isinstance(found, dict) else None
    if schema != SCHEMA:
        what = "no result of affect-pipe" if schema is None else f"of the shape {quoted(schema)}"
        raise ResultError(f"{name} is {what}: expected the shape {SCHEMA!r}.")
    try:
        return ResultFile.model_validate(found)
    except (ValidationError, RecursionError) as error:
        raise ResultError(
            f"{name} breaks the shape {SCHEMA!r}{_where(error)}: analyse the video anew."
        ) from error


def _json(data: bytes, name: str) -> Any:
    try:
        found = json.loads(data.decode("utf-8"), parse_constant=_refuse)
        if b"\\u" in data:
            # Half a surrogate pair, of a file name that is no UTF-8, is no text elsewhere.
            whole = json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")
            found = json.loads(whole)
        return found
    # A RecursionError is a bracket ten thousand deep; a ValueError also a number of 5,000 digits.
    except (ValueError, RecursionError) as error:
        cut = "it is empty" if not data.strip() else "it is damaged or was cut off"
        raise ResultError(f"{name} is no JSON: {cut}; analyse the video anew.") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"JSON has no {constant}")


def _where(error: Exception) -> str:
    """Return the first place that is at fault and what is wrong there."""
    if not isinstance(error, ValidationError):
        return ""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"])
    return f" at {place.lstrip('.')[:80]} ({first['msg']})"
