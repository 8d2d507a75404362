"""What was read before a run is set again, whatever a client makes of a change."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_wa_settings.api.resources import APPLICATION
from pytest_wa_settings.testbed.readings import come_since, set_again
from pytest_wa_settings.wire import Answer, Exchange

Takes = Callable[[dict[str, Any], dict[str, Any]], "dict[str, Any] | None"]
BEFORE = {"heartbeat_interval": 5, "webhooks": {"url": "https://a.example", "max_concurrent_requests": 6}}


class Shown:
    """A client with nothing but its application settings; `takes` makes a change, or refuses it (None)."""

    def __init__(self, now: dict[str, Any], takes: Takes) -> None:
        self.now, self.takes = now, takes
        self.sent: list[dict[str, Any]] = []

    def ask(self, method: str, path: str, *, json: Any = None) -> Answer:
        status = 200 if path == APPLICATION.path else 404
        if method != "GET" and status == 200:
            self.sent.append(json)
            made = self.takes(self.now, json)
            self.now, status = (self.now, 400) if made is None else (made, 200)
        return answer(method, path, status, {"settings": {"application": self.now}})


def answer(method: str, path: str, status: int, body: Any) -> Answer:
    exchange = Exchange(1, "client", method, path, (), "", status, (), "", None, 0.0, 0.0)
    return Answer(method, path, status, (), json.dumps(body).encode(), None, 0.0, lambda: exchange)


def merges(now: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    webhooks = {**now.get("webhooks", {}), **body.get("webhooks", {})}
    return {**now, **body, "webhooks": webhooks}


def replaces(now: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    return body


def takes_one_member(now: dict[str, Any], body: dict[str, Any]) -> dict[str, Any] | None:
    return merges(now, body) if len(body) == 1 else None


@pytest.mark.parametrize("takes", [merges, replaces, takes_one_member])
def test_settings_are_set_again_however_a_client_takes_a_change(takes: Takes) -> None:
    now = {"heartbeat_interval": 9, "webhooks": {"url": "https://b.example", "max_concurrent_requests": 6}}
    client: Any = Shown(now, takes)
    assert set_again(client, {"application": BEFORE}) == []
    assert client.now == BEFORE


def test_what_differs_is_sent_at_once_where_the_client_takes_it() -> None:
    client: Any = Shown({**BEFORE, "heartbeat_interval": 9}, merges)
    set_again(client, {"application": BEFORE})
    assert client.sent == [{"heartbeat_interval": 5}]


def test_what_no_change_brings_back_is_told() -> None:
    client: Any = Shown({**BEFORE, "heartbeat_interval": 9}, lambda now, body: now)
    assert set_again(client, {"application": BEFORE}) == [f"{APPLICATION.title} (heartbeat_interval)"]


@pytest.mark.parametrize(
    ("now", "more"),
    [
        (BEFORE, []),
        ({**BEFORE, "sent_status": True}, ["sent_status"]),
        ({**BEFORE, "on_call_pager": ""}, ["on_call_pager"]),
        ({**BEFORE, "wa_id": "1", "uptime": 7}, []),
        ({**BEFORE, "media": {"auto_download": []}}, ["media.auto_download"]),
        ({}, []),
    ],
)
def test_documented_members_that_have_come_since_are_told(now: dict[str, Any], more: list[str]) -> None:
    client: Any = Shown(now, merges)
    found = come_since(client, {"application": BEFORE})
    assert found == [f"{APPLICATION.title} ({name})" for name in more]
