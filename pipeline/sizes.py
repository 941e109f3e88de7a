"""Sizes in bytes as people write them."""

from __future__ import annotations

import re
from decimal import Decimal

from affect_pipe.pipeline.errors import UsageError
from affect_pipe.pipeline.given import quoted

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE | re.ASCII)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(text: str) -> int:
    """Return the bytes ``text`` means: ``5GB`` is 5e9, ``5GiB`` is 5 * 2**30, ``5000`` is 5000.

    Raises
    ------
    UsageError
        If it is no size.
    """
    match = _SIZE.fullmatch(text)
    if match is None or (match[3] and not match[2]):
        raise UsageError(f"{quoted(text)} is not a size: write for example 500MB, 5GB or 5GiB.")
    base = 1024 if match[3] else 1000
    return int(Decimal(match[1]) * base ** _POWERS[match[2].lower()])


def format_size(size_bytes: int) -> str:
    """Return a size in decimal units with one digit: ``1.5 MB``; bytes below a kilobyte."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    size = float(size_bytes)
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        # 999.95 would be rounded to 1000.0.
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"
