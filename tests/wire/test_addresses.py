"""However a host is written, it is looked up, named to it and checked as it should be."""

from __future__ import annotations

import socket

import pytest
from raw_servers import answer


@pytest.fixture
def looked_up(monkeypatch):
    """Names that were looked up; each of them is this machine."""
    names = []
    real = socket.getaddrinfo

    def look_up(host, port, *more, **options):
        numeric = options.get("flags") == socket.AI_NUMERICHOST
        if not numeric or "%" in host:
            names.append(host)
            host = "127.0.0.1"
        return real(host, port, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return names


@pytest.mark.parametrize(
    ("written", "resolved", "named"),
    [
        ("[fe80::1%25eth0]", "fe80::1%eth0", "[fe80::1]"),
        ("bücher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("wa.example.", "wa.example.", "wa.example."),
    ],
)
def test_a_host_is_looked_up_and_named_to_the_client(scripted, drive, looked_up, written, resolved, named):
    server = scripted(answer())
    port = server.url.rpartition(":")[2]
    driver = drive(f"http://{written}:{port}")
    assert driver.health().ok
    driver.send_raw(driver.compose("GET", "/v1/health"))
    assert set(looked_up) == {resolved}
    for request in server.received:
        assert f"\r\nhost: {named}:{port}\r\n" in request.decode().lower()


def test_the_dot_of_an_absolute_name_is_no_part_of_a_certificates_name(scripted, drive, authority, looked_up):
    server = scripted(answer(), context=authority.server("wa.example"))
    assert drive(server.url.replace("127.0.0.1", "wa.example."), tls=authority.tls).health().ok


def test_a_name_that_is_only_known_without_its_dot_is_found(scripted, drive):
    server = scripted(answer())
    assert drive(server.url.replace("127.0.0.1", "localhost.")).health().ok
