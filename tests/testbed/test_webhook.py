"""The receiver keeps what clients call back, refuses on held paths, and cannot be held up."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from pytest_wa_settings.testbed import webhook
from pytest_wa_settings.testbed.webhook import Receiver, ReceiverError


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def make(*args: Any, **options: Any) -> Receiver:
        made.append(Receiver(*args, **options))
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


@pytest.fixture
def receiver(receive: Callable[..., Receiver]) -> Receiver:
    return receive("http://127.0.0.1:0")


def post(receiver: Receiver, path: str, *bodies: bytes, **options: Any) -> list[int]:
    """Posts the bodies over one connection; returns the statuses."""
    url = urlsplit(receiver.url(path))
    if url.scheme == "https":
        context = ssl.create_default_context(cadata=receiver.ca_pem)
        connection: Any = http.client.HTTPSConnection(url.hostname, url.port, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=5)
    statuses = []
    try:
        for body in bodies:
            connection.request("POST", url.path, body=body, **options)
            with connection.getresponse() as response:
                response.read()
                statuses.append(response.status)
    finally:
        connection.close()
    return statuses


def test_a_callback_over_tls_is_kept(receive):
    receiver = receive()
    assert receiver.url("/hook").startswith("https://127.0.0.1:")
    assert post(receiver, "/hook", b'{"a":1}', b"two") == [200, 200]
    assert [call.body for call in receiver.calls("/hook")] == [b'{"a":1}', b"two"]
    assert receiver.calls("/other") == []


def test_a_certificate_of_the_users_own_is_used(receive, tmp_path: Path):
    authority = trustme.CA()
    path = tmp_path / "hook.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(path)
    receiver = receive("https://127.0.0.1:0", certificate=path)
    assert "BEGIN CERTIFICATE" in receiver.ca_pem
    assert "PRIVATE KEY" not in receiver.ca_pem


def test_a_plain_receiver_needs_no_certificate(receiver):
    assert receiver.url("x").startswith("http://127.0.0.1:")
    assert receiver.ca_pem == ""


def test_a_held_path_refuses_until_it_is_released(receiver):
    receiver.hold("/hook")
    assert post(receiver, "/hook", b"1") == [500]
    assert post(receiver, "/other", b"2") == [200]
    receiver.release("/hook")
    assert post(receiver, "/hook", b"3") == [200]
    assert [(call.body, call.accepted) for call in receiver.calls("/hook")] == [(b"1", False), (b"3", True)]


def test_a_callback_is_waited_for(receiver):
    receiver.start()
    timer = threading.Timer(0.05, lambda: post(receiver, "/hook", b"late"))
    timer.start()
    call = receiver.wait("/hook", lambda call: call.body == b"late", 5)
    timer.join()
    assert call is not None
    assert abs(call.at - time.time()) < 5


def test_waiting_ends_at_its_limit(receiver):
    started = time.monotonic()
    assert receiver.wait("/hook", lambda call: True, 0.05) is None
    assert time.monotonic() - started < 1


def test_paths_are_cleared_one_by_one_or_all(receiver):
    for path in ("/a", "/b", "/c"):
        post(receiver, path, b"x")
    receiver.clear("/a")
    assert [len(receiver.calls(path)) for path in ("/a", "/b", "/c")] == [0, 1, 1]
    receiver.clear()
    assert [len(receiver.calls(path)) for path in ("/a", "/b", "/c")] == [0, 0, 0]


def test_a_path_in_the_public_address_is_no_part_of_the_callbacks_path(receive):
    receiver = receive("http://127.0.0.1:0/suite/")
    assert urlsplit(receiver.url("/hook")).path == "/suite/hook"
    post(receiver, "/hook", b"x")
    assert len(receiver.calls("/hook")) == 1


def test_a_chunked_callback_and_one_that_asks_first_are_read(receiver):
    post(
        receiver,
        "/hook",
        iter([b"in ", b"pieces"]),
        encode_chunked=True,
        headers={"Transfer-Encoding": "chunked"},
    )
    url = urlsplit(receiver.url())
    with socket.create_connection((url.hostname, url.port), timeout=5) as client:
        client.sendall(b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 100")
        client.sendall(b"ok")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert [call.body for call in receiver.calls("/hook")] == [b"in pieces", b"ok"]


def test_a_huge_callback_is_refused(receiver, monkeypatch):
    monkeypatch.setattr(webhook, "_MAX_BODY", 1000)
    assert post(receiver, "/hook", b"x" * 2000) == [413]
    assert receiver.calls("/hook") == []


def test_what_is_kept_has_an_end(receiver, monkeypatch):
    monkeypatch.setattr(webhook, "_MAX_BYTES", 100)
    post(receiver, "/hook", *[bytes([65 + number]) * 40 for number in range(5)])
    assert [call.body[:1] for call in receiver.calls("/hook")] == [b"D", b"E"]


def test_nonsense_and_silence_hold_nobody_up(receive):
    receiver = receive()
    url = urlsplit(receiver.url("/hook"))
    silent = [socket.create_connection((url.hostname, url.port)) for _ in range(10)]
    try:
        silent[0].sendall(b"GET / HTTP/1.1\r\n\r\n")
        started = time.monotonic()
        assert post(receiver, "/hook", b"x") == [200]
        assert time.monotonic() - started < 2
    finally:
        for connection in silent:
            connection.close()


def test_a_slow_callback_is_dropped_at_its_limit(receiver, monkeypatch):
    monkeypatch.setattr(webhook, "_REQUEST", 0.1)
    url = urlsplit(receiver.url("/hook"))
    with socket.create_connection((url.hostname, url.port), timeout=5) as client:
        client.sendall(b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
        assert client.recv(100) == b""
    assert receiver.calls("/hook") == []


def test_closing_ends_connections_and_frees_the_port(receive):
    receiver = receive()
    url = urlsplit(receiver.url("/hook"))
    post(receiver, "/hook", b"x")
    receiver.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((url.hostname, url.port), timeout=5).close()
    again = receive(f"https://127.0.0.1:{url.port}")
    assert post(again, "/hook", b"x") == [200]


def test_a_port_that_is_taken_is_named(receive):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ReceiverError, match=f"cannot listen at port {port}") as caught:
            receive(f"http://127.0.0.1:{port}").start()
    assert "--wa-webhook" in caught.value.remedy


@pytest.mark.parametrize("address", ["ftp://x", "https://", "hook", "https://x:99999"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ReceiverError, match="no http:// or https:// URL"):
        Receiver(address)


def test_a_certificate_that_cannot_be_used_is_named(receive, tmp_path: Path):
    path = tmp_path / "hook.pem"
    path.write_text("nothing")
    with pytest.raises(ReceiverError, match="cannot be used"):
        receive("https://127.0.0.1:0", certificate=path).start()
