"""An index page of a folder of results."""

from __future__ import annotations

from pathlib import Path

from affect_pipe.pipeline.errors import UsageError


def write_index(folder: Path, out: Path | None) -> Path:
    """Write an index page of the results in ``folder``; return its path."""
    raise UsageError(f"{folder} is a folder: name results.")
