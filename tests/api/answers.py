"""Answers as the tests of what is known of the API make them."""

from __future__ import annotations

import json
from typing import Any

from pytest_wa_settings.wire import Answer, Exchange


def answer(
    body: Any = None,
    status: int | None = 200,
    failure: str | None = None,
    kind: str | None = None,
    *,
    raw: bytes | None = None,
    path: str = "/",
) -> Answer:
    exchange = Exchange(1, "c", "GET", "http://c/", (), "", status, (), "", failure, 0.0, 0.0)
    content = json.dumps(body).encode() if raw is None else raw
    return Answer("GET", path, status, (), content, failure, 0.0, lambda: exchange, kind)
