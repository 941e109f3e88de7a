"""What every request must be, and what every answer carries: only this page may use this server.

Any site that a browser shows may send requests to a server on the same machine. Its pages cannot
read the answers, as no answer allows them to (there is no CORS here), and a name that is made to
point to this machine later (DNS rebinding) is refused by the Host header. What is left are requests
that change something, and pictures and scripts that are only fetched: browsers say where those come
from (Fetch Metadata Request Headers, W3C; Origin, RFC 6454).
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
# A report has its scripts and styles in itself, and a policy that knows each by its digest; this
# one holds besides, whatever the file says.
REPORT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'unsafe-inline'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "media-src 'self' data: blob:",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: forms would then be sent with the origin "null".
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_SAFE = ("GET", "HEAD")


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what comes from elsewhere; add the headers to every answer."""
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if is_foreign(scope["method"], Headers(scope=scope)):
            answer = JSONResponse({"error": "This request comes from another site."}, 403)
            await answer(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)


class KnownHosts:
    """ASGI middleware: refuses requests that ask for another name than one of this server.

    Starlette decides; the answer is ours, as its own is no JSON.

    Parameters
    ----------
    app : ASGIApp
    hosts : sequence of str
        Without a port.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app, self._hosts = app, list(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        known = False

        async def note(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal known
            known = True

        async def drop(message: Message) -> None:
            pass

        asked = TrustedHostMiddleware(note, allowed_hosts=self._hosts, www_redirect=False)
        await asked(scope, receive, drop)
        if known:
            await self._app(scope, receive, send)
            return
        sentence = "This server goes by another name: ask for it so, or start it with --allow-host."
        await JSONResponse({"error": sentence}, 400)(scope, receive, send)


def is_foreign(method: str, headers: Headers) -> bool:
    """Return whether a request was made by a page of another origin.

    Programs that are no browsers send neither header, and are not foreign.
    """
    site = headers.get("sec-fetch-site", "none")
    if site not in ("same-origin", "none"):
        # To follow a link to here from elsewhere is fine; to load something of here is not.
        is_link = headers.get("sec-fetch-mode") == "navigate" and method in _SAFE
        if not is_link or headers.get("sec-fetch-dest") not in ("document", None):
            return True
    origin = headers.get("origin")
    if origin is None:
        return False
    parts = urlsplit(origin)
    # https: where a server with TLS stands before this one.
    return (
        parts.scheme not in ("http", "https")
        or parts.netloc.lower() != headers.get("host", "").lower()
    )
