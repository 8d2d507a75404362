"""A callback that cannot be delivered says why, in the log, at the default level."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from driving import Pool, Reference
from receiving import Webhook, wait_until

from pytest_wa_settings.reference.logs import Log
from pytest_wa_settings.reference.traffic import Traffic, authority
from pytest_wa_settings.reference.webhook import reason

CONTACT = "15557770003"
SECRET = "a-secret-in-the-path"


@pytest.fixture
def logging_pool(tmp_path: Path) -> Iterator[Pool]:
    """A pool with a log of its own."""
    made = Pool(tmp_path / "log")
    yield made
    assert made.close() == 0


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A webhook that ends with the test."""
    made = Webhook()
    yield made
    made.close()


def events(pool: Pool) -> list[dict[str, Any]]:
    """What the log says of callbacks."""
    lines = [json.loads(line) for line in pool.log.read_text("utf-8").splitlines()]
    return [line for line in lines if line["event"] == "callback not delivered"]


def reasons(pool: Pool) -> list[str]:
    """The reasons that the log says, in order."""
    return [str(event["reason"]) for event in events(pool)]


def calling(pool: Pool, url: str, ca: bytes | None) -> Reference:
    """A client that has something to tell a webhook, and is quick to try again."""
    client = pool.start()
    if ca is not None:
        assert client.ask("POST", "/v1/certificates/webhooks/ca", content=ca).is_success
    assert client.patch(webhooks={"url": url}, callback_backoff_delay_ms=10).is_success
    where = {"business": client.number or ""}
    assert pool.plain.post(
        f"/contacts/{CONTACT}/messages", params=where, json={"text": "words of a contact"}
    ).is_success
    return client


def test_a_webhook_that_is_not_there_refuses_the_connection(logging_pool: Pool) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        calling(logging_pool, f"https://127.0.0.1:{port}/{SECRET}", None)
        assert wait_until(lambda: reasons(logging_pool) == ["connection refused"])
    (event,) = events(logging_pool)
    assert (event["level"], event["webhook"]) == ("warning", f"127.0.0.1:{port}")


def test_a_webhook_whose_authority_is_unknown_is_not_trusted(logging_pool: Pool, webhook: Webhook) -> None:
    calling(logging_pool, webhook.url, None)
    assert wait_until(lambda: bool(reasons(logging_pool)))
    assert reasons(logging_pool) == ["its certificate is not trusted: unable to get local issuer certificate"]


def test_a_webhook_that_speaks_no_tls_gets_no_connection(logging_pool: Pool) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as plain:
        serving = threading.Thread(target=plain.serve_forever, args=(0.02,))
        serving.start()
        try:
            calling(logging_pool, f"https://127.0.0.1:{plain.server_port}/", None)
            assert wait_until(lambda: bool(reasons(logging_pool)))
        finally:
            plain.shutdown()
            serving.join()
    assert reasons(logging_pool)[0].startswith("no TLS connection: ")
    assert "unknown" not in reasons(logging_pool)[0]


def test_a_webhook_that_answers_an_error_is_said_with_its_status(
    logging_pool: Pool, webhook: Webhook
) -> None:
    webhook.accepting = False
    calling(logging_pool, webhook.url, webhook.ca_pem)
    assert wait_until(lambda: len(webhook.refused) >= 5)
    assert reasons(logging_pool) == ["it answers 500"]


def test_another_reason_is_said_and_so_is_the_same_one_after_a_success(
    logging_pool: Pool, webhook: Webhook
) -> None:
    client = calling(logging_pool, webhook.url, None)
    assert wait_until(lambda: len(reasons(logging_pool)) == 1)
    webhook.accepting = False
    client.ask("POST", "/v1/certificates/webhooks/ca", content=webhook.ca_pem)
    assert wait_until(lambda: reasons(logging_pool)[1:] == ["it answers 500"])
    webhook.accepting = True
    assert wait_until(lambda: webhook.texts() == ["words of a contact"])
    webhook.accepting = False
    client.ask("POST", "/v1/messages", json={"to": CONTACT, "text": {"body": "hello"}})
    assert wait_until(lambda: reasons(logging_pool)[2:] == ["it answers 500"])


def test_the_log_has_nothing_of_what_a_callback_or_its_address_carries(
    logging_pool: Pool, webhook: Webhook
) -> None:
    webhook.accepting = False
    url = webhook.url.replace("https://", f"https://user:{SECRET}@") + f"/{SECRET}?key={SECRET}"
    calling(logging_pool, url, webhook.ca_pem)
    assert wait_until(lambda: bool(reasons(logging_pool)))
    said = logging_pool.log.read_text("utf-8")
    assert [word for word in (SECRET, "words of a contact", CONTACT) if word in said] == []


def said_from(*causes: Exception) -> str:
    """The reason for an error of the HTTP library that came from others."""
    try:
        try:
            raise causes[0]
        except type(causes[0]) as cause:
            raise httpx.ConnectError("with an address in it") from cause
    except httpx.ConnectError as problem:
        return reason(problem)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (ConnectionRefusedError(), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "there is no host of that name"),
        (TimeoutError(), "no answer within 10 s"),
        (ssl.SSLError(1, "an error"), "no TLS connection: unknown reason"),
        (OSError(101, "Network is unreachable"), "no connection (ConnectError)"),
    ],
)
def test_a_reason_is_that_of_the_inmost_error(cause: Exception, said: str) -> None:
    assert said_from(cause) == said


def test_a_limit_that_ran_out_is_no_answer() -> None:
    assert reason(httpx.ReadTimeout("")) == "no answer within 10 s"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://user:password@host:8443/path?query", "host:8443"),
        ("https://[::1]:1/x", "[::1]:1"),
        ("https://[", "an address that cannot be read"),
    ],
)
def test_of_an_address_host_and_port_are_said(url: str, host: str) -> None:
    assert authority(url) == host


def test_a_reason_is_said_anew_for_another_url(capfd: pytest.CaptureFixture[str]) -> None:
    traffic = Traffic.__new__(Traffic)
    traffic.log, traffic.failing = Log("warning"), None
    for url in ("https://a/1", "https://a/1", "https://a/2", "https://a/2"):
        traffic.note_failure(url, "connection refused")
    assert capfd.readouterr().err.count("connection refused") == 2
