"""Receiving a form with a video: straight to the disk, bounded, nothing of it whole in memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from affect_pipe.pipeline.sizes import format_size
from affect_pipe.serving.refused import RefusedError

# What the form itself may take besides the files.
FORM_BYTES = 1 << 20
_BESIDE_BYTES = 16 << 20
_BUFFER_BYTES = 1 << 20
_SILENT_S = 60.0
_MAX_PARTS = 16
FIELDS = ("video", "transcript", "diarisation")


@dataclass
class Part:
    """One file of a form.

    Attributes
    ----------
    field : str
        One of `FIELDS`.
    given : str
        The file's name as its user has it: anything at all.
    path : Path
    size_bytes : int
    """

    field: str
    given: str
    path: Path
    size_bytes: int = 0


def check_length(request: Request, max_bytes: int) -> int:
    """Return the length that a request announces, 0 where it does not.

    Raises
    ------
    RefusedError
        If it is longer than allowed; nothing of it has been read then.
    """
    announced = request.headers.get("content-length", "")
    # Cut: Python refuses to read integers of thousands of digits.
    length = int(announced[:20]) if announced.isascii() and announced.isdigit() else 0
    if length > max_bytes + FORM_BYTES:
        raise too_large(max_bytes)
    return length


def too_large(max_bytes: int) -> RefusedError:
    """Return the refusal of a file that is too large."""
    return RefusedError(
        413, f"The file is larger than {format_size(max_bytes)}, the limit here (--max-upload)."
    )


async def receive(
    request: Request, folder: Path, max_bytes: int, take: Callable[[int], None]
) -> list[Part]:
    """Write the files of a form into a folder.

    Parameters
    ----------
    request : Request
        ``multipart/form-data``; its fields are `FIELDS`, others are passed over.
    folder : Path
        Its files are called as the fields.
    max_bytes : int
        For the whole body, but for what the form itself takes.
    take : callable (n_bytes)
        Asked before bytes are written; raises `RefusedError` where there is no room.

    Returns
    -------
    list of Part
        Those that have a name, each field once.

    Raises
    ------
    RefusedError
        If the body is too long, too slow, or no such form.
    """
    form = _Form(folder, _boundary(request), take)
    received = 0
    try:
        async for chunk in _chunks(request):
            received += len(chunk)
            if received > max_bytes + FORM_BYTES:
                raise too_large(max_bytes)
            form.parse(chunk)
            for part in form.parts:
                if part.size_bytes > (max_bytes if part.field == "video" else _BESIDE_BYTES):
                    raise too_large(max_bytes if part.field == "video" else _BESIDE_BYTES)
            if form.waiting_bytes >= _BUFFER_BYTES:
                await run_in_threadpool(form.write)
        await run_in_threadpool(form.finish)
    except OSError as error:
        raise RefusedError(507, f"The file cannot be kept ({error.strerror}).") from error
    finally:
        form.close()
    return [part for part in form.parts if part.given]


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(_SILENT_S):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise RefusedError(
                408, "The upload stood still for a minute and was given up."
            ) from None
        except ClientDisconnect:
            raise RefusedError(400, "The upload was broken off.") from None
        if chunk is None:
            return
        if chunk:
            yield chunk


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise RefusedError(415, "Send the video as a form (multipart/form-data, field video).")
    return boundary


@dataclass
class _Form:
    """Takes the parts of a form as the parser finds them."""

    folder: Path
    boundary: bytes
    take: Callable[[int], None]
    parts: list[Part] = field(default_factory=list)
    waiting_bytes: int = 0
    _n_parts: int = 0
    _whole: bool = False
    _current: Part | None = None
    _files: dict[str, BinaryIO] = field(default_factory=dict)
    _waiting: list[tuple[Part, bytes]] = field(default_factory=list)
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _disposition: bytes = b""

    def __post_init__(self) -> None:
        try:
            self._parser = MultipartParser(
                self.boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": partial(self._gather, self._header),
                    "on_header_value": partial(self._gather, self._value),
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._data,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise self._broken() from error

    def parse(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise self._broken() from error

    def write(self) -> None:
        """Write what has come; blocks."""
        waiting, self._waiting, self.waiting_bytes = self._waiting, [], 0
        for part, data in waiting:
            self.take(len(data))
            file = self._files.get(part.field)
            if file is None:
                file = self._files[part.field] = part.path.open("xb")
            file.write(data)

    def finish(self) -> None:
        """Write the rest; on return it is on the disk."""
        if not self._whole:
            raise self._broken()
        self.write()
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def _broken(self) -> RefusedError:
        return RefusedError(400, "The form is damaged or cut off: send it again.")

    def _begin(self) -> None:
        self._n_parts += 1
        if self._n_parts > _MAX_PARTS:
            raise RefusedError(400, "The form has too many parts: send one video at a time.")
        self._current, self._disposition = None, b""

    def _gather(self, where: bytearray, data: bytes, start: int, end: int) -> None:
        where += data[start:end]

    def _header_end(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        given = options.get(b"filename")
        if name not in FIELDS or given is None:
            return
        if any(part.field == name for part in self.parts):
            raise RefusedError(400, f"The form has several files as {name}: send one at a time.")
        self._current = Part(name, given.decode("utf-8", "replace"), self.folder / name)
        self.parts.append(self._current)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._current is not None:
            self._current.size_bytes += end - start
            self._waiting.append((self._current, data[start:end]))
            self.waiting_bytes += end - start

    def _end(self) -> None:
        self._whole = True
