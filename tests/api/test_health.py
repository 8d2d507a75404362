"""Health is read for what it tells, in every shape that clients give it, and by one reader."""

from __future__ import annotations

import pytest
from answers import answer

from pytest_wa_settings.api import health
from pytest_wa_settings.wire import Answer


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
        (answer(raw=b"OK"), True, 1, None),
        (answer(raw=b""), True, 1, None),
        (single("CONNECTED"), True, 1, True),
        (single("Unregistered"), False, 1, True),
        (multi("Connected", "odd"), True, 1, True),
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
        (answer(raw=b"OK"), False, True),
        (answer({}, 404), False, True),
        (answer({}, 502), False, False),
        (single("DISCONNECTED"), False, False),
        (single("a status of its own"), False, True),
        (answer({}, 503), False, False),
        (answer({}, 401), False, True),
        (answer({}, None, "connection closed"), False, False),
        (answer({}, None, "login failed: status 401", "login"), False, True),
    ],
)
def test_a_look_at_health_tells_up_from_down(given: Answer, new: bool, up: bool) -> None:
    assert health.is_up(given, new_machine=new) is up


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (single("connected"), ["connected"]),
        (single("Connected"), ["connected"]),
        (single("UNREGISTERED"), ["unregistered"]),
        (single("working"), []),
        (single(""), []),
        (multi("connected", "working", "Disconnected"), ["connected", "disconnected"]),
        (answer({"gateway_status": "connected"}), ["connected"]),
        (answer({"health": "connected"}), ["connected"]),
        (answer({"health": {"gateway_status": 7}}), []),
        (answer({"health": {"host:a": "connected"}}), []),
        (answer("connected"), []),
        (answer(raw=b"connected"), []),
        (answer({"health": {"gateway_status": "connected"}}, 500), []),
    ],
)
def test_a_status_counts_in_any_letter_case_and_only_if_it_is_documented(
    given: Answer, found: list[str]
) -> None:
    assert health.statuses(given) == found


@pytest.mark.parametrize(
    ("given", "registered"),
    [
        (single("connected"), True),
        (single("DISCONNECTED"), True),
        (single("Unregistered"), False),
        (single("working"), None),
        (answer(raw=b"OK"), None),
        (answer({}, 404), None),
    ],
)
def test_health_tells_of_the_registration_or_tells_nothing(given: Answer, registered: bool | None) -> None:
    assert health.registered_by(given) is registered


@pytest.mark.parametrize(
    ("given", "nothing"),
    [
        (answer(raw=b"OK"), True),
        (answer(raw=b""), True),
        (answer({}), True),
        (single("working"), True),
        (answer({}, 404), True),
        (answer({}, 401), True),
        (answer({}, 403), True),
        (single("connected"), False),
        (answer({}, 500), False),
        (answer({}, 503), False),
        (answer({}, None, "connection refused"), False),
    ],
)
def test_health_that_cannot_be_read_is_told_apart_from_an_error(given: Answer, nothing: bool) -> None:
    assert health.says_nothing(given) is nothing


@pytest.mark.parametrize(
    ("given", "multi_"), [(multi("connected"), True), (single("connected"), False), (answer("OK"), False)]
)
def test_multiconnect_shows_by_an_entry_a_node(given: Answer, multi_: bool) -> None:
    assert health.is_multi(given) is multi_
