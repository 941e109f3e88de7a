"""Media made on the fly with the ffmpeg that imageio-ffmpeg carries."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest

MakeMedia = Callable[..., Path]


@pytest.fixture(scope="session")
def ffmpeg() -> Callable[..., None]:
    """Run ffmpeg with the given arguments."""
    binary = imageio_ffmpeg.get_ffmpeg_exe()

    def run(*arguments: object) -> None:
        command = [binary, "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
        done = subprocess.run([*command, *map(str, arguments)], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()

    return run


@pytest.fixture
def make_media(tmp_path: Path, ffmpeg: Callable[..., None]) -> MakeMedia:
    """Make one file: ``make_media("a.mp4", "-f", "lavfi", "-i", ...)`` returns its path."""

    def make(name: str, *arguments: object) -> Path:
        ffmpeg(*arguments, tmp_path / name)
        return tmp_path / name

    return make
