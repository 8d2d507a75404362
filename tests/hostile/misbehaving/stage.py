"""Where a misbehaving client stands: the sockets and certificates that end with it, and the list of all."""

from __future__ import annotations

import copy
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

from .core import Core
from .port import Port

Handler = Callable[[Any], None]
RESTART = Path(__file__).with_name("restart.py")


@dataclass(frozen=True)
class Case:
    """A misbehaving client, and what a run against it must say.

    `says`: a pattern that the terminal's last line must match, `tells`: one that any of its lines must match;
    `limit`: seconds within which it must end; `never_passes`: clauses whose verdict must not be pass;
    `fails`: clauses that must be red; `spares`: clauses that must not be red; `whole`: whether the tests of
    robustness, which take the most time, are run, too.
    """

    name: str
    start: Callable[[Stage], str]
    says: str
    options: tuple[str, ...] = ()
    tells: str = ""
    limit: float = 30.0
    never_passes: tuple[str, ...] = ("BACKUP-1",)
    fails: tuple[str, ...] = ()
    spares: tuple[str, ...] = ()
    whole: bool = False


CASES: dict[str, Case] = {}


def hostile(
    says: str, *options: str, **facts: Any
) -> Callable[[Callable[[Stage], str]], Callable[[Stage], str]]:
    """Puts the decorated function on the list of cases; see Case."""

    def register(start: Callable[[Stage], str]) -> Callable[[Stage], str]:
        name = start.__name__
        if name in CASES:
            raise ValueError(f"two misbehaving clients are called {name}")
        CASES[name] = Case(name, start, says, options, **facts)
        return start

    return register


@dataclass
class Stage:
    """What one case started; everything ends with `close`.

    `options` are those that only the running case knows (a port, a file); `checks` are asked after the run,
    with all that the terminal showed: each returns a complaint or None.
    """

    folder: Path
    options: list[str] = field(default_factory=list)
    checks: list[Callable[[str], str | None]] = field(default_factory=list)
    closers: list[Callable[[], None]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def close(self) -> None:
        """Ends every server."""
        self.over.set()
        for close in reversed(self.closers):
            close()

    def listen(self, handler: Handler, context: ssl.SSLContext | None = None) -> int:
        """The port of a server that gives each connection to `handler`, in a thread of its own."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        open_ones: set[Any] = set()

        def handle(connection: Any) -> None:
            open_ones.add(connection)
            raw = connection
            with suppress(OSError, ValueError):
                if context is not None:
                    connection.settimeout(10)
                    connection = context.wrap_socket(connection, server_side=True)
                    connection.settimeout(None)
                    open_ones.add(connection)
                handler(connection)
            hang_up(connection)
            open_ones.difference_update((raw, connection))

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=handle, args=(connection,), daemon=True).start()

        def close() -> None:
            hang_up(listener)
            for connection in tuple(open_ones):
                hang_up(connection)

        threading.Thread(target=accept, daemon=True).start()
        self.closers.append(close)
        return int(listener.getsockname()[1])

    def raw(self, handler: Handler, context: ssl.SSLContext | None = None) -> str:
        """The address of such a server."""
        scheme = "http" if context is None else "https"
        return f"{scheme}://127.0.0.1:{self.listen(handler, context)}"

    def production(self, core: Core) -> str:
        """The address of a mostly normal API that the run may not change."""
        return self.port(core).url

    def api(self, core: Core, context: ssl.SSLContext | None = None) -> str:
        """The address of a mostly normal API, which the run may restore on and start again."""
        port = self.port(core, context)
        self.restartable(port.start_again)
        before, users = copy.deepcopy(core.state), set(core.users)

        def left_alone(terminal: str) -> str | None:
            if core.state != before and "could not be put back" not in terminal:
                return "the client is not as it was before, and nothing was said"
            if set(core.users) != users and "accounts that the suite made" not in terminal:
                return "accounts were left on the client, and nothing was said"
            return None

        self.checks.append(left_alone)
        return port.url

    def port(self, core: Core, context: ssl.SSLContext | None = None) -> Port:
        """The server of a mostly normal API."""
        port = Port(core, context)
        core.port = port
        self.closers.append(port.end)
        return port

    def restartable(self, start_again: Callable[[], None]) -> None:
        """Lets the run restore, and start the client again by a command that ends up in `start_again`."""

        def handler(connection: Any) -> None:
            start_again()
            connection.sendall(b"started\n")

        command = f"{sys.executable} -S -E {RESTART} {self.listen(handler)}"
        self.options += ["--wa-allow-restore", "--wa-restart-command", command]

    def authority(self) -> trustme.CA:
        """A certificate authority that the run is told to trust."""
        authority = trustme.CA()
        path = self.folder / "ca.pem"
        authority.cert_pem.write_to_path(path)
        self.options += ["--wa-ca", str(path)]
        return authority


def server_context(authority: trustme.CA, *names: str, **options: Any) -> ssl.SSLContext:
    """A server's TLS context with a certificate for `names` (127.0.0.1 if none is given)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1",)), **options).configure_cert(context)
    return context


def hang_up(connection: Any) -> None:
    """Closes a socket, whatever waits on it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        connection.close()


def reset(connection: Any) -> None:
    """Closes a socket with a reset instead of a farewell."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_request(connection: Any) -> bytes:
    """One request whose length is announced; empty when the other side has closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length and (piece := connection.recv(65536)):
        body += piece
    return head + b"\r\n\r\n" + body


def always(answer: bytes) -> Handler:
    """A handler that sends the same bytes for every request, and closes."""

    def handler(connection: Any) -> None:
        if read_request(connection):
            connection.sendall(answer)

    return handler


def plain(body: bytes, status: str = "200 OK", *headers: str, kind: str = "application/json") -> bytes:
    """A well-formed answer that closes."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, *headers]).encode("latin-1") + b"\r\n\r\n" + body
