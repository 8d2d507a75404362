"""Answers that say *not now* are waited out, within limits, and never for ever."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from pytest_wa_settings.testbed.life import Habits
from pytest_wa_settings.testbed.retry import RetryPolicy, retry_after
from pytest_wa_settings.wire import Answer, Exchange


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made; time passes by them alone."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(pauses))
    return pauses


def answer(status: int, *, code: int | None = None, headers: dict[str, str] | None = None) -> Answer:
    body = {} if code is None else {"errors": [{"code": code}]}
    exchange = Exchange(1, "c", "GET", "http://c/", (), "", status, (), "", None, 0.0, 0.0)
    pairs = tuple((headers or {}).items())
    return Answer("GET", "/", status, pairs, json.dumps(body).encode(), None, 0.0, lambda: exchange)


def replies(*answers: Answer) -> Callable[[], Answer]:
    """A call that gives one answer after the other, the last for ever."""
    following: Iterator[Answer] = iter(answers)
    last = answers[-1]
    return lambda: next(following, last)


def patience(limit: float = 20.0, *, serves: bool = False, habits: Habits | None = None) -> RetryPolicy:
    return RetryPolicy(habits or Habits(), limit, lambda: serves)


def test_an_answer_that_is_one_is_given_at_once(slept: list[float]) -> None:
    assert patience().call("GET /", replies(answer(400))).status == 400
    assert slept == []


@pytest.mark.parametrize("not_now", [answer(429), answer(503), answer(409, code=1017)])
def test_not_now_is_asked_again(not_now: Answer) -> None:
    assert patience().call("GET /", replies(not_now, not_now, answer(200))).status == 200


def test_retry_after_is_kept(slept: list[float]) -> None:
    told = answer(429, headers={"Retry-After": "7"})
    assert patience().call("GET /", replies(told, answer(200))).status == 200
    assert slept == [7.0]


def test_a_wait_beyond_the_limit_is_not_begun(slept: list[float]) -> None:
    told = answer(429, headers={"Retry-After": "3600"})
    assert patience().call("GET /", replies(told)).status == 429
    assert slept == []


def test_patience_ends_with_the_limit(slept: list[float]) -> None:
    assert patience(limit=10).call("GET /", replies(answer(503))).status == 503
    assert 5 < sum(slept) <= 10


def test_503_from_a_client_that_serves_is_its_answer_after_three_tries(slept: list[float]) -> None:
    calls = []

    def call() -> Answer:
        calls.append(1)
        return answer(503)

    assert patience(serves=True).call("POST /", call).status == 503
    assert len(calls) == 4
    assert sum(slept) == pytest.approx(0.3)


def test_what_turned_out_to_be_an_answer_is_asked_again_once_only(slept: list[float]) -> None:
    one = patience(serves=True)
    one.call("POST /", replies(answer(503)))
    slept.clear()
    one.call("POST /", replies(answer(503)))
    assert len(slept) == 1


def test_a_client_that_answers_again_gets_the_whole_patience_again(slept: list[float]) -> None:
    one = patience(serves=True)
    one.call("POST /", replies(answer(503)))
    one.call("POST /", replies(answer(503), answer(200)))
    slept.clear()
    one.call("POST /", replies(answer(503)))
    assert len(slept) == 3


def test_a_node_that_is_not_primary_master_is_asked_many_times(slept: list[float]) -> None:
    other = answer(400, code=1017)
    assert patience(serves=True).call("POST /", replies(*[other] * 15, answer(200))).status == 200
    assert sum(slept) < 4


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": "0"}, 0.05),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({}, None),
        (
            {"Retry-After": "Wed, 21 Oct 2015 07:28:05 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"},
            5.0,
        ),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:05 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_clients_own_clock(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(answer(429, headers=headers)) == seconds


def test_after_a_wait_in_vain_later_calls_get_a_moment_only(slept: list[float]) -> None:
    one = patience(20.0)
    assert one.call("GET /", replies(answer(503))).status == 503
    slept.clear()
    assert one.call("GET /other", replies(answer(503))).status == 503
    assert sum(slept) <= 1.0


def test_an_answer_makes_up_for_a_wait_in_vain(slept: list[float]) -> None:
    one = patience(20.0)
    one.call("GET /", replies(answer(503)))
    one.call("GET /other", replies(answer(200)))
    slept.clear()
    one.call("POST /", replies(answer(503)))
    assert sum(slept) > 10.0
