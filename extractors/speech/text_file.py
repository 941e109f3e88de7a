"""Read a text file of unknown encoding and bounded size."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path

from affect_pipe.pipeline.errors import TranscriptError, UsageError

# The transcript of a 24-hour video is about 1.5 MB of text, 10 MB as Whisper JSON with words.
MAX_BYTES = 64 * 2**20

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_bytes(path: Path, what: str = "transcript") -> bytes:
    """Return the bytes of a file of words or speakers.

    Parameters
    ----------
    path : Path
    what : str
        What it is, for messages.

    Raises
    ------
    UsageError
        If there is no such file, or it cannot be read.
    TranscriptError
        If it is implausibly large.
    """
    try:
        _check_regular(path.stat().st_mode, path, what)
        # What was a file may be a pipe by now, which would never be opened.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            _check_regular(os.fstat(file.fileno()).st_mode, path, what)
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise UsageError(f"There is no {what} file {path}: check the path.") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"The {what} {path} cannot be read ({why}): check it.") from error
    if len(data) > MAX_BYTES:
        raise TranscriptError(
            f"{path} is larger than {MAX_BYTES // 2**20} MiB, too large for a {what}: "
            "is it the right file?"
        )
    return data


def _check_regular(mode: int, path: Path, what: str) -> None:
    if stat.S_ISDIR(mode):
        raise UsageError(f"{path} is a folder, not a {what} file: name the file in it.")
    # A pipe may never say anything, a device may never end.
    if not stat.S_ISREG(mode):
        raise UsageError(f"{path} is a pipe or a device: give the {what} as a file.")


def decode(data: bytes, path: Path) -> tuple[str, str | None]:
    """Decode a transcript: by its byte-order mark, else UTF-8, else UTF-16, else Windows-1252.

    Returns
    -------
    text : str
        With Unix line ends and without a byte-order mark.
    warning : str or None
        Says so when the encoding had to be guessed.

    Raises
    ------
    TranscriptError
        If the bytes are no text.
    """
    try:
        text, warning = _decode(data, path)
    except UnicodeDecodeError as error:
        raise TranscriptError(
            f"{path} is damaged at byte {error.start} (it is no valid {error.encoding}): "
            "save it again as UTF-8."
        ) from error
    if "\0" in text:
        raise TranscriptError(f"{path} is not a text file: expected a transcript.")
    return text.replace("\r\n", "\n").replace("\r", "\n"), warning


def _decode(data: bytes, path: Path) -> tuple[str, str | None]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding), None
    # UTF-16 without a mark shows as a zero in every other byte of what is mostly Latin text.
    if len(data) >= 4 and len(data) % 2 == 0:
        for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
            zeros, others = data[first::2].count(0), data[1 - first :: 2].count(0)
            if others == 0 and zeros > 0.4 * len(data) / 2:
                return data.decode(encoding), "it has no byte-order mark: read as UTF-16."
    try:
        return data.decode("utf-8"), None
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text, "it is not UTF-8: read as Windows-1252, check the accented letters."
