"""Weights with real files, and a server on this machine that publishes some."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections import Counter
from pathlib import Path

import pytest

from affect_pipe.extractors.weights.needs import Weights, WeightsFile
from affect_pipe.extractors.weights.own import add
from affect_pipe.extractors.weights.store import WeightsStore


@pytest.fixture(autouse=True)
def _no_library_caches(tmp_path, monkeypatch):
    """Nothing lies in other programs' folders unless a test puts it there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture
def encoder(tmp_path) -> Path:
    """A folder as an encoder of the hub has it: files of several sizes, one in a folder."""
    folder = tmp_path / "given" / "encoder"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "config.json").write_text('{"hidden_size": 8}\n')
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 9000)
    (folder / "1_Pooling" / "config.json").write_text("{}")
    (folder / "empty.txt").touch()
    return folder


@pytest.fixture
def store(encoder) -> WeightsStore:
    """The store of this test, holding ``my-encoder``."""
    here = WeightsStore()
    add(here, "my-encoder", encoder)
    return here


class Publisher(http.server.ThreadingHTTPServer):
    """Serves a folder; counts what is asked for; may break off, or stop until it is told to go."""

    def __init__(self, folder: Path) -> None:
        self.asked: Counter[str] = Counter()
        self.cut_off_at: int | None = None
        self.gate = threading.Event()
        self.gate.set()
        handler = functools.partial(_Handler, directory=str(folder))
        super().__init__(("127.0.0.1", 0), handler)
        self.folder = folder

    def publish(self, name: str, content: bytes, *, sha256: str | None = "", size: bool = True):
        (self.folder / f"{name}.bin").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest() if sha256 == "" else sha256
        url = f"http://127.0.0.1:{self.server_port}/{name}.bin"
        file = WeightsFile("weights.bin", len(content) if size else None, digest, url)
        return Weights(name=name, files=(file,), licence="CC0-1.0", page="https://example.org")


class _Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        self.server.gate.wait(20)
        super().do_GET()

    def copyfile(self, source, outputfile) -> None:
        limit = self.server.cut_off_at
        if limit is None:
            super().copyfile(source, outputfile)
        else:
            outputfile.write(source.read(limit))

    def log_message(self, *_args) -> None:
        pass


@pytest.fixture
def publisher(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "published").mkdir()
    server = Publisher(tmp_path / "published")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def left_in_store(tmp_path):
    """Tell which files the store of this test has, hidden ones too, but its locks."""
    root = WeightsStore().root

    def left() -> set[str]:
        found = {p.relative_to(root).as_posix() for p in root.rglob("*") if not p.is_dir()}
        return {name for name in found if not name.startswith(".locks/")}

    return left
