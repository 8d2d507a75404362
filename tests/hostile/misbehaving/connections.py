"""Clients that cannot be talked to: nothing there, silent, slow, or speaking something else."""

from __future__ import annotations

import socket
import time
from typing import Any

from .stage import Stage, always, hang_up, hostile, plain, read_request, reset

REFUSED = r"cannot be reached: nothing listens"
CLOSED = r"does not answer plain HTTP: the connection was closed|cannot be reached"
NO_CLIENT = r"answers, but not as a WhatsApp Business API client"
SILENT = r"(does|did) not answer"


@hostile(REFUSED)
def nothing_listens(stage: Stage) -> str:
    """The port is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@hostile(CLOSED)
def closes_at_once(stage: Stage) -> str:
    """Every connection is closed as soon as it is made."""
    return stage.raw(lambda connection: None)


@hostile(CLOSED)
def resets_at_once(stage: Stage) -> str:
    """Every connection is reset as soon as it is made."""
    return stage.raw(reset)


@hostile(CLOSED)
def reads_and_closes(stage: Stage) -> str:
    """Every request is read to its end, and never answered."""
    return stage.raw(lambda connection: read_request(connection) and None)


@hostile(SILENT)
def says_nothing(stage: Stage) -> str:
    """Connections are accepted and held, and nothing is ever said."""
    return stage.raw(lambda connection: stage.over.wait())


@hostile(SILENT)
def never_accepts(stage: Stage) -> str:
    """The queue of connections is full, and no one takes from it."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    address = listener.getsockname()
    waiting = [socket.socket() for _ in range(4)]
    for one in waiting:
        one.setblocking(False)
        one.connect_ex(address)
        stage.closers.append(one.close)
    stage.closers.append(listener.close)
    return f"http://127.0.0.1:{address[1]}"


@hostile(SILENT)
def one_byte_a_second(stage: Stage) -> str:
    """A good answer, a byte a second."""

    def handler(connection: Any) -> None:
        read_request(connection)
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull":
            connection.sendall(bytes((byte,)))
            if stage.over.wait(1):
                return

    return stage.raw(handler)


@hostile(SILENT)
def one_byte_of_the_body_a_second(stage: Stage) -> str:
    """The head comes at once, the body drips."""

    def handler(connection: Any) -> None:
        read_request(connection)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{"
        )
        while not stage.over.wait(1):
            connection.sendall(b" ")

    return stage.raw(handler)


@hostile(SILENT + "|" + CLOSED)
def never_reads(stage: Stage) -> str:
    """Nothing of the request is read; a small receive buffer fills up."""

    def handler(connection: Any) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        stage.over.wait()

    return stage.raw(handler)


@hostile(NO_CLIENT + ".*interim")
def continues_for_ever(stage: Stage) -> str:
    """100 Continue, again and again."""

    def handler(connection: Any) -> None:
        read_request(connection)
        while not stage.over.is_set():
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            time.sleep(0.002)

    return stage.raw(handler)


@hostile(NO_CLIENT)
def switches_protocols(stage: Stage) -> str:
    """101 Switching Protocols, and then binary."""
    return stage.raw(
        always(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\n\r\n\x81\x05hello"
        )
    )


@hostile(NO_CLIENT + ".*HTTP/2")
def http2_only(stage: Stage) -> str:
    """Answers with HTTP/2 frames: SETTINGS, then GOAWAY with HTTP_1_1_REQUIRED turned round."""

    def handler(connection: Any) -> None:
        connection.recv(65536)
        connection.sendall(bytes.fromhex("0000000400000000000000080700000000000000000000000001"))
        stage.over.wait(0.2)

    return stage.raw(handler)


@hostile(NO_CLIENT + ".*no HTTP")
def answers_without_a_head(stage: Stage) -> str:
    """HTTP/0.9: a body and nothing else."""
    return stage.raw(always(b'{"health": {"gateway_status": "connected"}}'))


@hostile(NO_CLIENT + ".*no HTTP")
def is_an_ssh_server(stage: Stage) -> str:
    """Another service has the port, and speaks first."""

    def handler(connection: Any) -> None:
        connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
        connection.recv(65536)

    return stage.raw(handler)


@hostile(SILENT + "|" + CLOSED)
def goes_silent_after_the_login(stage: Stage) -> str:
    """The login is answered; the connection is then held and nothing more is said, on any connection."""

    def handler(connection: Any) -> None:
        request = read_request(connection)
        if b"/v1/users/login" in request:
            body = b'{"users": [{"token": "abcdef", "expires_after": "2099-01-01 00:00:00+00:00"}]}'
            connection.sendall(plain(body))
            hang_up(connection)
        else:
            stage.over.wait()

    return stage.raw(handler)
