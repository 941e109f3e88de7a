"""Running the page: one process, on this machine alone unless asked otherwise."""

from __future__ import annotations

import ipaddress
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import uvicorn

from affect_pipe.batch import Batch
from affect_pipe.pipeline.batch.lock import only_one
from affect_pipe.pipeline.errors import ResultError, UsageError
from affect_pipe.pipeline.given import quoted
from affect_pipe.pipeline.preflight import check_output
from affect_pipe.serving.app import App
from affect_pipe.serving.channel import Channel
from affect_pipe.serving.intake import Intake
from affect_pipe.serving.jobs import JobFolder
from affect_pipe.serving.queue import Queue
from affect_pipe.serving.reports import ReportMaker
from affect_pipe.serving.space import Space

_MAX_CONNECTIONS = 256
_BACKLOG = 128
_GOODBYE_S = 3
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """Where a server listens, and what it is called.

    Attributes
    ----------
    host : str
        Address or name of this machine.
    port : int
        0 is any that is free.
    names : tuple of str
        Further names that browsers may ask for it by.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise UsageError(f"--port {self.port}: give a number from 0 (any) to 65535.")

    def is_local(self) -> bool:
        """Whether nobody but users of this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def hosts(self) -> list[str]:
        """Return what the Host header of a request may say, without a port."""
        found = {*_LOCAL_NAMES, *self.names, self.host}
        if not self.is_local():
            found.add(socket.gethostname())
            found |= {
                _bracketed(address.address.partition("%")[0])
                for addresses in psutil.net_if_addrs().values()
                for address in addresses
                if address.family in (socket.AF_INET, socket.AF_INET6)
            }
        return sorted(name.lower() for name in found | {_bracketed(name) for name in found})

    def listen(self) -> socket.socket:
        """Return a socket that listens here.

        Raises
        ------
        UsageError
            If the address is not of this machine, or the port is taken.
        """
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            with ExitStack() as stack:
                listening = stack.enter_context(socket.socket(family, kind, protocol))
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listening.bind(address)
                listening.listen(_BACKLOG)
                stack.pop_all()
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise UsageError(
                f"--host {quoted(self.host)} --port {self.port} cannot be listened at ({why}): "
                "choose another --port, or leave --host out."
            ) from error
        return listening

    def url(self, listening: socket.socket) -> str:
        """Return the address to open."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else _bracketed(self.host)
        return f"http://{host}:{listening.getsockname()[1]}/"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def serve(
    batch: Batch,
    place: Place,
    cache: str | Path,
    *,
    max_upload_bytes: int,
    max_disk_bytes: int,
    ready: Tell,
    tell: Tell,
    debug: bool = False,
) -> None:
    """Serve until Ctrl-C or SIGTERM; what runs then is due at the next start.

    Parameters
    ----------
    batch : Batch
        Settings and options; its ``out`` is the server's folder.
    place : Place
    cache : str or Path
        Of the batch.
    max_upload_bytes, max_disk_bytes : int
        Of one upload; of everything in the folder.
    ready : callable (url)
        Told when the page can be opened.
    tell : callable (line)
        Hears warnings.
    debug : bool
        Whether errors of the server itself are logged with their traceback.

    Raises
    ------
    AffectPipeError
        If it cannot begin: the port, the folder, the settings.
    """
    check_output(batch.out)
    folder = JobFolder(batch.out.absolute())
    batch = replace(batch, out=folder.results)
    if not place.is_local():
        tell(
            f"warning: at {place.host} other machines reach this page too; there is no login and "
            "no encryption: whoever reaches it sees and deletes every video."
        )
    with only_one(folder.root), closing(place.listen()) as listening:
        batch.check()
        try:
            folder.prepare()
        except OSError as error:
            raise ResultError(f"{folder.root} cannot be used ({error.strerror}).") from error
        channel, reports = Channel(), ReportMaker(batch.settings)
        space = Space(folder.root, max_disk_bytes)
        with Queue(folder, batch, channel, reports, cache) as queue:
            limits = batch.settings.limits
            intake = Intake(folder, queue, space, max_upload_bytes, limits)
            app = App(folder, queue, channel, intake, reports).asgi(place.hosts())
            ready(place.url(listening))
            with _signals(queue.stop):
                _server(app, queue.stop, debug=debug).run([listening])


class _Server(uvicorn.Server):
    """A server that tells the queue at once when it is to end."""

    stop: threading.Event

    def handle_exit(self, sig: int, frame: object) -> None:
        self.stop.set()
        super().handle_exit(sig, frame)  # type: ignore[arg-type]


def _server(app: object, stop: threading.Event, *, debug: bool) -> _Server:
    # Its own lines would be among ours, and a request that is cut off at the end is no error.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR if debug else logging.CRITICAL)
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=_GOODBYE_S,
    )
    server = _Server(config)
    server.stop = stop
    return server


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Bear the signals that uvicorn sends again once it has ended; another one ends at once."""

    def handle(number: int, frame: object) -> None:
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def names_of(given: Sequence[str]) -> tuple[str, ...]:
    """Return further names of a server as `Place` takes them.

    Raises
    ------
    UsageError
        If one is no plain name: with a port, a path, or a wildcard.
    """
    for name in given:
        if not name or any(sign in name for sign in "/*: \t\n"):
            raise UsageError(f"--allow-host {quoted(name)}: give a name as lab.example.org.")
    return tuple(given)
