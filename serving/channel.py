"""Events from the thread that works to every page that is open."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

from affect_pipe.serving.refused import RefusedError

_MAX_PAGES = 64
# A page that does not keep up is let go; it comes back and asks for the whole state.
_MAX_WAITING = 1000
_PING_S = 15.0
_RETRY_MS = 2000


class Channel:
    """Server-sent events (WHATWG HTML, section 9.2) for any number of pages."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages: dict[asyncio.Queue[str | None], asyncio.AbstractEventLoop] = {}

    def publish(self, data: str, kind: str = "message") -> None:
        """Send an event to every page; from any thread.

        Parameters
        ----------
        data : str
            One line.
        kind : str
            ``message`` carries a line of a batch (`pipeline.batch.events`).
        """
        text = f"event: {kind}\ndata: {data}\n\n"
        with self._lock:
            pages = list(self._pages.items())
        for queue, loop in pages:
            with suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(self._put, queue, text)

    def _put(self, queue: asyncio.Queue[str | None], text: str) -> None:
        if queue.qsize() < _MAX_WAITING:
            queue.put_nowait(text)
        elif queue.qsize() == _MAX_WAITING:
            queue.put_nowait(None)

    def join(self) -> AsyncIterator[str]:
        """Return the stream of one page.

        Raises
        ------
        RefusedError
            If too many are open.
        """
        with self._lock:
            if len(self._pages) >= _MAX_PAGES:
                raise RefusedError(503, "Too many pages are open: close some.")
        return self._stream()

    async def _stream(self) -> AsyncIterator[str]:
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        with self._lock:
            self._pages[queue] = asyncio.get_running_loop()
        try:
            yield f"retry: {_RETRY_MS}\n\n"
            while True:
                try:
                    text = await asyncio.wait_for(queue.get(), _PING_S)
                except TimeoutError:
                    text = ": still here\n\n"
                if text is None:
                    return
                yield text
        finally:
            with self._lock:
                self._pages.pop(queue, None)
