"""The ffmpeg program, for making media; decoding goes through PyAV's own libraries."""

from __future__ import annotations

import shutil

from affect_pipe.pipeline.optional import require


def ffmpeg_binary() -> str:
    """Return the path of the system's ffmpeg, or of the one that imageio-ffmpeg carries.

    Raises
    ------
    MissingDependencyError
        If neither is there.
    """
    found = shutil.which("ffmpeg")
    if found:
        return found
    carried = require("imageio_ffmpeg", feature="Making media without a system ffmpeg")
    return str(carried.get_ffmpeg_exe())
