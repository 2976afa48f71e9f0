"""A connection of HTTP/1.1 that is closed when no request comes on it."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

_PATIENCE = 10.0
"""Seconds between looks: a connection on which no request was complete at two of them is closed."""


class HTTPConnection(H11Protocol):
    """uvicorn's, which waits for ever for a request's headers, so that idle connections would use up all."""

    _watch: asyncio.TimerHandle | None = None
    _was_idle = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch it."""
        super().connection_made(transport)
        self._watch = self.loop.call_later(_PATIENCE, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Watch it no longer."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self._was_idle:
            self.transport.close()
            return
        self._was_idle = idle
        self._watch = self.loop.call_later(_PATIENCE, self._look)
