"""Where tests find the sample and the optional data, and media made on the fly."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest

MakeMedia = Callable[..., Path]
ROOT = Path(__file__).resolve().parent.parent


def pytest_report_header() -> str:
    import affect_pipe.pipeline

    return f"affect_pipe.pipeline from {Path(affect_pipe.pipeline.__file__).parent}"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The corpora; tests that need them are skipped where they are absent."""
    folder = Path(os.environ.get("AFFECT_PIPE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no training data at {folder} (set AFFECT_PIPE_DATA)")
    return folder


@pytest.fixture(scope="session")
def media_dir(data_dir: Path) -> Path:
    """Real videos beside the corpora."""
    folder = data_dir.parent / "media"
    if not folder.is_dir():
        pytest.skip(f"no media at {folder}")
    return folder


@pytest.fixture(scope="session")
def sample() -> Path:
    """The talking video that ships with the repository."""
    return ROOT / "samples" / "talking.mp4"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache or models."""
    monkeypatch.setenv("AFFECT_PIPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AFFECT_PIPE_MODELS", str(tmp_path / "models"))


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
