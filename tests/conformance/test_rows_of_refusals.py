"""Rows of calls that must be refused: what counts as evidence, and from where the next one is judged."""

from __future__ import annotations

from typing import Any

import pytest
from shown_client import ShownClient, answer, in_turn

from pytest_wa_settings.conformance.refusals import Refusals
from pytest_wa_settings.verdicts import Case, FindingError, NotTested
from pytest_wa_settings.wire import Answer

LOST = answer(None, failure="connection closed")
GATEWAY = answer(502)
REFUSED = answer(400, {})


@pytest.fixture
def client() -> Any:
    return ShownClient()


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that stays changed is found at once."""
    monkeypatch.setattr("pytest_wa_settings.conformance.refusals._UNCHANGED_WITHIN", 0.0)


@pytest.fixture
def case(client: Any) -> Case:
    return Case(testbed=client.testbed)


def row_of(case: Case, client: Any) -> Refusals:
    return Refusals(case, "RESTORE-5", client)


def judgements(case: Case) -> dict[str, int]:
    return {one.judgement: one.exchanges for one in case.evidence}


def wrongly_accepting(client: Any, heartbeat: int) -> Any:
    """A call that changes the client, and is accepted."""

    def call() -> Answer:
        client.show(heartbeat_interval=heartbeat)
        return answer(200, None)

    return call


def changing(client: Any, heartbeat: int) -> Any:
    """A call that changes the client, though it is refused."""

    def call() -> Answer:
        client.show(heartbeat_interval=heartbeat)
        return REFUSED

    return call


def test_refused_calls_that_changed_nothing_are_evidence_of_both(case: Case, client: Any) -> None:
    row = row_of(case, client)
    for _ in range(3):
        row.judge("a wrong password", client.refuse)
    row.finish()
    assert judgements(case)["refused"] == 3
    fields = next(one.fields for one in case.evidence if one.judgement == "unchanged")
    assert "application:heartbeat_interval" in fields


def test_a_call_that_is_accepted_is_found(case: Case, client: Any) -> None:
    with pytest.raises(FindingError) as found:
        row_of(case, client).judge("a wrong password", client.accept)
    assert "HTTP 200" in found.value.finding.observed


def test_after_a_wrongly_accepted_call_the_next_is_judged_by_a_new_reading(case: Case, client: Any) -> None:
    row = row_of(case, client)
    with pytest.raises(FindingError):
        row.judge("cut after 8 characters", wrongly_accepting(client, 9))
    row.judge("character 1 missing", client.refuse)
    row.finish()
    assert judgements(case)["refused"] == 1


def test_after_a_wrongly_accepted_call_the_client_is_made_to_serve_again(case: Case, client: Any) -> None:
    row = row_of(case, client)
    with pytest.raises(FindingError):
        row.judge("cut after 8 characters", wrongly_accepting(client, 9))
    assert client.events == ["come back"]


def test_after_a_refused_call_that_changed_the_client_the_next_is_judged_by_a_new_reading(
    case: Case, client: Any
) -> None:
    row = row_of(case, client)
    with pytest.raises(FindingError):
        row.judge("character 1 missing", changing(client, 9))
    row.judge("character 2 missing", client.refuse)
    row.finish()
    assert judgements(case)["refused"] == 2


def test_the_next_change_after_a_new_reading_is_found_by_itself(case: Case, client: Any) -> None:
    row = row_of(case, client)
    with pytest.raises(FindingError):
        row.judge("cut after 8 characters", wrongly_accepting(client, 9))
    with pytest.raises(FindingError) as found:
        row.judge("character 1 missing", changing(client, 11))
    assert found.value.finding.observed == "application:heartbeat_interval is 11 (was 9)"


def test_a_call_that_got_no_answer_is_no_evidence(case: Case, client: Any) -> None:
    row = row_of(case, client)
    row.judge("a wrong password", in_turn([LOST, LOST]))
    assert judgements(case) == {}
    with pytest.raises(NotTested, match="answered none of 1 calls") as raised:
        row.finish()
    assert raised.value.kind == "no evidence"


def test_one_call_that_was_answered_is_evidence_beside_one_that_was_not(case: Case, client: Any) -> None:
    row = row_of(case, client)
    row.judge("a wrong password", in_turn([LOST, LOST]))
    row.judge("another one", client.refuse)
    row.finish()
    assert judgements(case)["refused"] == 1


def test_a_call_that_a_gateway_answered_is_sent_again(case: Case, client: Any) -> None:
    row = row_of(case, client)
    assert row.judge("a wrong password", in_turn([GATEWAY, GATEWAY, REFUSED])) is REFUSED
    assert judgements(case) == {"refused": 1}


def test_a_call_that_a_gateway_answered_and_that_changed_the_client_is_not_sent_again(
    case: Case, client: Any
) -> None:
    def call() -> Answer:
        client.events.append("sent")
        client.show(heartbeat_interval=9)
        return GATEWAY

    with pytest.raises(FindingError):
        row_of(case, client).judge("a wrong password", call)
    assert client.events.count("sent") == 1


def test_a_client_that_serves_no_more_after_a_lost_answer_died_of_it(case: Case, client: Any) -> None:
    row = row_of(case, client)

    def call() -> Answer:
        client.serving = False
        return LOST

    with pytest.raises(FindingError) as found:
        row.judge("a wrong password", call)
    assert "no longer serves" in found.value.finding.observed


def test_a_client_of_which_nothing_can_be_read_leaves_the_clause_without_evidence(
    case: Case, client: Any
) -> None:
    client.bodies = {path: {} if path != "/v1/health" else body for path, body in client.bodies.items()}
    client.unreadable = {"photo", "providers"}
    row = row_of(case, client)
    row.judge("a wrong password", client.refuse)
    with pytest.raises(NotTested, match="no setting or profile field of this client can be read") as raised:
        row.finish()
    assert raised.value.kind == "no evidence"


def test_what_only_widens_a_clause_leaves_it_to_the_other_tests_without_evidence(
    case: Case, client: Any
) -> None:
    row = row_of(case, client)
    row.judge("a wrong password", in_turn([LOST, LOST]))
    row.finish(widens=True)
    assert "refused" not in judgements(case)


def test_a_row_without_a_call_is_no_evidence_of_a_refusal(case: Case, client: Any) -> None:
    row_of(case, client).finish()
    assert judgements(case) == {}
