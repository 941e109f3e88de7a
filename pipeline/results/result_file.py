"""Reading a JSON result back: the one reader, of what may come from anywhere.

A result file may come by mail, from another version, from a copy that broke off. It is checked
against the published shape before anything is made from it (`affect_pipe.pipeline.results
.result_parts`), and every fault is one sentence that names the file.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from affect_pipe.pipeline.errors import ResultError, UsageError
from affect_pipe.pipeline.fingerprint import digest_bytes
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.preflight import SUFFIX
from affect_pipe.pipeline.records import VideoResult
from affect_pipe.pipeline.results.json_result import SCHEMA, json_bytes
from affect_pipe.pipeline.results.result_parts import ResultParts, UtterancePart

MAX_BYTES = 1 << 28
"""Largest file that is read: ten times the result of a two-hour talk with everything explained."""
# The shape has nine levels, settings of features a few more.
_MAX_DEPTH = 64
_BINARY = getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Result:
    """One video's result, checked.

    Attributes
    ----------
    stem : str
        What its files are called: the name of the result without its ending.
    digest : str
        Of the file's bytes (blake2b, 128 bits, hex).
    parts : ResultParts
        What it says. Half a surrogate pair, of a file name that is no UTF-8, is "?" here.
    published : mapping
        The whole JSON document as it is, in the published shape.
    """

    stem: str
    digest: str
    parts: ResultParts
    published: Mapping[str, Any] = field(repr=False)

    @property
    def media(self) -> str:
        """Name of the media file, as it is on the disk."""
        return str(self.published["media"]["file"])

    @property
    def media_digest(self) -> str:
        """Digest of the media file."""
        return self.parts.media.digest

    @property
    def model(self) -> str:
        """Name of the checkpoint."""
        return self.parts.model.name

    @property
    def model_digest(self) -> str:
        """Digest of the checkpoint."""
        return self.parts.model.digest

    @property
    def language(self) -> str | None:
        """Language of the words; None where it is not known."""
        return self.parts.asr.language

    @property
    def duration_s(self) -> float:
        """Of the media, in seconds."""
        return self.parts.media.duration_s

    @property
    def has_video(self) -> bool:
        """Whether there is a picture."""
        return self.parts.media.video is not None

    @property
    def utterances(self) -> tuple[UtterancePart, ...]:
        """All of them, in order of time."""
        return self.parts.utterances

    @property
    def speakers(self) -> tuple[str | None, ...]:
        """Who speaks, in order of first words; None for the utterances that name nobody."""
        return tuple(dict.fromkeys(u.speaker for u in self.utterances))


def read_named_result(path: Path) -> Result:
    """Read a JSON result that the user named: one that is none is bad use.

    Raises
    ------
    UsageError
        If it cannot be read, is too large, or is no result of this version.
    """
    try:
        return read_result(path)
    except ResultError as error:
        raise UsageError(str(error)) from error


def read_result(path: Path) -> Result:
    """Read a JSON result.

    Raises
    ------
    ResultError
        If it cannot be read, is too large, or is no result of this version.
    """
    return parse_result(result_bytes(path), str(path), stem_of(path))


def result_of(found: VideoResult) -> Result:
    """Return a result that was just computed, as it would come back from its file."""
    path = found.media.path
    return parse_result(json_bytes(found), f"the result of {path.name}", path.stem)


def stem_of(path: Path) -> str:
    """Return what the files made from a result are called."""
    return path.name.removesuffix(SUFFIX).removesuffix(".json")


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
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise ResultError(f"{path} is no regular file: name a result, <video>{SUFFIX}.")
            # It may grow while it is read.
            data = b"" if found.st_size > MAX_BYTES else file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ResultError(f"{path} cannot be read ({reason}): check the path.") from error
    if max(found.st_size, len(data)) > MAX_BYTES:
        raise ResultError(
            f"{path} is larger than {MAX_BYTES >> 20} MiB, more than any result: name a result, "
            f"<video>{SUFFIX}."
        )
    return data


def parse_result(data: bytes, name: str, stem: str = "") -> Result:
    """Return what the bytes of a JSON result say.

    Parameters
    ----------
    name : str
        The file's, for the message.
    stem : str
        As `Result.stem`.

    Raises
    ------
    ResultError
        If they are no JSON, or no result of this version.
    """
    document = _json(data, name)
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise ResultError(
            f"{name} is no result of the shape {SCHEMA} (its schema is {quoted(schema)}): name a "
            f"result, <video>{SUFFIX}."
        )
    try:
        parts = ResultParts.model_validate(_speakable(document, data))
        _check_depth(document)
    except (ValueError, RecursionError, OverflowError) as error:
        raise ResultError(
            f"{name} is damaged: it breaks the shape {SCHEMA}{_where(error)}; analyse the video "
            "anew."
        ) from error
    return Result(stem, digest_bytes(data), parts, document)


def _json(data: bytes, name: str) -> Any:
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse)
    # A RecursionError is a bracket ten thousand deep; a ValueError also a number of 5,000 digits.
    except (ValueError, RecursionError) as error:
        cut = "it is empty" if not data.strip() else "it is damaged or was cut off"
        raise ResultError(
            f"{name} is no JSON: {cut}; name a result, <video>{SUFFIX}, or analyse the video anew."
        ) from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"JSON has no {constant}")


def _speakable(document: Any, data: bytes) -> Any:
    """Return a document without halves of surrogate pairs, which are no text elsewhere."""
    if b"\\u" not in data:
        return document
    return json.loads(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))


def _check_depth(document: Any) -> None:
    """Refuse what is nested so deep that writing it again would fail."""
    level = [document]
    for _ in range(_MAX_DEPTH):
        inside = [one.values() if isinstance(one, dict) else one for one in level]
        level = [one for some in inside for one in some if isinstance(one, dict | list)]
        if not level:
            return
    raise RecursionError(f"more than {_MAX_DEPTH} levels")


def _where(error: Exception) -> str:
    """Return the first place that is at fault and what is wrong there."""
    if not isinstance(error, ValidationError):
        return ""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    absent = [
        str(one["loc"][0]) for one in faults if len(one["loc"]) == 1 and one["type"] == "missing"
    ]
    if absent:
        return f", it lacks {', '.join(absent)}"
    first = faults[0]
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"])
    one_line = " ".join(place.lstrip(".").split())[:80]
    why = first["msg"].removeprefix("Value error, ")
    return f" at {one_line} ({why})" if place else f" ({why})"
