"""Where tests find the sample and the optional data, and what they share."""

import os
from pathlib import Path

import pytest

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
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("AFFECT_PIPE_CACHE", str(tmp_path / "cache"))
