"""Whatever is asked, the answer has an envelope and tells nothing."""

from __future__ import annotations

import json
import socket
import ssl

import pytest
from driving import Reference, code
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

POSTS = ["/v1/settings/backup", "/v1/settings/restore", "/v1/users", "/v1/messages", "/v1/contacts"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/health//", "/v1/settings/backup/x", "//"])
def test_an_unknown_path_is_not_found(client: Reference, path: str) -> None:
    for method in ("GET", "POST"):
        answer = client.ask(method, path)
        assert (answer.status_code, code(answer)) == (404, 1014)


@pytest.mark.parametrize("path", ["/v1/health", "/v1/settings/application", "/v1/support"])
def test_a_slash_at_the_end_of_a_path_changes_nothing(client: Reference, path: str) -> None:
    assert client.ask("GET", path + "/").json() == client.ask("GET", path).json()


def test_a_parameter_that_is_not_known_is_named(client: Reference) -> None:
    answer = client.ask("PATCH", "/v1/settings/application", json={"heartbeat_intervall": 5})
    assert code(answer) == 1010
    assert "Parameter 'heartbeat_intervall'" in answer.json()["errors"][0]["details"]


@pytest.mark.parametrize("name", ["aA1! a secret of mine", "x" * 41, "<b>"])
def test_a_name_that_is_no_plain_one_is_not_told_again(client: Reference, name: str) -> None:
    answer = client.ask("PATCH", "/v1/settings/application", json={name: 5})
    assert code(answer) == 1010
    assert name not in answer.text


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_not_allowed(client: Reference, method: str) -> None:
    answer = client.ask(method, "/v1/settings/backup")
    assert (answer.status_code, code(answer)) == (405, 1014)
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"{", b"\xff", b"NaN", b"[" * 100000, b"{}x"])
def test_a_body_that_is_no_object_is_refused(client: Reference, path: str, body: bytes) -> None:
    answer = client.ask("POST", path, content=body)
    assert (answer.status_code, code(answer)) == (400, 1025)


def test_a_body_over_the_limit_is_refused(client: Reference) -> None:
    body = json.dumps({"password": "x" * (9 * 1024 * 1024)})
    answer = client.ask("POST", "/v1/settings/backup", content=body)
    assert (answer.status_code, code(answer)) == (413, 1025)
    assert client.status() == "connected"


@given(body=JSON, path=st.sampled_from([*POSTS, "/v1/account", "/v1/settings/business/profile"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_of_any_shape_is_a_fault_of_the_client(client: Reference, body: object, path: str) -> None:
    answer = client.ask("POST", path, content=json.dumps(body).encode())
    assert answer.status_code < 500
    assert (
        client.ask("PATCH", "/v1/settings/application", content=json.dumps(body).encode()).status_code < 500
    )


@pytest.mark.parametrize("name", ["\ud800", "nested"])
def test_half_of_a_surrogate_pair_is_refused_everywhere(client: Reference, name: str) -> None:
    for body in ({name: "\udfff"}, {"text": {"body": "\ud800"}, "to": "15550001111"}):
        for path in (*POSTS, "/v1/settings/business/profile"):
            answer = client.ask("POST", path, content=json.dumps(body).encode())
            assert (answer.status_code, code(answer)) == (400, 1009)


def test_a_refusal_echoes_neither_password_nor_settings(client: Reference) -> None:
    secret = "S3cret words to look for"
    answers = [
        client.restore(secret, secret),
        client.backup([secret]),
        client.patch(**{secret: secret}),
        client.patch(webhooks={"url": secret}),
        client.ask("POST", "/v1/settings/business/profile", json={"vertical": secret, "email": secret}),
        client.login(password=secret),
    ]
    for answer in answers:
        assert answer.status_code in (400, 401)
        assert secret not in answer.text


def test_bytes_that_are_no_http_get_an_answer_and_the_client_lives(client: Reference) -> None:
    port = int(client.url.rsplit(":", 1)[1])
    raw = socket.create_connection(("127.0.0.1", port), 5)
    context = ssl.create_default_context(cafile=client.pool.ca)
    with context.wrap_socket(raw, server_hostname="127.0.0.1") as connection:
        connection.sendall(b"\x00\x01 nonsense\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert client.status() == "connected"


def test_the_log_holds_no_secret(client: Reference) -> None:
    log = client.pool.log
    loud = client.pool.start(log_level="debug", admin_password="L0ud-admin-password")
    data = loud.data("L0ud-backup-password")
    loud.restore("L0ud-data", "L0ud-backup-password")
    loud.user("loud-user")
    client.pool.ask("term", client=loud.key)
    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert any(line["event"] == "request" for line in lines)
    assert any(line["event"] == "ended" for line in lines)
    for secret in ("L0ud", data[:40], loud.token, "Agent-Pass-1"):
        assert secret not in text
