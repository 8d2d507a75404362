"""Every shape of request that the suite sends gets the same answer when its line is run by a shell."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from raw_servers import RawServer, answer
from repeating import no_curl, parts, run_line

from pytest_wa_settings.api import Driver
from pytest_wa_settings.conformance.bodies import NOT_OBJECTS, incomplete, not_objects, of_other_types
from pytest_wa_settings.conformance.test_robustness import _DIRECTED
from pytest_wa_settings.wire import NO_TOKEN, Answer, Exchange, Recorder
from pytest_wa_settings.wire.parsing import parse_json

pytestmark = pytest.mark.skipif(no_curl(), reason="curl is not installed")

ADMIN, PASSWORD, OTHER = "Adm1n-password", 'aA1!"quoted" \\ 50% é', "aA1!another-1"
REFERENCE = [sys.executable, "-m", "pytest_wa_settings.reference", "serve", "--http", "--kdf", "light"]
Send = Callable[[Driver, str], Answer]


def shapes(data: str) -> Iterator[tuple[str, Send]]:
    """Requests of the suite that a client may be sent any number of times; `data` is a backup."""
    restore = "/v1/settings/restore"
    yield "a backup", lambda driver, path: driver.backup(PASSWORD)
    yield "no token", lambda driver, path: driver.backup(PASSWORD, token=NO_TOKEN)
    yield "a made-up token", lambda driver, path: driver.backup(PASSWORD, token="made-up-token-0000")
    yield "a wrong password", lambda driver, path: driver.restore(OTHER, data)
    yield "damaged data", lambda driver, path: driver.restore(PASSWORD, data[: len(data) // 2])
    yield "a login", lambda driver, path: driver.login_as("admin", ADMIN)
    yield "a wrong login", lambda driver, path: driver.login_as("admin", OTHER)
    yield "health", lambda driver, path: driver.health()
    yield "a query", lambda driver, path: driver.request("GET", "/v1/settings/profile/photo?format=link")
    yield "another method", lambda driver, path: driver.request("PUT", path)
    yield "options", lambda driver, path: driver.request("OPTIONS", path)
    yield "a path that is not there", lambda driver, path: driver.delete_user("wa/%25 no one")
    yield "settings", lambda driver, path: driver.patch_application({"on_call_pager": "é%s\\", "unknown": 1})
    yield "a text", lambda driver, path: driver.patch_about("About ü 100%")
    yield "contacts", lambda driver, path: driver.contacts(["15550001", "15550002"])
    for name, body in incomplete(PASSWORD, data):
        yield f"restore {name}", lambda driver, path, body=body: driver.request("POST", restore, json=body)
    for name, password, held in of_other_types(PASSWORD, data):
        yield f"restore {name}", lambda driver, path, a=password, b=held: driver.restore(a, b)
    for name, content, headers in _DIRECTED:
        yield (
            name,
            lambda driver, path, content=content, headers=headers: driver.request(
                "POST", path, content=content, secrets=(), headers=headers
            ),
        )
    members = {"password": PASSWORD, "data": data}
    for name, content in (*NOT_OBJECTS, *not_objects(members)):
        yield (
            name,
            lambda driver, path, content=content: driver.request(
                "POST", path, content=content, secrets=tuple(members.values())
            ),
        )


@dataclass
class Reference:
    """A registered reference client, and what repeats its exchanges."""

    driver: Driver
    recorder: Recorder
    data: str

    def variables(self) -> dict[str, str]:
        token = self.driver.session_token()
        assert token is not None
        return {"WA_TOKEN": token, "WA_OTHER_TOKEN": "made-up-token-0000", "WA_USER": "admin"}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    state = tmp_path_factory.mktemp("state")
    process = subprocess.Popen(
        [*REFERENCE, "--port", str(port), "--register", "15557654321", "--state-dir", str(state)],
        env={**os.environ, "WA_ADMIN_PASSWORD": ADMIN},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    recorder = Recorder()
    driver = Driver(f"http://127.0.0.1:{port}", name="reference", password=ADMIN, recorder=recorder)
    try:
        until = time.monotonic() + 30
        while not driver.health().ok and time.monotonic() < until:
            time.sleep(0.05)
        data = driver.backup(PASSWORD).data
        assert data is not None
        yield Reference(driver, recorder, data)
    finally:
        driver.close()
        process.terminate()
        process.wait(20)


def sent_body(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, send: Callable[[], Answer]
) -> tuple[Answer, bytes]:
    """The answer to a request, and the body of the last one that went out."""
    bodies: list[bytes] = []
    ask = driver._ask
    monkeypatch.setattr(driver, "_ask", lambda request: (bodies.append(request.content), ask(request))[1])
    answered = send()
    monkeypatch.undo()
    return answered, bodies[-1]


def shape(status: int | None, body: str) -> tuple[int | None, str]:
    """A redacted answer without what differs from one time to the next."""
    return status, re.sub(r"<string of \d+ characters>|expires_after\": \"[^\"]*", "…", body)


def of_output(output: bytes, recorder: Recorder) -> tuple[int | None, str]:
    """The last answer in what curl printed."""
    head, _, body = output.partition(b"\r\n\r\n")
    while body.startswith(b"HTTP/1.1 "):  # 100 Continue
        head, _, body = body.partition(b"\r\n\r\n")
    kind = re.search(rb"(?i)\ncontent-type: ([^\r]*)", head)
    told = recorder.redact_answer.body(body, kind[1].decode() if kind else "", parse_json(body))
    return shape(int(head.split(b" ")[1]), told)


NAMES = [name for name, _ in shapes("QUFB" * 400)]


@pytest.mark.parametrize("at", range(len(NAMES)), ids=NAMES)
def test_the_reference_answers_the_line_as_it_answered_the_suite(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    path = ("/v1/settings/backup", "/v1/settings/restore")[at % 2]
    _, send = list(shapes(reference.data))[at]
    driver = reference.driver
    answered, body = sent_body(driver, monkeypatch, lambda: send(driver, path))
    exchange: Exchange = answered.exchange
    variables = {**reference.variables(), "WA_QUERY_FORMAT": "link"}
    variables["WA_USER_PASSWORD"] = OTHER if answered.status == 401 else ADMIN
    done = run_line(exchange, body, tmp_path, **variables)
    again = exchange.repeat(tmp_path)
    for secret in (PASSWORD[:12], reference.data[:24], ADMIN, OTHER):
        assert secret not in again.line
        assert secret.encode() not in again.content
    assert of_output(done.stdout, reference.recorder) == shape(exchange.status, exchange.response_body)


@pytest.mark.parametrize("at", range(len(NAMES)), ids=NAMES)
def test_a_server_receives_the_line_as_it_received_the_suite(
    scripted: Callable[..., RawServer], drive: Callable[..., Driver], tmp_path: Path, at: int
) -> None:
    server = scripted(answer())
    _, send = list(shapes("QUFB" * 400))[at]
    exchange = send(drive(server), "/v1/settings/restore").exchange
    variables = {"WA_OTHER_TOKEN": "made-up-token-0000", "WA_QUERY_FORMAT": "link", "WA_USER": "admin"}
    variables["WA_USER_PASSWORD"] = OTHER if NAMES[at] == "a wrong login" else ADMIN
    run_line(exchange, parts(server.received[0])[2], tmp_path, **variables)
    first, second = (parts(one) for one in server.received)
    assert first == second
