"""A process that runs ``affect-pipe run`` on one case after another, and watches itself.

Each line of standard input names the folder of a case and its recording; each line of standard
output is a JSON object: exit code, what was said on standard error, files that Python code wrote
outside the allowed folders, attempts to reach the network.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

ADDRESS_SPACE_BYTES = 16 * 2**30
# Without a transcript, Whisper's weights are looked for: the one host a run may ask.
_WEIGHTS_HOST = "openaipublic.azureedge.net"
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Witness:
    """Hears of every file that Python opens for writing and every connection it wants."""

    def __init__(self, allowed: list[str]) -> None:
        self._allowed = tuple(os.path.realpath(folder) + os.sep for folder in allowed)
        self.seen: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and arguments[2] & _WRITING:
            self._written(arguments[0])
        elif event in ("os.rename", "os.mkdir", "os.remove", "os.symlink", "os.link"):
            self._written(os.fspath(arguments[0]))
        elif event == "socket.getaddrinfo" and arguments[0] == _WEIGHTS_HOST:
            return
        elif event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen"):
            self.seen.append(f"{event} {arguments[:2]!r}"[:200])

    def _written(self, path: str) -> None:
        real = os.path.realpath(path)
        if not (real + os.sep).startswith((*self._allowed, "/dev/")):
            self.seen.append(f"wrote {real}")


def main(sandbox: Path) -> None:
    out, cache, temporary = (str(sandbox / name) for name in ("out", "cache", "tmp"))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    # Answers go where nothing else that prints can reach them.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    witness = Witness([out, cache, temporary])
    keep_analyzer()
    from affect_pipe.cli import main as affect_pipe

    sys.addaudithook(witness)
    for line in sys.stdin:
        folder, media_name = json.loads(line)
        witness.seen.clear()
        said = open(os.path.join(temporary, "stderr"), "w+b")  # noqa: SIM115
        os.dup2(said.fileno(), 2)
        start = time.perf_counter()
        arguments = ["run", os.path.join(folder, media_name), "--out", out, "--cache-dir", cache]
        code = affect_pipe(arguments)
        sys.stderr.flush()
        said.seek(0)
        answer = {
            "code": code,
            "seconds": time.perf_counter() - start,
            "stderr": said.read().decode("utf-8", "replace"),
            "seen": witness.seen[:20],
        }
        said.close()
        print(json.dumps(answer), file=answers, flush=True)


def keep_analyzer() -> None:
    """Let every run of this process share one analyzer: loading models takes most of a case."""
    import affect_pipe.api as api

    class Kept(api.Analyzer):
        kept: Any = None

        def __new__(cls, settings: Any) -> Any:
            if cls.kept is None:
                cls.kept = api_analyzer(settings)
                cls.kept.close_really, cls.kept.close = cls.kept.close, lambda: None
            return cls.kept

        def __init__(self, settings: Any) -> None:
            """Nothing: it is there already."""

    api_analyzer = api.Analyzer
    api.Analyzer = Kept  # type: ignore[misc]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
