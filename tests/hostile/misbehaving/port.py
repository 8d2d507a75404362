"""HTTP/1.1 around the API core: a listening port that can go down, come back and be taken over."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .core import Core, Reply, Request

PHRASES = {200: "OK", 201: "Created", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}
LARGEST = 2**22


class BadRequest(Exception):
    """The request's framing cannot be read."""


class Port:
    """Serves `core` on one port of loopback, a thread a connection; `generation` counts the starts.

    `instead`, if set, is given every connection in the core's place: something else has taken the port.
    """

    def __init__(self, core: Core, context: ssl.SSLContext | None = None) -> None:
        self.core = core
        self.context = context
        self.instead: Callable[[Any], None] | None = None
        self.generation = 0
        self._lock = threading.RLock()
        self._listener: socket.socket | None = None
        self._open: set[Any] = set()
        self._ended = False
        self.number = 0
        self.up()
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{self.number}"

    def up(self) -> None:
        """Listens (again)."""
        with self._lock:
            if self._listener is not None or self._ended:
                return
            self._listener = socket.create_server(("127.0.0.1", self.number), backlog=64)
            self.number = self._listener.getsockname()[1]
            self.generation += 1
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def down(self) -> None:
        """Stops listening and cuts every connection, as a process that dies does."""
        with self._lock:
            listener, self._listener = self._listener, None
            if listener is not None:
                with suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                listener.close()
            for connection in tuple(self._open):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def start_again(self) -> None:
        """What a restart command does: kill, then start."""
        self.down()
        self.core.started()
        self.up()

    def end(self) -> None:
        """Goes down for good."""
        self._ended = True
        self.down()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, raw: Any) -> None:
        connection = raw
        self._open.add(raw)
        with suppress(OSError, ValueError):
            if self.context is not None:
                connection = self.context.wrap_socket(raw, server_side=True)
                self._open.add(connection)
            if self.instead is not None:
                self.instead(connection)
            else:
                self._serve(connection)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
        self._open.difference_update((raw, connection))

    def _serve(self, connection: Any) -> None:
        buffer = bytearray()
        while True:
            try:
                request = read(connection, buffer)
            except BadRequest:
                connection.sendall(wire(Reply.error(400, 1025, "Invalid Request"), close=True))
                return
            if request is None:
                return
            reply = self.core.answer(request)
            if not self.core.deliver(connection, request, reply):
                return


def wire(reply: Reply, *, close: bool = False) -> bytes:
    """The bytes of an answer."""
    lines = [f"HTTP/1.1 {reply.status} {PHRASES.get(reply.status, 'Whatever')}"]
    if reply.length is not None or reply.status != 204:
        lines.append(f"Content-Length: {len(reply.content) if reply.length is None else reply.length}")
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines += ["Connection: close"] if close else []
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + reply.content


def read(connection: Any, buffer: bytearray) -> Request | None:
    """The next request; None when the other side has closed. What follows it stays in `buffer`."""

    def more() -> bool:
        piece = connection.recv(65536)
        buffer.extend(piece)
        return bool(piece)

    while b"\r\n\r\n" not in buffer:
        if len(buffer) > 65536:
            raise BadRequest
        if not more():
            return None
    head, _, rest = bytes(buffer).partition(b"\r\n\r\n")
    buffer[:] = rest
    lines = head.decode("latin-1").split("\r\n")
    first = re.fullmatch(r"([A-Z]+) (\S+) HTTP/1\.[01]", lines[0])
    if first is None:
        raise BadRequest
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequest
        headers[name.lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "transfer-encoding" in headers:
        body = _chunks(buffer, more)
    else:
        body = _plain(buffer, more, headers.get("content-length", "0"))
    return Request(first[1], first[2].partition("?")[0], headers, body)


def _plain(buffer: bytearray, more: Callable[[], bool], announced: str) -> bytes:
    if not announced.isascii() or not announced.isdigit() or int(announced) > LARGEST:
        raise BadRequest
    length = int(announced)
    while len(buffer) < length:
        if not more():
            raise BadRequest
    body = bytes(buffer[:length])
    del buffer[:length]
    return body


def _chunks(buffer: bytearray, more: Callable[[], bool]) -> bytes:
    body = bytearray()
    while True:
        while b"\r\n" not in buffer:
            if not more():
                raise BadRequest
        line, _, rest = bytes(buffer).partition(b"\r\n")
        if not re.fullmatch(rb"[0-9a-fA-F]{1,6}", line.split(b";")[0].strip()):
            raise BadRequest
        size = int(line.split(b";")[0], 16)
        while len(rest) < size + 2:
            if not more():
                raise BadRequest
            rest = bytes(buffer).partition(b"\r\n")[2]
        body += rest[:size]
        buffer[:] = rest[size + 2 :]
        if size == 0:
            return bytes(body)
        if len(body) > LARGEST:
            raise BadRequest
