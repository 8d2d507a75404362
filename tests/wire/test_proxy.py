"""A client behind a proxy is reached through it, and through nothing else."""

from __future__ import annotations

import json
import socket
import threading
from base64 import b64encode

import pytest
from raw_servers import answer


def pump(source, target):
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def tunnelling(server, seen):
    def handler(connection, number):
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1)
        seen.append(head)
        host, port = head.split(b" ")[1].rsplit(b":", 1)
        with socket.create_connection((host, int(port))) as onward:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            thread = threading.Thread(target=pump, args=(connection, onward))
            thread.start()
            pump(onward, connection)
            connection.shutdown(socket.SHUT_RDWR)
            thread.join()

    return handler


def test_tls_goes_through_a_tunnel(serve, scripted, drive, authority):
    server, seen = scripted(answer(), context=authority.server()), []
    proxy = serve(tunnelling(server, seen))
    address = proxy.url.replace("//", "//me:pr0xy-secret@")
    driver = drive(server, tls=authority.tls, proxy=address)
    assert driver.health().ok
    assert driver.health().ok
    assert len(seen) == 1
    assert seen[0].startswith(f"CONNECT {server.url.removeprefix('https://')} HTTP/1.1".encode())
    assert b64encode(b"me:pr0xy-secret") in seen[0]
    assert b64encode(b"me:pr0xy-secret") not in server.received[0]
    driver.close()


def test_plain_http_asks_the_proxy_for_the_whole_address(scripted, drive, recorder):
    proxy = scripted(answer())
    driver = drive("http://client.invalid:9090", proxy=proxy.url.replace("//", "//me:pr0xy-secret@"))
    assert driver.health().ok
    assert proxy.received[0].startswith(b"GET http://client.invalid:9090/v1/health HTTP/1.1\r\n")
    assert "pr0xy" not in json.dumps([exchange.as_dict() for exchange in recorder.exchanges])


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        (answer("", "407 Proxy Authentication Required"), "the proxy refused: 407"),
        (b"nonsense\r\n\r\n", "the proxy failed"),
        (b"", "the proxy failed"),
    ],
)
def test_a_proxy_that_opens_no_tunnel_is_named(serve, drive, text, failure):
    def handler(connection, number):
        connection.recv(65536)
        connection.sendall(text)

    got = drive("https://client.invalid", proxy=serve(handler).url).health()
    assert (got.failure, got.failure_kind) == (failure, "connect")


def test_a_silent_proxy_costs_no_more_than_the_limit(serve, drive):
    got = drive(
        "https://client.invalid", proxy=serve(lambda c, n: c.recv(65536) and c.recv(1)).url, timeout=0.2
    )
    assert got.health().explanation.startswith("the proxy did not open a tunnel within")
