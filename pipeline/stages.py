"""Running one stage of one video: look in the cache, else compute and keep."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy.typing as npt

from affect_pipe.pipeline.cache import Cache, Entry
from affect_pipe.pipeline.errors import CacheError
from affect_pipe.pipeline.events import Event, Listener
from affect_pipe.pipeline.placement import EVERY, Elsewhere, Kinds
from affect_pipe.pipeline.records import Media

T = TypeVar("T")
# Kept beside the result, so that a cached run warns of what the first run warned of.
_WARNINGS = "stage_warnings"
Stored = tuple[Mapping[str, npt.NDArray[Any]], Mapping[str, Any]]


class Stages:
    """The stages of one video: timed, told about, cached.

    Parameters
    ----------
    media : Media
        The video.
    cache : Cache
        Where results are looked for and kept.
    listener : callable
        Told of every step. Called from the thread that computes.
    kinds : frozenset of str
        The kinds of stages that are computed here; others must be in the cache.
    """

    def __init__(
        self, media: Media, cache: Cache, listener: Listener, kinds: Kinds = EVERY
    ) -> None:
        self._media = media
        self._kinds = kinds
        self._cache = cache
        self._listener = listener
        self._lock = threading.Lock()
        self._timings_s: dict[str, float] = {}
        self._warnings: list[str] = []
        self._heard = threading.local()

    @property
    def timings_s(self) -> Mapping[str, float]:
        """Wall seconds of each stage so far; a stage that waits for another includes the wait."""
        with self._lock:
            return dict(self._timings_s)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong with the cache or a decoder without stopping the run."""
        with self._lock:
            return tuple(self._warnings)

    def warn(self, message: str) -> None:
        """Remember a warning, once; it is kept with the stage that is being computed.

        The name of the media file is left off: the warning is kept for every file of these bytes.
        """
        message = message.removeprefix(f"{self._media.path.name}: ")
        for heard in self._listening():
            heard.append(message)
        with self._lock:
            if message not in self._warnings:
                self._warnings.append(message)

    def cached(
        self,
        stage: str,
        key: str,
        compute: Callable[[], T],
        to_entry: Callable[[T], Stored],
        from_entry: Callable[[Entry], T],
        kind: str | None = None,
    ) -> T:
        """Return the stage's result from the cache, or compute it and keep it.

        A cache that cannot be written costs a warning, not the result.

        Parameters
        ----------
        kind : str, optional
            One of `placement.KINDS`; a stage without is computed anywhere.

        Raises
        ------
        Elsewhere
            If it is not in the cache, and its kind is not computed here.
        """
        with self._timed(stage) as finish:
            entry = self._cache.get(key, stage)
            if entry is not None:
                result = from_entry(entry)
                for message in entry.meta.get(_WARNINGS, ()):
                    self.warn(message)
                finish("cached")
                return result
            if kind is not None and kind not in self._kinds:
                raise Elsewhere(kind)
            self.tell(stage, "started")
            heard: list[str] = []
            self._listening().append(heard)
            try:
                result = compute()
            finally:
                self._listening().pop()
            arrays, meta = to_entry(result)
            meta = {**meta, _WARNINGS: list(dict.fromkeys(heard))}
            try:
                self._cache.put(key, stage, arrays, meta, media_digest=self._media.digest)
            except CacheError as error:
                self.warn(str(error))
            finish("computed")
            return result

    def timed(self, stage: str, compute: Callable[[], T]) -> T:
        """Run a stage whose result is too large or too cheap to keep."""
        with self._timed(stage) as finish:
            self.tell(stage, "started")
            result = compute()
            finish("computed")
            return result

    def _listening(self) -> list[list[str]]:
        """Return the warning lists of the stages this thread is computing, outermost first."""
        if not hasattr(self._heard, "stack"):
            self._heard.stack = []
        stack: list[list[str]] = self._heard.stack
        return stack

    def tell(self, stage: str, state: Any, fraction: float = 0.0, seconds: float = 0.0) -> None:
        """Send one event to the listener."""
        self._listener(Event(self._media.path, stage, state, fraction, seconds))

    @contextmanager
    def _timed(self, stage: str) -> Iterator[Callable[[str], None]]:
        start = time.perf_counter()
        finished = False

        def finish(state: str) -> None:
            nonlocal finished
            finished = True
            seconds = time.perf_counter() - start
            with self._lock:
                self._timings_s[stage] = seconds
            self.tell(stage, state, 1.0, seconds)

        try:
            yield finish
        except Elsewhere:
            finished = True  # nothing failed
            raise
        finally:
            if not finished:
                self.tell(stage, "failed", 0.0, time.perf_counter() - start)
