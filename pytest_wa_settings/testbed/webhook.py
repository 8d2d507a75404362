"""The suite's own webhook: an HTTPS receiver that keeps the callbacks of clients, or refuses them."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import urlsplit

import h11

_MAX_BODY = 4 * 2**20
_MAX_HEAD = 64 * 2**10
_MAX_CONNECTIONS = 64
_MAX_CALLS = 5000
_MAX_BYTES = 32 * 2**20
_IDLE = 60.0
_REQUEST = 15.0
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\s*", re.DOTALL)


class ReceiverError(Exception):
    """The receiver cannot listen: `problem` says why, `remedy` what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True)
class Call:
    """A callback as it came: `at` is in seconds since the epoch, `accepted` False while its path was held."""

    path: str
    body: bytes = field(repr=False)
    at: float
    method: str = "POST"
    accepted: bool = True


class Receiver:
    """An HTTP server in threads that answers callbacks with 200, or 500 on paths that are held.

    `address` is how clients reach it (`--wa-webhook`): its port is listened at, on all interfaces unless its
    host is loopback; absent, it is https on a free loopback port. `certificate` is a PEM file with
    certificate and key; absent, one is made for the address's host, under an authority of its own (`ca_pem`).
    `bind` is the interface to listen at in place of these; the port is then any free one unless one is named.
    It listens from the first call of `start` or `url` on.

    Attributes:
        certificate_given: whether clients may have trusted the certificate before this run.
    """

    def __init__(
        self, address: str | None = None, *, certificate: Path | None = None, bind: str | None = None
    ) -> None:
        parts = urlsplit(address or "https://127.0.0.1:0")
        if (
            parts.scheme not in ("https", "http")
            or not parts.hostname
            or _port(address or "https://x") is None
        ):
            raise ReceiverError(
                "the webhook's address is no http:// or https:// URL", "write it as https://host:port"
            )
        self._scheme = parts.scheme
        self._host = parts.hostname
        self._prefix = parts.path.rstrip("/")
        any_port = address is None or bind is not None
        usual = 0 if any_port else 443 if parts.scheme == "https" else 80
        self._wanted_port = usual if parts.port is None else parts.port
        self._bind = bind
        self._certificate = certificate
        self.certificate_given = certificate is not None
        self._server: _Server | None = None
        self._ca_pem = ""
        self._lock = threading.Lock()
        self._changed = threading.Condition()
        self._calls: deque[Call] = deque(maxlen=_MAX_CALLS)
        self._bytes = 0
        self._held: set[str] = set()

    def start(self) -> None:
        """Begins to listen, once; raises ReceiverError when the port or the certificate cannot be used."""
        with self._lock:
            if self._server is not None:
                return
            context = self._context() if self._scheme == "https" else None
            loopback = self._host in ("localhost", "::1") or self._host.startswith("127.")
            try:
                interface = self._bind or (self._host if loopback else "")
                self._server = _Server(interface, self._wanted_port, context, self._take)
            except OSError as error:
                raise ReceiverError(
                    f"the webhook receiver cannot listen at port {self._wanted_port} ({error.strerror})",
                    "free the port, or name another one in --wa-webhook",
                ) from None
            threading.Thread(target=self._server.serve, name="wa-webhook", daemon=True).start()

    def close(self) -> None:
        """Stops listening and ends all connections."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.stop()

    def url(self, path: str = "/") -> str:
        """The address of `path` for the client's `webhooks.url` setting (api 5.1)."""
        self.start()
        server = self._server
        port = server.server_address[1] if server is not None else self._wanted_port
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._scheme}://{host}:{port}{self._prefix}{_normal(path)}"

    @property
    def ca_pem(self) -> str:
        """The certificates, as PEM, that a client must trust to reach this receiver; empty for plain HTTP."""
        self.start()
        return self._ca_pem

    def calls(self, path: str) -> list[Call]:
        """The callbacks kept for `path`, oldest first."""
        wanted = _normal(path)
        with self._changed:
            return [call for call in self._calls if call.path == wanted]

    def wait(self, path: str, predicate: Callable[[Call], bool], timeout: float) -> Call | None:
        """The first callback at `path` that the predicate takes, waiting up to `timeout` seconds for it."""
        end = time.monotonic() + timeout
        wanted = _normal(path)
        with self._changed:
            while True:
                for call in self._calls:
                    if call.path == wanted and predicate(call):
                        return call
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)

    def clear(self, path: str | None = None) -> None:
        """Forgets the callbacks of `path`, or all."""
        with self._changed:
            kept = [call for call in self._calls if path is not None and call.path != _normal(path)]
            self._calls = deque(kept, maxlen=_MAX_CALLS)
            self._bytes = sum(len(call.body) for call in kept)

    def hold(self, path: str) -> None:
        """Answers 500 at `path` from now on, so that callbacks stay pending (clause BACKUP-8)."""
        with self._changed:
            self._held.add(_normal(path))

    def release(self, path: str) -> None:
        """Answers 200 at `path` again."""
        with self._changed:
            self._held.discard(_normal(path))

    def _take(self, method: str, target: str, body: bytes) -> int:
        path = _normal(target.split("?", 1)[0])
        if self._prefix:
            path = _normal(path.removeprefix(self._prefix))
        with self._changed:
            accepted = path not in self._held
            if len(self._calls) == _MAX_CALLS:
                self._bytes -= len(self._calls[0].body)
            self._calls.append(Call(path, body, time.time(), method, accepted))
            self._bytes += len(body)
            while self._bytes > _MAX_BYTES:
                self._bytes -= len(self._calls.popleft().body)
            self._changed.notify_all()
        return 200 if accepted else 500

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self._certificate is not None:
            try:
                context.load_cert_chain(self._certificate, password=lambda: "")
                text = self._certificate.read_text(encoding="ascii", errors="replace")
            except (OSError, ValueError):
                raise ReceiverError(
                    f"the webhook's certificate {self._certificate} cannot be used",
                    "name a PEM file with the certificate and its unencrypted key",
                ) from None
            self._ca_pem = "".join(_CERTIFICATE.findall(text))
            return context
        # Imported here: it is slow, and most who import this module never listen.
        import trustme

        authority = trustme.CA()
        names = {self._host, *(("127.0.0.1", "localhost") if self._host == "127.0.0.1" else ())}
        authority.issue_cert(*sorted(names)).configure_cert(context)
        self._ca_pem = authority.cert_pem.bytes().decode("ascii")
        return context


class _Server(ThreadingTCPServer):
    """Accepts connections, at most 64 at a time, a thread each."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext | None,
        take: Callable[[str, str, bytes], int],
    ) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.context = context
        self.take = take
        self._open: dict[int, Any] = {}
        self._guard = threading.Lock()
        super().__init__((host, port), _Handler)

    def serve(self) -> None:
        self.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        with self._guard:
            for connection in self._open.values():
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        with self._guard:
            if len(self._open) >= _MAX_CONNECTIONS:
                return False
            self._open[id(request)] = request
            return True

    def replace(self, request: Any, connection: Any) -> None:
        """Notes that TLS has taken over the socket of `request`."""
        with self._guard:
            self._open[id(request)] = connection

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.pop(id(request), None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: what a client does to the receiver is no news of the suite's."""


class _Handler(BaseRequestHandler):
    """One connection: TLS first, then request after request until the client goes or is too slow."""

    server: _Server

    def handle(self) -> None:
        connection = self.request
        connection.settimeout(_REQUEST)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.server.context is not None:
            # In this thread: one that never ends its handshake must not keep others waiting.
            connection = self.server.context.wrap_socket(connection, server_side=True)
            self.server.replace(self.request, connection)
        try:
            http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
            while self._serve_one(connection, http):
                http.start_next_cycle()
        finally:
            connection.close()

    def _serve_one(self, connection: Any, http: h11.Connection) -> bool:
        """Reads one request and answers it; returns whether the connection can carry another."""
        request = self._next(connection, http, time.monotonic() + _IDLE)
        if not isinstance(request, h11.Request):
            return False
        end = time.monotonic() + _REQUEST
        body = bytearray()
        while True:
            if http.they_are_waiting_for_100_continue:
                connection.sendall(http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            event = self._next(connection, http, end)
            if isinstance(event, h11.EndOfMessage):
                break
            if not isinstance(event, h11.Data):
                return False
            body += event.data
            if len(body) > _MAX_BODY:
                self._answer(connection, http, 413)
                return False
        method, target = request.method.decode("ascii"), request.target.decode("ascii", "replace")
        self._answer(connection, http, self.server.take(method, target, bytes(body)))
        return http.our_state is h11.DONE and http.their_state is h11.DONE

    def _next(self, connection: Any, http: h11.Connection, end: float) -> Any:
        while (event := http.next_event()) is h11.NEED_DATA:
            connection.settimeout(max(0.001, end - time.monotonic()))
            http.receive_data(connection.recv(2**16))
        return event

    def _answer(self, connection: Any, http: h11.Connection, status: int) -> None:
        content = b"{}"
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
        out = http.send(h11.Response(status_code=status, headers=headers)) or b""
        out += http.send(h11.Data(data=content)) or b""
        connection.sendall(out + (http.send(h11.EndOfMessage()) or b""))


def _normal(path: str) -> str:
    return "/" + path.strip("/")


def _port(address: str) -> int | None:
    try:
        return urlsplit(address).port or 0
    except ValueError:
        return None
