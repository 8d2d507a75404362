"""Changes what a client writes on its connections, below HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_wa_settings.reference.deviations import wrap


class Writer:
    """A transport that changes the heads of answers, and writes in pieces; all else is as it was."""

    def __init__(self, transport: Any, head: Callable[[bytes], bytes] | None, piece: int | None) -> None:
        self.transport = transport
        self.change = head
        self.piece = piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def write(self, data: bytes) -> None:
        """Write bytes of an answer; a head comes whole, at the beginning of a write."""
        if self.change is not None and data.startswith(b"HTTP/1."):
            head, end, rest = bytes(data).partition(b"\r\n\r\n")
            data = self.change(head) + end + rest
        for at in range(0, len(data), self.piece or max(1, len(data))):
            self.transport.write(data[at : at + (self.piece or len(data))])


def alter_bytes(*, head: Callable[[bytes], bytes] | None = None, piece: int | None = None) -> None:
    """Change what the server's protocol writes."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    def connection_made(clean: Any, protocol: Any, transport: Any) -> None:
        clean(protocol, Writer(transport, head, piece))

    wrap(HttpToolsProtocol, "connection_made", connection_made)
