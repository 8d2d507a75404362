"""Health and the other answers are read for what they tell, in every shape that clients give them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_wa_settings.api import health
from pytest_wa_settings.wire import Answer, Exchange


def answer(
    body: Any, status: int | None = 200, failure: str | None = None, kind: str | None = None
) -> Answer:
    exchange = Exchange(1, "c", "GET", "http://c/", (), "", status, (), "", failure, 0.0, 0.0)
    content = json.dumps(body).encode()
    return Answer("GET", "/", status, (), content, failure, 0.0, lambda: exchange, kind)


def single(status: str) -> Answer:
    return answer({"health": {"gateway_status": status}})


def multi(*statuses: str) -> Answer:
    nodes = {f"host{i}:abc": {"gateway_status": one, "role": "coreapp"} for i, one in enumerate(statuses)}
    return answer({"health": nodes})


@pytest.mark.parametrize(
    ("given", "registered", "shards", "serving"),
    [
        (single("connected"), True, 1, True),
        (single("connecting"), True, 1, False),
        (single("unregistered"), True, 1, False),
        (single("unregistered"), False, 1, True),
        (single("uninitialized"), False, 1, False),
        (single("disconnected"), None, 1, True),
        (single("connecting"), None, 1, False),
        (multi("connected", "connected", "connected"), True, 2, True),
        (multi("connected", "disconnected", "disconnected"), True, 2, False),
        (multi("connected"), True, 4, True),
        (multi("connected", "disconnected"), True, 1, True),
        (answer({"status": "OK"}), True, 1, None),
        (answer({"health": {"gateway_status": "fine"}}), True, 1, None),
        (answer([1]), None, 1, None),
        (answer({}, 503), None, 1, False),
        (answer({}, 404), True, 1, None),
        (answer({}, None, "connection refused"), None, 1, False),
    ],
)
def test_health_tells_whether_a_client_serves_or_does_not_tell(
    given: Answer, registered: bool | None, shards: int, serving: bool | None
) -> None:
    assert health.serves(given, registered=registered, shards=shards) is serving


@pytest.mark.parametrize(
    ("given", "new", "up"),
    [
        (single("connected"), False, True),
        (single("connecting"), False, True),
        (single("disconnected"), False, False),
        (single("unregistered"), False, False),
        (single("unregistered"), True, True),
        (single("uninitialized"), True, True),
        (answer("OK"), False, True),
        (answer({}, 503), False, False),
        (answer({}, 401), False, True),
        (answer({}, None, "connection closed"), False, False),
        (answer({}, None, "login failed: status 401", "login"), False, True),
    ],
)
def test_a_look_at_health_tells_up_from_down(given: Answer, new: bool, up: bool) -> None:
    assert health.is_up(given, new_machine=new) is up


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ({"settings": {"application": {"wa_id": "+1 (555) 000-1111"}}}, "15550001111"),
        ({"settings": {"application": {}}}, None),
        ({"settings": None}, None),
        ({"support": {"debug_info": "15550001111"}}, "15550001111"),
        ({"support": {"debug_info": "unregistered"}}, None),
        ({"support": {"host:a": {"debug_info": "phone: 15550001111"}}}, "15550001111"),
        ([], None),
    ],
)
def test_the_number_is_found_where_clients_tell_it(body: Any, number: str | None) -> None:
    assert health.number_of(answer(body)) == number


def test_the_version_is_read_with_and_without_a_v() -> None:
    assert health.version_of(answer({}), answer({"meta": {"version": "v2.57.2"}})) == "2.57.2"
    assert health.version_of(answer({"meta": {"version": 2}})) is None
