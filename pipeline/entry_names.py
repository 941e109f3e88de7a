"""What cache entries are called: ``entries/3f/<key>.<stage>.safetensors``.

The stage is in the name so that a cache can be counted without opening a file. The key alone
identifies an entry; names without a stage, which earlier versions wrote, are understood.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote

ENTRIES = "entries"
_KEY = re.compile(r"[0-9a-f]{32}")
# Only files of this shape are ever counted or removed, whatever else the folder holds.
_NAME = re.compile(
    ENTRIES + r"/([0-9a-f]{2})/(\1[0-9a-f]{30})(?:\.([A-Za-z0-9_~%-]+))?\.safetensors"
)
_SUFFIX = ".safetensors"
# With key and suffix well below the 255 bytes that a file name may have.
_MAX_STAGE_BYTES = 150


class EntryName(NamedTuple):
    """What an entry's name says; ``stage`` is None in names of earlier versions."""

    key: str
    stage: str | None


def entry_folder(key: str) -> str:
    """Return the folder of a key's entries; 256 of them keep each one small.

    Raises
    ------
    ValueError
        If it is no key.
    """
    if not _KEY.fullmatch(key):
        raise ValueError(f"a cache key is 32 hex characters, got {key!r}")
    return f"{ENTRIES}/{key[:2]}"


def entry_name(key: str, stage: str) -> str:
    """Return where the entry of ``key`` lies.

    Raises
    ------
    ValueError
        If ``key`` is no key, or the stage is empty or too long to be in a file's name.
    """
    folder = entry_folder(key)
    # Dots end the parts of the name.
    text = quote(stage, safe="").replace(".", "%2E")
    if not 0 < len(text) <= _MAX_STAGE_BYTES:
        raise ValueError(f"a stage's name has 1 to {_MAX_STAGE_BYTES} characters, got {stage!r}")
    return f"{folder}/{key}.{text}{_SUFFIX}"


def parse_entry_name(name: str) -> EntryName | None:
    """Return what an entry's name says, or None for any other file's."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    return EntryName(match[2], None if match[3] is None else unquote(match[3]))
