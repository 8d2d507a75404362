"""A TLS failure is told in words that name the cause."""

from __future__ import annotations

import socket
import ssl
import time
from datetime import datetime, timedelta, timezone

import pytest
from raw_servers import answer

from pytest_wa_settings.api import Driver
from pytest_wa_settings.wire import Recorder, Tls, WireError
from pytest_wa_settings.wire.tls import _context


def test_a_trusted_client_is_reached(scripted, drive, authority):
    server = scripted(answer(), context=authority.server())
    assert drive(server, tls=authority.tls).health().ok


def test_any_certificate_is_taken_when_verification_is_off(scripted, drive, authority):
    server = scripted(answer(), context=authority.server("elsewhere.example"))
    assert drive(server, tls=Tls(verify=False)).health().ok


@pytest.mark.parametrize(
    ("names", "options", "trusted", "why"),
    [
        ((), {}, False, "the certificate's authority is unknown (name its CA, or turn verification off)"),
        (("elsewhere.example",), {}, True, "the certificate is for another"),
        ((), {"not_after": datetime(2020, 1, 1, tzinfo=timezone.utc)}, True, "the certificate has expired"),
        (
            (),
            {"not_before": datetime.now(timezone.utc) + timedelta(days=9)},
            True,
            "the certificate is not valid yet (is a clock wrong?)",
        ),
    ],
)
def test_a_certificate_that_is_not_accepted_says_why(
    scripted, drive, authority, names, options, trusted, why
):
    server = scripted(answer(), context=authority.server(*names, **options))
    got = drive(server, tls=authority.tls if trusted else Tls()).health()
    assert got.failure.startswith(f"TLS failure: {why}")
    assert got.failure_kind == "tls"
    assert why in got.explanation


def test_a_self_signed_certificate_is_named_so(scripted, drive, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with authority.ca.private_key_pem.tempfile() as key, authority.ca.cert_pem.tempfile() as certificate:
        context.load_cert_chain(certificate, key)
    got = drive(scripted(answer(), context=context)).health()
    assert "self-signed" in got.failure


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n"])
def test_a_port_without_tls_is_named_so(serve, drive, greeting):
    def handler(connection, number):
        connection.recv(65536)
        connection.sendall(greeting)

    got = drive(serve(handler).url.replace("http:", "https:")).health()
    assert got.failure == "TLS failure: what answers there does not speak TLS (plain HTTP on this port?)"


@pytest.mark.parametrize("handler", [lambda c, n: None, lambda c, n: c.recv(65536)])
def test_a_connection_closed_during_the_handshake_is_named_so(serve, drive, handler):
    got = drive(serve(handler).url.replace("http:", "https:")).health()
    assert got.failure == "TLS failure: the server closed the connection during the handshake"


def test_a_handshake_that_never_ends_costs_no_more_than_the_limit(serve, drive):
    def handler(connection, number):
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03\x40\x00")
        while True:
            connection.sendall(b"\x02")
            time.sleep(0.02)

    driver = drive(serve(handler).url.replace("http:", "https:"))
    started = time.monotonic()
    got = driver.request("GET", "/v1/health", timeout=0.3)
    assert time.monotonic() - started < 0.7
    assert got.failure == "timed out"
    assert got.explanation.startswith("connected, but the TLS handshake did not end within")


def test_an_old_tls_version_is_named_so(serve, drive):
    def handler(connection, number):
        connection.recv(65536)
        connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46")

    got = drive(serve(handler).url.replace("http:", "https:")).health()
    assert got.failure == "TLS failure: the server offers no common TLS version (1.2 or newer is needed)"


def test_a_server_of_http_2_only_is_named_so(serve, drive):
    def handler(connection, number):
        connection.recv(65536)
        connection.sendall(b"\x15\x03\x03\x00\x02\x02\x78")

    got = drive(serve(handler).url.replace("http:", "https:")).health()
    assert got.failure == "TLS failure: the server does not speak HTTP/1.1 (HTTP/2 only?)"


@pytest.mark.parametrize("alert", [40, 116, 112, 80, 0, 255])
def test_any_alert_is_a_tls_failure_in_one_line(serve, drive, alert):
    def handler(connection, number):
        connection.recv(65536)
        connection.sendall(b"\x15\x03\x03\x00\x02\x02" + bytes([alert]))

    got = drive(serve(handler).url.replace("http:", "https:")).health()
    assert got.failure.startswith("TLS failure: ")
    assert len(got.failure) < 160
    assert "_ssl.c" not in got.failure


def test_a_client_certificate_is_shown_to_a_client_that_asks_for_it(scripted, drive, authority, tmp_path):
    context = authority.server()
    context.verify_mode = ssl.CERT_REQUIRED
    authority.ca.configure_trust(context)
    path = tmp_path / "mine.pem"
    authority.ca.issue_cert("suite@tests.example").private_key_and_cert_chain_pem.write_to_path(path)
    server = scripted(answer(), context=context)
    assert drive(server, tls=Tls(ca=authority.path, client_cert=path)).health().ok
    refused = drive(server, tls=authority.tls).health()
    assert refused.failure == "TLS failure: the server asks for a client certificate"


@pytest.mark.parametrize("content", [None, "no certificate", ""])
def test_a_ca_file_that_cannot_be_used_is_named_before_any_request(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(WireError) as caught:
        Driver("https://127.0.0.1:1", name="client", recorder=Recorder(), tls=Tls(ca=path))
    assert str(path) in caught.value.problem
    assert "PEM" in caught.value.remedy


def test_a_client_certificate_that_cannot_be_used_is_named(tmp_path):
    tls = Tls(verify=False, client_cert=tmp_path / "none.pem")
    with pytest.raises(WireError, match="the client certificate"):
        Driver("https://127.0.0.1:1", name="client", recorder=Recorder(), tls=tls)


def test_a_host_name_is_checked_against_the_certificate(scripted, drive, authority):
    server = scripted(answer(), context=authority.server("localhost"))
    assert drive(server.url.replace("127.0.0.1", "localhost"), tls=authority.tls).health().ok
    assert socket.gethostbyname("localhost").startswith("127.")


def test_a_clients_own_certificate_is_an_authority_on_every_python(scripted, drive, authority, tmp_path):
    server = scripted(answer(b"{}"), context=authority.server())
    own = tmp_path / "own.pem"
    own.write_text(ssl.get_server_certificate(("127.0.0.1", int(server.url.rpartition(":")[2]))))
    assert drive(server, tls=Tls(ca=own)).health().ok


def test_a_key_log_that_cannot_be_written_keeps_nobody_from_a_client(
    scripted, drive, authority, tmp_path, monkeypatch
):
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "missing" / "keys.log"))
    _context.cache_clear()
    server = scripted(answer(b"{}"), context=authority.server())
    assert drive(server, tls=authority.tls).health().ok
    _context.cache_clear()
