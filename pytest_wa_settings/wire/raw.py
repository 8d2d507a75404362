"""Requests as bytes, for what no HTTP library would send: broken framing, and requests that break off."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .limits import Failure
from .recording import Reply, Sent
from .transport import BoundedTransport

_FIRST_LINE = re.compile(rb"([A-Z]{1,20}) (/[\x21-\x7e]{0,200}) HTTP/")


def describe(data: bytes, base: str, cut_after: int | None, secrets: Sequence[str]) -> Sent:
    """How raw `data` goes on record: its method and path where they can be told, and its size."""
    found = _FIRST_LINE.match(data)
    method, path = (found[1].decode(), found[2].decode()) if found else ("RAW", "/")
    size = f"<{len(data)} raw bytes>" if cut_after is None else f"<{cut_after} of {len(data)} raw bytes>"
    return Sent(method, path, base + path, (), b"", secrets, raw=size)


def ask(transport: BoundedTransport, data: bytes, timeout: float, cut_after: int | None) -> Reply:
    """The reply to raw `data` on a connection of its own; raises Failure, always so when it was cut off."""
    head = transport.send_raw(data, timeout, cut_after)
    if head is None:
        raise Failure(
            "cut", "cut off by the suite", f"the suite sent {cut_after} of {len(data)} bytes and hung up"
        )
    return head.status, head.headers, bytes(head.body)


def serialize(
    method: str, target: str, host: str, headers: Sequence[tuple[bytes, bytes]], body: bytes
) -> bytes:
    """A whole HTTP/1.1 request that asks for the connection to be closed."""
    lines = [f"{method} {target} HTTP/1.1".encode(), b"Host: " + host.encode(), b"Connection: close"]
    skipped = (b"host", b"connection", b"content-length")
    lines += [name + b": " + value for name, value in headers if name.lower() not in skipped]
    lines.append(b"Content-Length: " + str(len(body)).encode())
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
