"""Names of uploaded files: as they are shown, and as they may lie on any file system."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from pathvalidate import sanitize_filename

from affect_pipe.pipeline.media_files import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from affect_pipe.pipeline.results.terminal_text import printable

# A result's name adds an ending, and a file system takes 255 bytes.
_STEM_BYTES = 120
_SHOWN = 200
_UNNAMED = "video"
# Of a recording whose name says something else, which would make it look like its own transcript.
_OTHER_SUFFIX = ".media"


def shown_name(given: str) -> str:
    """Return the last part of a name as its user wrote it, on one line, for people to read."""
    # Both separators: the name may come from another system than this one.
    last = re.split(r"[/\\]", given)[-1].replace("\0", "")
    shown = printable(last).strip()
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


def safe_stem(given: str) -> str:
    """Return a name without a suffix that every file system takes, and that leads nowhere.

    Parameters
    ----------
    given : str
        Anything: with folders of any system, control characters, reserved words, any length.

    Returns
    -------
    str
        1 to 120 bytes of UTF-8 in NFC, without separators; it does not begin with a dot.
    """
    name = unicodedata.normalize("NFC", shown_name(given).removesuffix("..."))
    stem = PurePosixPath(sanitize_filename(name, platform="universal", max_len=None)).stem
    # Hidden files are left out of folders, and Windows drops dots and spaces at the end.
    stem = _cut(stem.strip(". "), _STEM_BYTES).strip(". ")
    # Again: what is reserved may only have come to light by what was taken away.
    return sanitize_filename(stem, platform="universal") or _UNNAMED


def safe_suffix(given: str) -> str:
    """Return the ending of a recording's name, in lower case; ``.media`` if it is of another kind.

    Nothing is concluded from it: what a file is, a look into it tells.
    """
    suffix = PurePosixPath(shown_name(given)).suffix.lower()
    return suffix if suffix in VIDEO_SUFFIXES | AUDIO_SUFFIXES else _OTHER_SUFFIX


def _cut(text: str, n_bytes: int) -> str:
    return text.encode("utf-8", "ignore")[:n_bytes].decode("utf-8", "ignore")
