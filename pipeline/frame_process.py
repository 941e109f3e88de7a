"""A process of its own for passes over frames.

Decoding and landmarks keep one core busy. In a thread they would share Python's interpreter lock
with the other branch of a run, whose imports and model loading hold it for seconds. A decoder or
model that crashes takes only this process with it.
"""

from __future__ import annotations

import contextlib
import pickle
import signal
import threading
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from loky.backend import get_context

from affect_pipe.pipeline.errors import StageError
from affect_pipe.pipeline.frame_pass import Stopped, Watch, in_this_thread
from affect_pipe.pipeline.interfaces import Arrays, FrameStage
from affect_pipe.pipeline.media import MediaLimits
from affect_pipe.pipeline.records import Media

# How soon a wait notices that it is no longer wanted.
_POLL_S = 0.1


class FrameProcess:
    """Runs passes over frames in one child process, which lives on between passes.

    A `frame_pass.FramePass`. The child is started by the first pass, with an
    interpreter of its own that does not import the caller's main module (so scripts need no guard),
    and ends with its parent. Passes wanted from several threads take turns.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._child: Any = None
        self._line: Connection | None = None

    def __call__(
        self, stage: FrameStage, media: Media, limits: MediaLimits, watch: Watch
    ) -> Arrays:
        """Run one pass; see `frame_pass.FramePass`. ``stage`` must survive pickling.

        Raises
        ------
        StageError
            If the child died: a crash of a decoder or a model, or too little memory.
        """
        with self._turn:
            line = self._started()
            try:
                line.send(_Job(stage, media, limits))
                return self._wait(line, stage, media, watch)
            except Stopped:
                # Whatever the child is in the middle of, nobody wants it any more.
                self._end()
                raise

    def close(self) -> None:
        """End the child, if there is one."""
        with self._turn:
            self._end()

    def _started(self) -> Connection:
        if self._line is None or not self._child.is_alive():
            self._end()
            context = get_context("loky")
            self._line, other_end = context.Pipe()
            self._child = context.Process(target=_serve, args=(other_end,), daemon=True)
            self._child.start()
            # Else the child's death would not close the line.
            other_end.close()
        return self._line

    def _wait(self, line: Connection, stage: FrameStage, media: Media, watch: Watch) -> Arrays:
        try:
            while True:
                while not line.poll(_POLL_S):
                    if watch.stopped():
                        raise Stopped
                kind, content = line.recv()
                if kind == "progress":
                    watch.progress(content)
                elif kind == "warning":
                    watch.warn(content)
                elif kind == "failed":
                    raise content
                else:
                    arrays: Arrays = content
                    return arrays
        except (EOFError, ConnectionError) as error:
            self._child.join(1.0)
            code = self._child.exitcode
            self._end()
            raise StageError(
                f"{media.path}: the process that looks at the frames for {stage.spec().stage} died "
                f"(exit code {code}): if memory was short, free some and run again; otherwise "
                "the file may be damaged, and converting it with ffmpeg may help."
            ) from error

    def _end(self) -> None:
        if self._line is not None:
            self._line.close()
            self._child.terminate()
            self._child.join()
        self._line = self._child = None


@dataclass(frozen=True)
class _Job:
    stage: FrameStage
    media: Media
    limits: MediaLimits


class _Sender:
    """A watch at the child's end of the line."""

    def __init__(self, line: Connection) -> None:
        self._line = line

    def progress(self, fraction: float) -> None:
        self._line.send(("progress", fraction))

    def warn(self, message: str) -> None:
        self._line.send(("warning", message))

    def stopped(self) -> bool:
        """Never: who wants this process to stop ends it."""
        return False


def _serve(line: Connection) -> None:
    """Take one job after another until the parent hangs up."""
    # Ctrl-C reaches every process of a terminal; what becomes of this one, the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            job: _Job = line.recv()
            try:
                message: tuple[str, Any] = (
                    "done",
                    in_this_thread(job.stage, job.media, job.limits, _Sender(line)),
                )
            except Exception as error:
                message = ("failed", _sendable(error))
            line.send(message)


def _sendable(error: Exception) -> Exception:
    """Return the error with its traceback as a note, since tracebacks do not travel."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
