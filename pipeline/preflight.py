"""What can be known to be wrong with a request before any work is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from affect_pipe.pipeline.errors import ResultError, UsageError

SUFFIX = ".affect.json"
SUFFIXES = (SUFFIX, ".affect.csv")
REPORT_SUFFIX = ".report.html"
EXPLANATION_SUFFIXES = (".attention.npz", ".attention.png")
OVERLAY_SUFFIX = ".overlay.mp4"
# Where a file system does not say: what nearly all of them allow.
_NAME_MAX_BYTES = 255


def videos_to_run(
    videos: Sequence[Path], transcript: Path | None, diarisation: Path | None = None
) -> list[Path]:
    """Return the videos, each once.

    Raises
    ------
    UsageError
        If a name holds a NUL character, one transcript or diarisation is given for several
        videos, or two videos would write the same result.
    """
    for video in videos:
        if "\0" in str(video):
            raise UsageError(f"{str(video)!r} holds a NUL character, which no path may.")
    # The same file named twice is a slip, as by two patterns of a shell that overlap.
    once = list({os.path.abspath(video): video for video in reversed(videos)}.values())[::-1]
    if transcript is not None and len(once) > 1:
        raise UsageError(
            "--transcript belongs to one video: give one video, or put transcripts beside the "
            "videos."
        )
    if diarisation is not None and len(once) > 1:
        raise UsageError(
            "--diarisation belongs to one video: give one video, or put RTTM files beside the "
            "videos."
        )
    stems: dict[str, Path] = {}
    for video in once:
        other = stems.setdefault(video.stem, video)
        if other is not video:
            raise UsageError(
                f"{other} and {video} would both write {result_names(video)[0]}: run them with "
                "different --out folders."
            )
    return once


def result_names(video: Path) -> tuple[str, str]:
    """Return the names of the JSON and the CSV result of a video."""
    json_name, csv_name = (video.stem + suffix for suffix in SUFFIXES)
    return json_name, csv_name


def explanation_names(video: Path) -> tuple[str, str]:
    """Return the names of the attention maps of a video, as arrays and as a picture."""
    arrays_name, image_name = (video.stem + suffix for suffix in EXPLANATION_SUFFIXES)
    return arrays_name, image_name


def overlay_name(video: Path) -> str:
    """Return the name of a video's overlay."""
    return video.stem + OVERLAY_SUFFIX


def check_output(folder: Path) -> None:
    """Make the result folder, and find out now whether it can be written to.

    Raises
    ------
    UsageError
        If the folder's name holds a NUL character, or something else is there.
    ResultError
        If it cannot be made or written to.
    """
    if "\0" in str(folder):
        raise UsageError(f"--out {str(folder)!r} holds a NUL character, which no path may.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UsageError(f"--out {folder} is a file: choose a folder.") from error
    except OSError as error:
        raise ResultError(
            f"the result folder {folder} cannot be made ({error.strerror}): choose another --out."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ResultError(f"the result folder {folder} cannot be written to: choose another --out.")


def check_names(folder: Path, names: Sequence[str], media: Path) -> None:
    """Find out whether files in ``folder`` can be called ``names``.

    Raises
    ------
    UsageError
        If one would be too long, and the message tells to rename the media file; or would take the
        place of the media file itself.
    """
    limit = _longest_name(folder)
    name = max(names, key=len)
    n_bytes = len(os.fsencode(name))
    if n_bytes > limit:
        raise UsageError(
            f"the result of {media.name[:40]}... would have a name of {n_bytes} bytes, and "
            f"{folder} takes {limit}: rename the video."
        )
    for name in names:
        written = folder / name
        if written.exists() and media.exists() and written.samefile(media):
            raise UsageError(f"{name} would overwrite {media} itself: choose another --out.")


def _longest_name(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # no such thing on this system
        return _NAME_MAX_BYTES
