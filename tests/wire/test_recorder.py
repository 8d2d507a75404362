"""The record keeps the last exchanges, and each can be repeated from its curl line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import weakref
from collections.abc import Callable
from dataclasses import replace

import pytest
from raw_servers import answer

from pytest_wa_settings.wire import Exchange, Recorder
from pytest_wa_settings.wire.recorder import Draft
from pytest_wa_settings.wire.scrubber import GENERATION

EXCHANGE = Exchange(1, "client", "GET", "https://x/v1/health", (), "", 200, (), "{}", None, 0.0, 0.1)


def draft(number: int = 1, text: str = "", redacted: Callable[[str], str] = str) -> Draft:
    return Draft(lambda: replace(EXCHANGE, number=number, response_body=redacted(text)))


def test_only_the_last_exchanges_are_kept():
    recorder = Recorder(keep=3)
    for number in range(1, 6):
        recorder.add(draft(number))
    assert [exchange.number for exchange in recorder.exchanges] == [3, 4, 5]
    assert recorder.count == 5


def test_an_exchange_is_redacted_once_and_only_when_it_is_looked_at():
    asked = []
    recorder = Recorder()
    recorder.add(draft(redacted=lambda text: asked.append(text) or text))
    assert asked == []
    assert recorder.exchanges == recorder.exchanges
    assert len(asked) == 1


def test_a_secret_is_not_shown_that_was_forgotten_before_anybody_looked():
    recorder = Recorder(keep=1)
    recorder.add_volatile_secret("first-of-many-1")
    held = draft(text="it was first-of-many-1", redacted=recorder.scrub)
    recorder.add(held)
    recorder.add(draft(2))
    for number in range(2 * GENERATION + 2):
        recorder.add_volatile_secret(f"{number}-secret")
    assert recorder.scrub("first-of-many-1") == "first-of-many-1"
    assert held().response_body == "it was <secret>"


def test_an_exchange_can_be_written_as_json():
    assert json.loads(json.dumps(EXCHANGE.as_dict()))["url"] == "https://x/v1/health"


def test_the_curl_line_names_the_trusted_authority():
    assert replace(EXCHANGE, curl_options=("--cacert", "/my ca.pem")).curl() == (
        "curl -sS --cacert '/my ca.pem' https://x/v1/health"
    )


def test_raw_bytes_have_no_curl_line():
    assert replace(EXCHANGE, raw=True).curl().startswith("# GET https://x/v1/health: raw bytes")


def test_a_body_that_is_no_json_is_read_from_a_file():
    line = replace(EXCHANGE, method="POST", request_body="<3 bytes>").curl()
    assert line.startswith("curl -sS -X POST https://x/v1/health --data-binary @body.bin")


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize(
    "body",
    [
        {"password": "p%s w", "data": "d" * 200_000},
        {"settings": {"a": [1, True, None, 1.5], "its": "100%\\"}, "type": "text"},
        {"password": 7, "new_password": [], "errors": [{"title": "50% \\ 'quoted'"}]},
        {},
        None,
    ],
)
def test_the_curl_line_sends_the_same_request_again(scripted, drive, recorder, body):
    server = scripted(answer())
    driver = drive(server, headers={"X-Key": "gateway-key"})
    driver.request("POST", "/v1/x", json=body)
    line = recorder.exchanges[0].curl()
    known = {
        "WA_PASSWORD": str(body.get("password")) if body else "",
        "WA_DATA": "d" * 100,
        "WA_TEXT": "100%\\\\",
        "WA_TOKEN": "fixed-token",
        "WA_HEADER_X_KEY": "gateway-key",
    }
    subprocess.run(
        ["sh", "-c", line], env={**os.environ, **known}, check=True, capture_output=True, timeout=20
    )
    (first, second) = server.received
    for part in (
        b"Authorization: Bearer fixed-token",
        b"X-Key: gateway-key",
        b"Content-Type: application/json",
    ):
        assert part in first
        assert part in second
    sent = json.loads(second.split(b"\r\n\r\n", 1)[1])
    assert sent == ({**body, "data": "d" * 100} if body and "data" in body else body)


def test_what_only_the_garbage_collector_finds_is_let_go_of_after_long_answers():
    class Frame:
        pass

    frame = Frame()
    frame.itself, there = frame, weakref.ref(frame)
    del frame
    recorder = Recorder()
    for _ in range(3):
        recorder.received(10 * 2**20)
    assert there() is None
