"""Connections to the reference: so many at a time, and none that never finishes its request's head."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or find_spec("httptools") is None:
    from uvicorn.protocols.http.h11_impl import H11Protocol as Protocol
else:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Protocol

MOST_CONNECTIONS = 1000
HEAD_SECONDS = 30.0


class BoundedProtocol(Protocol):
    """One connection: closed where there are too many, or where a head takes longer than 30 s.

    What still comes after an answer (the body of a request that was refused at its head) is thrown away, for
    as long as a head may take.
    """

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Take a connection in, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes in; once they make a head, it is no more waited for."""
        if self._late is None and not self._busy():
            self._wait_for_head()
        super().data_received(data)
        if self._late is not None and self._busy():
            self._late.cancel()
            self._late = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the connection go."""
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def _busy(self) -> bool:
        """Whether a request is under way."""
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_head(self) -> None:
        self._late = self.loop.call_later(HEAD_SECONDS, self.transport.abort)
