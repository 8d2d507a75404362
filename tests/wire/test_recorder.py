"""The record keeps the last exchanges, and each can be repeated from its curl line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import weakref
from dataclasses import replace

import pytest
from raw_servers import answer

from pytest_wa_settings.wire import Exchange, Recorder

EXCHANGE = Exchange(1, "client", "GET", "https://x/v1/health", (), "", 200, (), "{}", None, 0.0, 0.1)


def test_only_the_last_exchanges_are_kept():
    recorder = Recorder(keep=3)
    for number in range(1, 6):
        recorder.add(replace(EXCHANGE, number=number))
    assert [exchange.number for exchange in recorder.exchanges] == [3, 4, 5]
    assert recorder.count == 5


def test_exchanges_since_a_moment_are_those_that_ended_after_it():
    recorder = Recorder()
    for number in (2, 1, 3):
        recorder.add(replace(EXCHANGE, number=number))
    assert [exchange.number for exchange in recorder.since(1)] == [1, 3]
    assert recorder.since(3) == []


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
