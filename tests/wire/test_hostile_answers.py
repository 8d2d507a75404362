"""Whatever a server sends, the driver ends in time, holds little, and says in words what was wrong."""

from __future__ import annotations

import gc
import gzip
import json
import socket
import threading
import time
import tracemalloc
from itertools import count

import pytest
from raw_servers import answer

from pytest_wa_settings.wire import MISSING

LIMIT = 0.2


def drip(*pieces: bytes, every: float = 0.02):
    """A handler that sends the first pieces, then the last one again and again, slowly."""

    def handler(connection, number):
        connection.recv(65536)
        for at in count():
            connection.sendall(pieces[min(at, len(pieces) - 1)])
            time.sleep(every)

    return handler


def flood(first: bytes, piece: bytes):
    """A handler that sends `first`, then `piece` for ever as fast as it can."""

    def handler(connection, number):
        connection.recv(65536)
        connection.sendall(first)
        while True:
            connection.sendall(piece)

    return handler


def once(text: bytes):
    """A handler that sends one text and closes."""

    def handler(connection, number):
        connection.recv(65536)
        connection.sendall(text)

    return handler


def silent(connection, number):
    while connection.recv(65536):
        pass


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("handler", "failure", "explanation"),
    [
        (silent, "timed out", "connected, but no answer came within"),
        (drip(b"H"), "timed out", "connected, but no answer came"),
        (drip(HEAD, b"X: y\r\n"), "timed out", "connected, but no answer came within"),
        (
            drip(HEAD + b"Content-Length: 99999\r\n\r\n", b"x"),
            "timed out",
            "an answer began, but did not end",
        ),
        (drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), "timed out", "did not end"),
        (drip(HEAD + b"\r\n", b" "), "timed out", "an answer began, but did not end"),
        (drip(b"HTTP/1.1 100 Continue\r\n\r\n"), "timed out", "no answer came"),
    ],
)
def test_a_slow_server_costs_no_more_than_the_limit(serve, drive, handler, failure, explanation):
    driver = drive(serve(handler))
    started = time.monotonic()
    got = driver.request("GET", "/v1/health", timeout=LIMIT)
    assert time.monotonic() - started < LIMIT + 0.3
    assert got.failure == failure
    assert explanation in got.explanation


def test_a_server_that_never_reads_a_long_request_costs_no_more_than_the_limit(serve, drive):
    held = threading.Event()

    def hold(connection, number):
        server.stopped.wait(60)
        held.set()

    server = serve(hold)
    driver = drive(server)
    got = driver.request("POST", "/v1/x", content=b"x" * 50_000_000, timeout=LIMIT)
    assert not held.is_set()
    assert (got.failure, got.failure_kind) == ("timed out", "timeout")


@pytest.mark.parametrize(
    ("handler", "failure"),
    [
        (flood(HEAD, b"X: y\r\n" * 1000), "its head or a chunk's head is longer than 64 KiB"),
        (flood(HEAD + b"X: ", b"y" * 5000), "its head or a chunk's head is longer than 64 KiB"),
        (
            flood(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
            "interim answers (100)",
        ),
        (once(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), "it breaks the rules of HTTP/1.1"),
        (once(answer("{}", length=50)), "the connection closed before its announced end"),
        (once(HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), "it breaks the rules of HTTP/1.1"),
        (once(HEAD + b"Content-Length: -5\r\n\r\n"), "it breaks the rules of HTTP/1.1"),
        (once(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "it breaks the rules of HTTP/1.1"),
        (
            once(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"),
            "the connection closed before its announced",
        ),
        (once(b"HTTP/1.1 200"), "the connection closed before its announced end"),
        (once(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80"), "it is HTTP/2, not HTTP/1.1"),
        (once(b"\x15\x03\x01\0\x02\x02\x46"), "it is TLS, not HTTP"),
        (once(b"SSH-2.0-OpenSSH_9.6\r\n"), "it is no HTTP"),
        (
            once(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 100_000),
            "its head or a chunk's head is longer than 64 KiB",
        ),
        (once(answer(b"{}", "200 OK", "Content-Encoding: gzip")), "its content encoding is damaged"),
        (once(answer(b"{}", "200 OK", "Content-Encoding: br")), "its content encoding was not asked for"),
    ],
)
def test_a_broken_answer_is_described(serve, drive, handler, failure):
    got = drive(serve(handler)).health()
    assert got.failure.startswith(f"broken answer: {failure}")
    assert got.failure_kind == "broken"
    assert (got.content, got.body) == (b"", MISSING)


def test_a_broken_answer_keeps_the_status_of_its_head(serve, drive):
    got = drive(serve(once(answer("{}", "200 OK", length=50)))).health()
    assert (got.status, got.answered, got.ok) == (200, True, True)


@pytest.mark.parametrize("status", ["502 Bad Gateway", "504 Gateway Time-out"])
@pytest.mark.parametrize(
    ("body", "answered"),
    [("<h1>Gateway</h1>", False), ("{}", False), ('{"errors": [{"code": 1000, "title": "x"}]}', True)],
)
def test_a_gateways_502_or_504_without_the_envelope_is_no_answer(serve, drive, status, body, answered):
    got = drive(serve(once(answer(body, status)))).health()
    assert (got.status, got.answered) == (int(status[:3]), answered)


def test_a_closed_port_is_a_refused_connection(drive):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    got = drive(f"http://127.0.0.1:{port}").health()
    assert (got.failure, got.failure_kind) == ("connection refused", "refused")
    assert got.explanation == f"nothing listens at 127.0.0.1 port {port}"


def test_a_host_that_does_not_exist_is_named(drive):
    got = drive("http://no-such-host.invalid").health()
    assert got.failure == "host not found"
    assert "no-such-host.invalid" in got.explanation


def test_a_name_that_is_never_resolved_costs_no_more_than_the_limit(drive, monkeypatch):
    def slow(host, *rest, flags=0, **more):
        if flags:
            raise OSError
        time.sleep(0.5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    started = time.monotonic()
    got = drive("http://slow.example").request("GET", "/v1/health", timeout=LIMIT)
    assert time.monotonic() - started < LIMIT + 0.2
    assert got.failure == "timed out"
    assert got.explanation.startswith("the host name slow.example was not resolved within")
    time.sleep(0.4)


@pytest.mark.parametrize("handler", [lambda c, n: None, lambda c, n: c.recv(10)])
def test_a_connection_closed_without_an_answer_is_that(serve, drive, handler):
    got = drive(serve(handler)).backup("password")
    assert (got.failure, got.status) == ("connection closed", None)


def test_an_endless_body_ends_at_the_limit_in_bounded_memory(serve, drive):
    driver = drive(serve(flood(HEAD + b"\r\n", b"x" * 2**20)), timeout=30)
    tracemalloc.start()
    got = driver.health()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got.failure == "broken answer: its body is longer than 16 MiB"
    assert peak < 40 * 2**20


@pytest.mark.parametrize("headers", [b"", b"Content-Length: 10000000\r\n"])
def test_an_error_is_not_read_beyond_a_megabyte(serve, drive, headers):
    head = b"HTTP/1.1 500 No\r\n" + headers + b"\r\n"
    got = drive(serve(flood(head, b"x" * 2**20)), timeout=30).health()
    assert (got.status, got.failure, len(got.content)) == (500, None, 2**20)


def test_a_body_of_2_gb_announced_is_not_waited_for(serve, drive):
    handler = flood(HEAD + b"Content-Length: 2147483648\r\n\r\n", b"x" * 2**20)
    assert (
        drive(serve(handler), timeout=30).health().failure == "broken answer: its body is longer than 16 MiB"
    )


def test_a_gzip_bomb_is_not_unpacked(serve, drive):
    bomb = gzip.compress(b"\0" * (100 * 2**20))
    driver = drive(serve(once(answer(bomb, "200 OK", "Content-Encoding: gzip"))))
    assert driver.health().failure == "broken answer: it unpacks to more than 16 MiB"


def test_a_gzipped_answer_that_was_not_asked_for_is_read_all_the_same(scripted, drive):
    server = scripted(answer(gzip.compress(b'{"a":1}'), "200 OK", "content-encoding: GZIP"))
    assert drive(server).health().body == {"a": 1}


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"[" * 100_000, b"[NaN]", b"<html>hello</html>", b'{"a":' + b"9" * 10_000_000]
)
def test_a_body_that_is_no_json_is_an_answer_all_the_same(scripted, drive, body):
    got = drive(scripted(answer(body))).health()
    assert (got.status, got.failure, got.body) == (200, None, MISSING)


def test_an_answer_before_the_long_request_has_ended_is_taken(serve, drive):
    def handler(connection, number):
        connection.recv(1000)
        connection.sendall(answer("{}", "413 Too Large"))
        connection.shutdown(socket.SHUT_WR)
        server.stopped.wait(0.2)

    server = serve(handler)
    got = drive(server).request("POST", "/v1/x", content=b"x" * 20_000_000)
    assert (got.status, got.failure) == (413, None)


def test_an_answer_followed_by_a_reset_is_taken(serve, drive):
    def handler(connection, number):
        connection.recv(10)
        connection.sendall(answer("{}", "400 Bad Request"))

    assert drive(serve(handler)).request("POST", "/v1/x", content=b"x" * 60_000).status == 400


def test_an_answer_sent_twice_is_not_taken_for_the_next_one(serve, drive):
    def handler(connection, number):
        for at in count():
            if not server.request(connection):
                return
            connection.sendall(answer(json.dumps([number, at])) * 2)

    server = serve(handler)
    driver = drive(server)
    assert [driver.health().body for _ in range(3)] == [[1, 0], [2, 0], [3, 0]]


def test_an_unasked_answer_on_an_idle_connection_is_not_taken(serve, drive):
    def handler(connection, number):
        while server.request(connection):
            connection.sendall(answer(f"[{number}]"))
            time.sleep(0.02)
            connection.sendall(answer('"stale"'))

    server = serve(handler)
    driver = drive(server)
    bodies = []
    for _ in range(3):
        bodies.append(driver.health().body)
        time.sleep(0.06)
    assert bodies == [[1], [2], [3]]


def test_a_bare_newline_head_is_read_as_robust_clients_do(scripted, drive):
    assert drive(scripted(b"HTTP/1.1 200\nContent-Length: 2\n\n{}")).health().body == {}


def test_header_bytes_of_any_kind_do_no_harm(scripted, drive, recorder):
    server = scripted(answer(b"{}", "200 OK", "X-Odd: \xff\xfe", "Set-Cookie: a=b", "set-cookie: c=d"))
    driver = drive(server)
    assert driver.health().ok
    driver.health()
    assert b"ookie" not in server.received[1]
    json.dumps(recorder.exchanges[0].as_dict())


@pytest.mark.parametrize("token", ["x" * 40_000, "tok en", "tok\nen", "töken", ""])
def test_a_login_with_a_token_that_cannot_be_sent_is_a_failed_login(scripted, drive, token):
    login = json.dumps({"users": [{"token": token}]})
    driver = drive(scripted(answer(login)), token=None, password="Adm1n-password")
    assert driver.health().failure == "login failed: status 200 without a usable token"


def test_a_raw_exchange_is_bounded_too(serve, drive):
    driver = drive(serve(silent))
    assert driver.send_raw(b"GET / HTTP/1.1\r\n\r\n", timeout=0.1).failure == "timed out"
    assert driver.send_raw(b"x" * 50_000_000, timeout=5, cut_after=10).failure == "cut off by the suite"


def test_what_came_of_an_answer_that_is_too_long_is_not_held(serve, drive):
    driver = drive(serve(flood(HEAD + b"\r\n", b"x" * 2**20)), timeout=30)
    tracemalloc.start()
    try:
        got = driver.health()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert got.failure == "broken answer: its body is longer than 16 MiB"
    assert held < 8 * 2**20
