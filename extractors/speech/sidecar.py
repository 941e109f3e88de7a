"""Files that lie beside a media file and are read without being named: which may be."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from affect_pipe.pipeline.errors import TranscriptError


def check_sidecar(path: Path, media_path: Path, what: str) -> None:
    """Refuse what cannot be the words or the speakers of a media file; nothing is opened.

    A folder of videos may come from anybody, so a link in it must not bring in whatever its maker
    liked: it may lead to somewhere below its own folder or, where the media file is a link, too,
    to the folder that one leads to.

    Parameters
    ----------
    path : Path
        The file beside ``media_path``.
    what : str
        ``transcript`` or ``diarisation``, as the option is called.

    Raises
    ------
    TranscriptError
        If it is a link to elsewhere or to nothing, a folder, a pipe or a device.
    """
    if path.is_symlink() and not _leads_home(path, media_path):
        raise TranscriptError(
            f"{path} is a link to another folder, so it is not read by itself: name it with "
            f"--{what} or in a CSV list, put a copy there, or remove it."
        )
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise TranscriptError(
            f"{path}, beside the video, cannot be read ({error.strerror}): mend or remove it."
        ) from error
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise TranscriptError(
            f"{path} has the name of a {what} but is {kind}: rename or remove it, or name another "
            f"with --{what}."
        )


def _leads_home(path: Path, media_path: Path) -> bool:
    target = Path(os.path.realpath(path))
    if target.is_relative_to(os.path.realpath(path.parent)):
        return True
    return media_path.is_symlink() and target.parent == Path(os.path.realpath(media_path)).parent
