"""What a user gave, on the way in: as it is quoted in messages, and as a path."""

from __future__ import annotations

from pathlib import Path

from affect_pipe.pipeline.errors import UsageError

_MAX_QUOTED = 80


def quoted(value: object, limit: int = _MAX_QUOTED) -> str:
    """Return ``repr(value)``, cut where it would bury the sentence it stands in."""
    if isinstance(value, int):
        # Python refuses to write out integers of thousands of digits.
        return repr(value) if value.bit_length() <= 1000 else "a number of hundreds of digits"
    text = repr(value[: 2 * limit] if isinstance(value, str | bytes) else value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def user_path(given: str | Path, what: str) -> Path:
    """Return a path as its user meant it, with ``~`` and ``~name`` as home folders.

    Parameters
    ----------
    what : str
        What the path is of, for the message: "the cache folder".

    Raises
    ------
    UsageError
        If it is empty, holds a NUL character, or names the home of a user that is not known.
    """
    if not str(given):
        raise UsageError(f"{what} is given as an empty name: give a path, or leave it out.")
    if "\0" in str(given):
        raise UsageError(f"{what} {quoted(str(given))} holds a NUL character, which no path may.")
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"{what} {quoted(str(given))} cannot be found: there is no home folder of that user; "
            "write the path out."
        ) from error


def media_path(given: object) -> Path:
    """Return the path of a media file as a caller in Python gave it.

    Raises
    ------
    UsageError
        If it is no path, or an empty one.
    """
    if not isinstance(given, str | Path) or not str(given):
        raise UsageError(f"media is {quoted(given)}: expected the path of a video or audio file.")
    return Path(given)
