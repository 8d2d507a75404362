"""Odd requests beside a tame one: which of them is blamed, and for what it does alone (ROBUST-1)."""

from __future__ import annotations

from typing import Any

import pytest
from shown_client import ShownClient, answer

from pytest_wa_settings.conformance.odd_requests import OddRequests, Request
from pytest_wa_settings.verdicts import Case, Finding, FindingError, NotTested
from pytest_wa_settings.wire import Answer

RESTORE = "/v1/settings/restore"
REFUSED, ERROR, GATEWAY = answer(400, {}), answer(500, {}), answer(502)
HANGS = answer(None, failure="timed out")
CLOSED = answer(None, failure="connection closed")


class Bearing(ShownClient):
    """A client that answers a tame request with the next of `tame`, the last one for ever.

    `deadly` are requests of which it dies, all of them at once where `together`; `sent` what it was sent.
    """

    can_restart = True

    def __init__(self, *tame: Answer) -> None:
        super().__init__()
        self.tame = list(tame or (REFUSED,))
        self.deadly: set[str] = set()
        self.sent: list[str] = []
        self.together = False

    def ask(self, method: str, path: str, **more: Any) -> Answer:
        if method != "POST" or path != RESTORE:
            return super().ask(method, path, **more)
        self.sent.append("tame")
        if not self.serving:
            return CLOSED
        return self.tame.pop(0) if len(self.tame) > 1 else self.tame[0]

    def request(self, name: str, *answers: Answer, quiet: bool = False) -> Request:
        """An odd request; `quiet`: the client answers what it dies of like any other."""
        left = list(answers or (REFUSED,))
        since: list[str] = []

        def send() -> Answer:
            self.sent.append(name)
            if not self.serving:
                return CLOSED
            since.append(name)
            if name in self.deadly and (not self.together or self.deadly <= set(self.since_start())):
                self.serving = False
                return REFUSED if quiet else CLOSED
            return left.pop(0) if len(left) > 1 else left[0]

        return Request(name, send)

    def since_start(self) -> list[str]:
        starts = [at for at, one in enumerate(self.sent) if one == "start"]
        return self.sent[starts[-1] + 1 if starts else 0 :]

    def start_again(self) -> None:
        super().start_again()
        self.sent.append("start")


def odd_of(client: Any) -> tuple[OddRequests, Case]:
    case = Case(testbed=client.testbed)
    return OddRequests(case, client, limit=10), case


def found_by(client: Any, *requests: Request) -> Finding:
    """The finding that ends a row of odd requests."""
    odd, _ = odd_of(client)

    def send_all() -> None:
        for one in requests:
            odd.judge(one, RESTORE)
        odd.finish()

    with pytest.raises(FindingError) as found:
        send_all()
    return found.value.finding


def test_a_client_that_bears_them_all_is_evidence() -> None:
    client = Bearing()
    odd, case = odd_of(client)
    odd.judge_tame(RESTORE)
    for name in ("one", "two"):
        odd.judge(client.request(name), RESTORE)
    odd.finish()
    assert [(one.clause, one.exchanges) for one in case.evidence] == [("ROBUST-1", 3)]


@pytest.mark.parametrize("tame", [ERROR, HANGS])
def test_a_client_that_fails_at_the_tame_request_is_blamed_for_that(tame: Answer) -> None:
    odd, _ = odd_of(Bearing(tame))
    with pytest.raises(FindingError) as found:
        odd.judge_tame(RESTORE)
    assert found.value.finding.sent == (
        "POST /v1/settings/restore with a password and no `data`, in a body that has nothing odd"
    )


@pytest.mark.parametrize("tame", [GATEWAY, CLOSED])
def test_a_tame_request_that_the_client_does_not_answer_is_no_evidence(tame: Answer) -> None:
    odd, _ = odd_of(Bearing(tame))
    with pytest.raises(NotTested) as raised:
        odd.judge_tame(RESTORE)
    assert raised.value.kind == "no evidence"


def test_a_tame_request_that_a_gateway_answered_once_is_sent_again() -> None:
    odd, case = odd_of(Bearing(GATEWAY, REFUSED))
    odd.judge_tame(RESTORE)
    assert len(case.evidence) == 1


@pytest.mark.parametrize("failing", [ERROR, HANGS])
def test_an_odd_request_at_which_the_client_fails_is_blamed_by_its_name(failing: Answer) -> None:
    client = Bearing()
    assert found_by(client, client.request("one"), client.request("two", failing)).sent == "two"


def test_an_odd_request_that_a_gateway_answered_once_is_sent_again() -> None:
    client = Bearing()
    odd, case = odd_of(client)
    odd.judge(client.request("one", GATEWAY, REFUSED), RESTORE)
    assert client.sent == ["one", "one"]
    assert len(case.evidence) == 1


def test_an_odd_request_that_never_gets_through_while_a_tame_one_does_is_found() -> None:
    client = Bearing()
    finding = found_by(client, client.request("one", GATEWAY))
    assert (finding.sent, "at 3 tries, while a tame request is answered" in finding.observed) == ("one", True)


def test_an_odd_request_is_not_blamed_where_no_tame_one_gets_through_either() -> None:
    client = Bearing(GATEWAY)
    odd, _ = odd_of(client)
    with pytest.raises(NotTested):
        odd.judge(client.request("one", GATEWAY), RESTORE)


def test_a_connection_that_is_closed_on_an_odd_request_is_a_refusal_beside_a_tame_one_that_is_answered() -> (
    None
):
    client = Bearing()
    odd, case = odd_of(client)
    odd.judge(client.request("one", CLOSED), RESTORE)
    assert client.sent == ["one", "tame"]
    assert len(case.evidence) == 1


def test_an_odd_request_is_not_blamed_for_what_an_earlier_one_broke() -> None:
    client = Bearing(ERROR)  # at the tame one as well, by now
    finding = found_by(client, client.request("one"), client.request("two", ERROR))
    assert finding.sent == "one of the last requests: one; two"


@pytest.mark.parametrize("deadly", [0, 3, 6])
def test_a_death_is_narrowed_down_to_the_one_request(deadly: int) -> None:
    client = Bearing()
    client.deadly = {f"number {deadly}"}
    requests = [client.request(f"number {at}", quiet=True) for at in range(7)]
    finding = found_by(client, *requests)
    assert (finding.sent, finding.expected) == (f"number {deadly}", "the client still serves")


def test_a_death_that_shows_at_once_is_blamed_on_that_request() -> None:
    client = Bearing()
    client.deadly = {"two"}
    assert (
        found_by(client, client.request("one"), client.request("two"), client.request("three")).sent == "two"
    )


def test_a_death_is_narrowed_down_by_halves() -> None:
    client = Bearing()
    client.deadly = {"number 63"}
    found_by(client, *(client.request(f"number {at}", quiet=True) for at in range(64)))
    assert client.sent.count("start") <= 8
    assert client.serving


def test_a_death_that_takes_two_requests_names_the_last_ones() -> None:
    client = Bearing()
    client.deadly, client.together = {"number 0", "number 6"}, True
    finding = found_by(client, *(client.request(f"number {at}", quiet=True) for at in range(7)))
    assert finding.sent == "one of the last requests: number 2; number 3; number 4; number 5; number 6"


def test_without_a_restart_the_last_requests_are_named() -> None:
    client = Bearing()
    client.can_restart = False  # type: ignore[misc]
    client.deadly = {"number 5"}
    finding = found_by(client, *(client.request(f"number {at}", quiet=True) for at in range(9)))
    assert finding.sent == "one of the last requests: number 2; number 3; number 4; number 5; number 6"
    assert len(finding.answers) == 5
    assert "start" not in client.sent


def test_nothing_is_sent_to_a_dead_client_that_cannot_be_started_again() -> None:
    client = Bearing()
    client.can_restart = False  # type: ignore[misc]
    client.deadly = {"one"}
    odd, _ = odd_of(client)
    with pytest.raises(FindingError):
        odd.judge(client.request("one"), RESTORE)
    odd.judge(client.request("two"), RESTORE)
    odd.finish()
    assert "two" not in client.sent


def test_long_answers_are_not_held_on_to() -> None:
    client = Bearing()
    client.deadly = {"last"}
    long = answer(200, {"settings": {"data": "x" * 1_000_000}})
    finding = found_by(client, client.request("first", long), client.request("last", quiet=True))
    assert max(len(one.content) for one in finding.answers) < 100_000
