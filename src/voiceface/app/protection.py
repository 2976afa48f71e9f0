"""What every request passes first: who may ask, from where, how much, and how many at once."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voiceface.app.limits import Limits
from voiceface.app.refusal import Refusal
from voiceface.app.request_counts import RequestCounts
from voiceface.app.workers import Workers
from voiceface.errors import InputError

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer."""
OPEN_PATHS = ("/health", "/page/")
"""What needs no token: it says nothing of anybody."""
_PATIENCE = 5.0
"""Seconds that the rest of a refused upload is read, so that its sender sees the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may ask."""

    token: str = ""
    """That requests must carry; empty: none."""
    hosts: Collection[str] = ()
    """Names by which the server may be called; empty: any. Without a token they keep out pages of other
    sites whose name was made to lead here."""


class Protection:
    """ASGI middleware around the whole server.

    Args:
        app: the server.
        access: who may ask.
        workers: whose places requests take.
        counts: where answers are counted.
    """

    def __init__(self, app: ASGIApp, *, access: Access, workers: Workers, counts: RequestCounts) -> None:
        self.app, self.access, self.workers, self.counts = app, access, workers, counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if not scope["path"].startswith("/page/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._answer(scope, receive, send_guarded)
        except Refusal as refusal:
            await _discard(receive, self.workers.limits)
            response = JSONResponse(
                refusal.content, refusal.status, {**refusal.headers, "Connection": "close"}
            )
            await response(scope, receive, send_guarded)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self.counts.add(route, status, time.monotonic() - started)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self._check_host(headers)
        path, limits = scope["path"], self.workers.limits
        if self.access.token and path != "/" and not path.startswith(OPEN_PATHS):
            self._check_token(headers)
        if scope["method"] not in ("POST", "PUT"):
            await self.app(scope, receive, send)
            return
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > limits.upload_bytes:
            raise _too_large(limits)
        place = self.workers.take_place()
        scope.setdefault("state", {})["place"] = place
        try:
            await self.app(scope, _bounded(receive, limits), send)
        finally:
            if not place.handed_over:
                place.free()

    def _check_host(self, headers: Headers) -> None:
        host = headers.get("host", "")
        if self.access.hosts and _name(host) not in self.access.hosts:
            remedy = "call it by its address, or start it with --allow-host"
            raise Refusal(421, InputError("Host", f"is {host[:100]!r}, which is not this server", remedy))
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            fault = f"is {origin[:100]!r}: pages of other sites may not use this server"
            raise Refusal(403, InputError("Origin", fault))
        # Browsers send no Origin with what a page embeds; a link to the page is followed from anywhere.
        site, mode = headers.get("sec-fetch-site", ""), headers.get("sec-fetch-mode", "")
        if site in ("cross-site", "same-site") and mode != "navigate":
            fault = f"is {site!r}: pages of other sites may not use this server"
            raise Refusal(403, InputError("Sec-Fetch-Site", fault))

    def _check_token(self, headers: Headers) -> None:
        kind, _, token = headers.get("authorization", "").partition(" ")
        right = secrets.compare_digest(token.strip().encode(), self.access.token.encode())
        if kind.lower() != "bearer" or not right:
            fault = "is wrong" if token else "is missing"
            remedy = "send the header `Authorization: Bearer TOKEN` with the one that the server printed"
            raise Refusal(401, InputError("the token", fault, remedy), {"WWW-Authenticate": "Bearer"})


def _name(host: str) -> str:
    """A host's name without its port."""
    with contextlib.suppress(ValueError):
        return urlsplit(f"//{host}").hostname or ""
    return ""


def _too_large(limits: Limits) -> Refusal:
    fault = f"is larger than {limits.upload_megabytes:g} MB"
    return Refusal(413, InputError("the upload", fault, "send fewer or shorter files"))


def _bounded(receive: Receive, limits: Limits) -> Receive:
    """The body of a request until it is too large or takes too long."""
    until, size, whole = time.monotonic() + limits.upload_seconds, 0, False

    async def receive_bounded() -> Message:
        nonlocal size, whole
        if whole:  # what comes now is that the client goes
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, until - time.monotonic()))
        except TimeoutError:
            fault = f"took more than {limits.upload_seconds:g} s"
            raise Refusal(408, InputError("the upload", fault, "send it again")) from None
        size += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if size > limits.upload_bytes:
            if not whole:
                await _discard(receive, limits)
            raise _too_large(limits)
        return message

    return receive_bounded


async def _discard(receive: Receive, limits: Limits) -> None:
    """Read the rest of an upload that is refused, for a moment: a closed connection would hide the answer."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            while size <= limits.upload_bytes:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
