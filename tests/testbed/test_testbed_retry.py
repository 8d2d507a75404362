"""Answers that say *not now* are waited out, within limits, and never for ever."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from pytest_wa_settings.testbed.life import Habits
from pytest_wa_settings.testbed.retry import RetryPolicy, never_sent, retry_after
from pytest_wa_settings.wire import Answer, Exchange


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made; time passes by them alone."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(pauses))
    return pauses


def answer(
    status: int | None,
    *,
    code: int | None = None,
    headers: dict[str, str] | None = None,
    path: str = "/",
    kind: str | None = None,
) -> Answer:
    body = {} if code is None else {"errors": [{"code": code}]}
    exchange = Exchange(1, "c", "GET", "http://c/", (), "", status, (), "", kind, 0.0, 0.0)
    pairs = tuple((headers or {}).items())
    return Answer("GET", path, status, pairs, json.dumps(body).encode(), kind, 0.0, lambda: exchange, kind)


class Calls:
    """A call that gives one answer after the other, the last for ever, and is counted."""

    def __init__(self, *answers: Answer) -> None:
        self.left = list(answers)
        self.made = 0

    def __call__(self) -> Answer:
        self.made += 1
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


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


# answers of gateways

GATEWAY = [408, 499, 502, 504, 520, 521, 522, 523, 524]
GOOD, LOST = answer(200), answer(None, kind="closed")


@pytest.mark.parametrize("status", GATEWAY)
def test_a_gateways_answer_to_what_only_reads_is_asked_again(status: int) -> None:
    call = Calls(answer(status), answer(status), GOOD)
    assert patience().call("GET /", call).status == 200
    assert call.made == 3


@pytest.mark.parametrize("status", GATEWAY)
def test_a_gateways_answer_to_what_changes_something_is_given_back_at_once(
    status: int, slept: list[float]
) -> None:
    call = Calls(answer(status), GOOD)
    assert patience().call("POST /", call, repeatable=False).status == status
    assert (call.made, slept) == (1, [])


def test_a_gateways_status_that_the_client_gives_itself_is_its_answer() -> None:
    call = Calls(answer(502, code=1000), GOOD)
    assert patience().call("GET /", call).status == 502
    assert call.made == 1


@pytest.mark.parametrize("given", [answer(429), answer(503), answer(400, code=1017)])
def test_not_now_to_what_changes_something_is_asked_again_as_nothing_was_done(given: Answer) -> None:
    call = Calls(given, GOOD)
    assert patience().call("POST /", call, repeatable=False).status == 200
    assert call.made == 2


def test_a_login_that_a_gateway_answered_is_made_again_before_what_changes_something() -> None:
    call = Calls(answer(502, path="/v1/users/login"), GOOD)
    assert patience().call("POST /v1/settings/restore", call, repeatable=False).status == 200
    assert call.made == 2


def test_after_the_login_a_gateways_answer_to_what_changes_something_is_given_back() -> None:
    call = Calls(answer(502, path="/v1/users/login"), answer(504, path="/v1/settings/restore"), GOOD)
    assert patience().call("POST /v1/settings/restore", call, repeatable=False).status == 504
    assert call.made == 2


def test_a_gateway_that_goes_on_answering_is_the_last_word_at_the_limit(slept: list[float]) -> None:
    call = Calls(answer(502))
    assert patience(limit=10).call("GET /", call).status == 502
    assert 5 < sum(slept) <= 10


def test_a_gateways_answer_to_one_call_is_its_last_word_while_the_client_otherwise_serves(
    slept: list[float],
) -> None:
    call = Calls(answer(504))
    assert patience(serves=True).call("POST /v1/settings/backup", call).status == 504
    assert call.made == 4
    assert sum(slept) == pytest.approx(0.3)


def test_a_last_word_of_one_kind_is_none_of_another(slept: list[float]) -> None:
    one = patience(serves=True)
    one.call("POST /", Calls(answer(503)))
    call = Calls(answer(502))
    one.call("POST /", call)
    assert call.made == 4


def test_429_is_never_a_last_word_while_there_is_time(slept: list[float]) -> None:
    assert patience(limit=10, serves=True).call("GET /", Calls(answer(429))).status == 429
    assert 5 < sum(slept) <= 10


# changes


def test_a_change_that_is_answered_is_not_looked_for() -> None:
    call, look = Calls(answer(400)), Calls(GOOD)
    change = patience().change(call, lambda: bool(look()))
    assert (change.answer.status, change.made, call.made, look.made) == (400, False, 1, 0)


@pytest.mark.parametrize("lost", [answer(502), answer(504), LOST, answer(None, kind="timeout")])
def test_a_change_without_an_answer_that_is_there_is_made(lost: Answer) -> None:
    call = Calls(lost)
    change = patience().change(call, lambda: True)
    assert (change.answer, change.made, call.made) == (lost, True, 1)


@pytest.mark.parametrize("lost", [answer(502), answer(504), LOST])
def test_a_change_without_an_answer_that_is_not_there_is_made_again(lost: Answer) -> None:
    call = Calls(lost, GOOD)
    change = patience().change(call, lambda: False)
    assert (change.answer.status, change.made, call.made) == (200, True, 2)


@pytest.mark.parametrize("lost", [answer(502), answer(504), LOST])
def test_a_change_of_which_nobody_can_tell_is_neither_made_again_nor_taken_for_made(lost: Answer) -> None:
    call = Calls(lost, GOOD)
    change = patience().change(call, lambda: None)
    assert (change.answer, change.made, call.made) == (lost, False, 1)


def test_a_change_is_never_sent_more_than_five_times() -> None:
    call = Calls(answer(502))
    change = patience().change(call, lambda: False)
    assert (change.answer.status, change.made, call.made) == (502, False, 5)


def test_a_change_that_is_there_after_the_third_time_is_not_sent_a_fourth() -> None:
    call, looks = Calls(answer(504)), iter([False, False, True])
    change = patience().change(call, lambda: next(looks))
    assert (change.made, call.made) == (True, 3)


@pytest.mark.parametrize("kind", ["refused", "connect", "tls", "login"])
def test_a_change_that_met_nobody_is_not_looked_for(kind: str) -> None:
    def look() -> bool:
        raise AssertionError("nothing was sent")

    change = patience().change(Calls(answer(None, kind=kind)), look)
    assert not change.made


@pytest.mark.parametrize(("there", "made"), [(True, 1), (False, 2)])
def test_a_login_that_sets_a_password_is_looked_for_like_any_change(there: bool, made: int) -> None:
    call = Calls(answer(502, path="/v1/users/login"), answer(200, path="/v1/users/login"))
    change = patience().change(call, lambda: there, is_login=True)
    assert (change.made, call.made) == (True, made)


@pytest.mark.parametrize(
    ("given", "never"),
    [
        (answer(None, kind="refused"), True),
        (answer(None, kind="login"), True),
        (answer(502, path="/v1/users/login"), True),
        (answer(None, kind="closed"), False),
        (answer(None, kind="timeout"), False),
        (answer(502), False),
        (GOOD, False),
    ],
)
def test_what_surely_met_nobody_is_told_from_what_may_have_been_carried_out(
    given: Answer, never: bool
) -> None:
    assert never_sent(given) is never
