"""Where tests find the sample and the optional data, and media made on the fly."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The URL of a bucket of a server that only this machine reaches."""
    pytest.importorskip("s3fs", reason="needs the extra s3 (make test-cluster)")
    pytest.importorskip("moto", reason="needs moto[server] (make test-cluster)")
    import fsspec

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        try:
            for _ in range(300):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            fsspec.filesystem("s3").mkdir("bucket")
            yield "s3://bucket/project"
        finally:
            server.kill()
            server.wait()


class Server:
    """``affect-pipe serve`` as a process of its own.

    Attributes
    ----------
    url : str
    process : subprocess.Popen
    folder : Path
        Its ``--out``.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "affect_pipe.cli", "serve", "--out", str(folder)]
        self.process = subprocess.Popen(
            [*command, "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip().rstrip("/")
        assert self.url, self.process.communicate()[1]
        self.port = int(self.url.rpartition(":")[2])

    def wait_for(self, job_id: str, *phases: str, seconds: float = 120.0) -> dict:
        """Return a job once it is in one of the phases."""
        import requests

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = requests.get(f"{self.url}/jobs/{job_id}", timeout=10).json()
            if job["phase"] in phases:
                return job
            time.sleep(0.2)
        raise AssertionError(f"{job} after {seconds} s")

    def stop(self) -> int:
        """End it as Ctrl-C does; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.communicate(timeout=60)
        finally:
            self.process.kill()
        return self.process.returncode


@pytest.fixture(scope="module")
def start_server() -> Iterator[Callable[..., Server]]:
    """Start servers that end with the module."""
    for needed in ("starlette", "uvicorn", "python_multipart", "pathvalidate"):
        pytest.importorskip(needed, reason="needs the extra app")
    started: list[Server] = []

    def start(folder: Path, *arguments: str) -> Server:
        started.append(Server(folder, *arguments))
        return started[-1]

    yield start
    for server in started:
        server.stop()
