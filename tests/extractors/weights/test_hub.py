"""The Hugging Face client against a hub on this machine: what is asked for, kept and refused."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b'{"hidden_size": 8}',
    "model.safetensors": bytes(range(256)) * 4000,
    "tokenizer.json": b"{}",
    # A pickle, code, and another form of the same model: not to be fetched.
    "pytorch_model.bin": b"pickle",
    "modeling.py": b"raise SystemExit",
    "tf_model.h5": b"h5",
}
PROGRAM = """
import sys
from affect_pipe.extractors.weights.catalogue import ENCODER, wanted
from affect_pipe.extractors.weights.store import WeightsStore
from affect_pipe.pipeline.errors import AffectPipeError
try:
    print(WeightsStore().find(wanted(sys.argv[1], ENCODER)))
except AffectPipeError as error:
    sys.exit(str(error))
"""


class _Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub's protocol as the client needs."""

    def do_GET(self) -> None:
        self.answer(body=True)

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        if path.startswith("/api/models/lab/model/tree/"):
            listed = [
                {"type": "file", "path": n, "size": len(c), "oid": hashlib.sha1(c).hexdigest()}
                for n, c in FILES.items()
            ]
            return self.send(json.dumps(listed).encode(), "application/json", body)
        if path.startswith("/api/models/lab/model"):
            siblings = [{"rfilename": name} for name in FILES]
            about = {"id": "lab/model", "sha": COMMIT, "siblings": siblings, "private": False}
            return self.send(json.dumps(about).encode(), "application/json", body)
        prefix = f"/lab/model/resolve/{COMMIT}/"
        if path.startswith(prefix) and path.removeprefix(prefix) in FILES:
            return self.send(FILES[path.removeprefix(prefix)], "application/octet-stream", body)
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def send(self, content: bytes, kind: str, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_args) -> None:
        pass


@pytest.fixture
def hub():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def find(hub, tmp_path):
    """Look for weights by name in a process whose hub is on this machine."""

    def call(name, **environment):
        address = f"http://127.0.0.1:{hub.server_port}"
        kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        settings = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf")}
        settings |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, name],
            env=kept | settings | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def test_only_what_is_loaded_is_fetched_and_only_once(hub, find):
    done = find("lab/model")
    assert done.returncode == 0, done.stderr
    folder = done.stdout.strip()
    assert sorted(os.listdir(folder)) == ["config.json", "model.safetensors", "tokenizer.json"]
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            assert file.read() == FILES[name]
    n_asked = len(hub.asked)
    assert find("lab/model").stdout.strip() == folder
    assert len(hub.asked) == n_asked
    assert find("lab/model", HF_HUB_OFFLINE="1").stdout.strip() == folder


def test_a_repository_that_is_not_there_is_one_sentence(find):
    done = find("lab/nothing")
    assert done.returncode == 1
    assert done.stdout == ""
    said = done.stderr.strip().splitlines()[-1]
    assert "huggingface.co has no lab/nothing" in said
    assert "Traceback" not in done.stderr


def test_switched_off(hub, find):
    done = find("lab/model", HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert "switched off by HF_HUB_OFFLINE" in done.stderr
    assert hub.asked == []
